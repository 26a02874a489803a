//! Chromium, by its driver, and axe-core, by the scripts in `tests/services`.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use super::{folder, script};

/// The URL of the driver that all tests share.
pub(crate) fn driver() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let mut start = Command::new(script("chromium-start.sh"));
        start.arg(folder("chromium")).env("CHROMIUM_OWNER_PID", std::process::id().to_string());
        said(start)
    })
}

/// The program of axe-core.
pub(crate) fn axe() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let file = PathBuf::from(said(Command::new(script("axe-install.sh"))));
        std::fs::read_to_string(file).expect("it is installed")
    })
}

/// The last line that a script has written.
fn said(mut script: Command) -> String {
    let output = script.output().expect("the script runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    text.lines().last().expect("it writes a line").to_owned()
}
