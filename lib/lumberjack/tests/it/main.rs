//! Frames and the client, against bytes and peers that behave in all ways.

mod client;
mod frames;
