//! The status page, in a real browser, at the real program.

mod browser;
mod demo;
mod guarded;
mod overview;
mod scene;
mod workbench;
