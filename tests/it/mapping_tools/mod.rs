//! The commands that mappings are made with, as their users see them.

mod map;
mod preview;
mod prompt;
mod unit_tests;

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

/// Runs the program in `folder`, with `stdin` as standard input.
pub(crate) fn o365flow(folder: &TempDir, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("UPDATE_EXPECT")
        .env("XDG_STATE_HOME", folder.path().join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = program.stdin.take().expect("it is piped");
    // A program that does not read all of it is no failure.
    drop(input.write_all(stdin));
    drop(input);
    program.wait_with_output().expect("the program ends")
}

/// All that a run has said: exit code, standard output, standard error.
pub(crate) fn said(output: &Output) -> String {
    let code = output.status.code().expect("it ended by itself");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    format!("{code}\n{}\n--\n{}", text(&output.stdout), text(&output.stderr))
}
