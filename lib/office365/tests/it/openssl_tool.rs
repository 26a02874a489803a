//! Keys and certificates by the real `openssl` tool, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "hush-pfx+Pa55w/rd";

/// A folder with files that the tool makes.
pub(crate) struct Kit {
    folder: TempDir,
}

impl Kit {
    pub(crate) fn new() -> Kit {
        Kit { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the tool; its arguments are separated by spaces.
    pub(crate) fn run(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed; `make test` does that");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }

    /// `NAME.key` (PKCS #8) and `NAME.crt`, both PEM, and `NAME.der`. Gives the certificate in DER.
    pub(crate) fn pair(&self, name: &str, key: &str) -> Vec<u8> {
        self.run(&format!(
            "req -x509 -newkey {key} -keyout {name}.key -out {name}.crt -days 365 -nodes -subj /CN={name}"
        ));
        self.run(&format!("x509 -in {name}.crt -outform DER -out {name}.der"));
        self.read(&format!("{name}.der"))
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Makes a pipe, which blocks whoever reads it.
    pub(crate) fn pipe(&self, name: &str) {
        let status = Command::new("mkfifo").arg(self.path(name)).status().unwrap();
        assert!(status.success());
    }

    /// Puts files one after the other.
    pub(crate) fn join(&self, names: &[&str], target: &str) {
        let parts: Vec<u8> = names.iter().flat_map(|name| self.read(name)).collect();
        fs::write(self.path(target), parts).unwrap();
    }

    /// Replaces a file in one step, as a careful administrator does.
    pub(crate) fn put(&self, content: impl AsRef<[u8]>, target: &Path) {
        let draft = self.path("draft");
        fs::write(&draft, content).unwrap();
        fs::rename(&draft, target).unwrap();
    }
}
