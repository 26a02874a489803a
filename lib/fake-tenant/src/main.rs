//! The fake service as a program: see [`fake_tenant::program`].

use std::io;

use clap::Parser;
use fake_tenant::program::{Arguments, serve};

#[derive(Debug, Parser)]
#[command(about = "Serves a fake Office 365 Management Activity API on a loopback port")]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> io::Result<()> {
    let command_line = CommandLine::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(command_line.arguments, chrono::Utc::now()))
}
