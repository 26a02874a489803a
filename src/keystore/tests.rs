//! What a keystore keeps, and what it does with a file that is not as it was.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

const SECRET: &str = "hunter2-that-nobody-may-see";

fn password(text: &str) -> SecretString {
    text.to_owned().into()
}

/// A keystore with one secret, under the password `sesame`.
fn with_secret() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("below").join(FILE_NAME);
    Keystore::create(&path, &password("sesame"), Replace::No).expect("it is made");
    Keystore::change(&path, &password("sesame"), |keystore| {
        keystore.set("contoso.client_secret", password(SECRET));
        Ok::<(), KeystoreError>(())
    })
    .expect("it is changed");
    (folder, path)
}

#[test]
fn what_is_kept_is_found_again_and_cannot_be_read_in_the_file() {
    let (_folder, path) = with_secret();
    let keystore = Keystore::open(&path, &password("sesame")).expect("it opens");
    assert_eq!(keystore.names().collect::<Vec<_>>(), ["contoso.client_secret"]);
    assert_eq!(keystore.value("contoso.client_secret"), Some(SECRET));
    assert!(!format!("{keystore:?}").contains("hunter2"));
    let text = fs::read_to_string(&path).expect("text");
    assert!(!text.contains("hunter2") && !text.contains("contoso"), "{text}");
}

#[test]
fn only_the_owner_can_read_the_file_and_its_folder() {
    let (_folder, path) = with_secret();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
}

#[test]
fn two_writes_have_nothing_in_common() {
    let (_folder, path) = with_secret();
    let before: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("bytes")).expect("JSON");
    Keystore::change(&path, &password("sesame"), |_| Ok::<(), KeystoreError>(())).expect("written");
    let after: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("bytes")).expect("JSON");
    assert_ne!(before["nonce"], after["nonce"]);
    assert_ne!(before["kdf"]["salt"], after["kdf"]["salt"]);
    assert_ne!(before["sealed"], after["sealed"]);
}

#[test]
fn a_file_that_is_there_stays_unless_told_otherwise() {
    let (_folder, path) = with_secret();
    let again = Keystore::create(&path, &password("sesame"), Replace::No);
    assert!(matches!(again, Err(KeystoreError::Exists { .. })), "{again:?}");
    Keystore::create(&path, &password("other"), Replace::Yes).expect("it is replaced");
    let keystore = Keystore::open(&path, &password("other")).expect("it opens");
    assert_eq!(keystore.names().count(), 0);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (_folder, path) = with_secret();
    let before = fs::read(&path).expect("bytes");
    let changed = Keystore::change(&path, &password("sesame"), |keystore| {
        keystore.remove("contoso.client_secret");
        Err(KeystoreError::Seal)
    });
    assert!(changed.is_err());
    assert_eq!(fs::read(&path).expect("bytes"), before);
}

#[test]
fn a_wrong_password_is_refused() {
    let (_folder, path) = with_secret();
    for wrong in ["", "Sesame", "sesame "] {
        let opened = Keystore::open(&path, &password(wrong));
        assert!(matches!(opened, Err(KeystoreError::Sealed { .. })), "{wrong}: {opened:?}");
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused_at_any_length() {
    let (_folder, path) = with_secret();
    let whole = fs::read(&path).expect("bytes");
    // All but the line break at the end.
    for length in (0..whole.len() - 1).step_by(7) {
        fs::write(&path, &whole[..length]).expect("written");
        let opened = Keystore::open(&path, &password("sesame"));
        assert!(matches!(opened, Err(KeystoreError::Damaged { .. })), "{length}: {opened:?}");
    }
}

#[test]
fn a_file_that_was_changed_anywhere_is_refused() {
    let (_folder, path) = with_secret();
    let whole: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("bytes")).expect("JSON");
    let flip = |text: &str| {
        let first = if text.starts_with('A') { "B" } else { "A" };
        serde_json::Value::from(format!("{first}{}", &text[1..]))
    };
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let mut changed = Vec::new();
    for (pointer, value) in [
        ("/sealed", flip(&text(&whole["sealed"]))),
        ("/nonce", flip(&text(&whole["nonce"]))),
        ("/kdf/salt", flip(&text(&whole["kdf"]["salt"]))),
        ("/kdf/iterations", 1.into()),
        ("/kdf/iterations", 4_000_000_000_u32.into()),
        ("/kdf/name", "none".into()),
        ("/version", 2.into()),
        ("/version", 0.into()),
        ("/format", "another".into()),
        ("/nonce", "AAAA".into()),
        ("/sealed", "".into()),
    ] {
        let mut file = whole.clone();
        *file.pointer_mut(pointer).expect("it is there") = value;
        changed.push((pointer, file));
    }
    for (pointer, file) in changed {
        fs::write(&path, file.to_string()).expect("written");
        let opened = Keystore::open(&path, &password("sesame"));
        assert!(opened.is_err(), "{pointer} was changed: {opened:?}");
    }
    fs::write(&path, whole.to_string()).expect("written");
    assert!(Keystore::open(&path, &password("sesame")).is_ok(), "what was varied is right");
}
