//! Dead letters as files: `<data_dir>/dead-letters/<component id>.ndjson`, one letter a line.
//!
//! Invariant: a letter is on disk before its event is acknowledged, and this module never deletes one. A file that
//! grows beyond [`FILE_BYTES_MAX`] is moved aside to `.ndjson.1`, `.ndjson.2` and so on; all of them stay until a person
//! has looked at them, and `o365_dead_letter_files` shows how many there are.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use metrics::{counter, gauge};
use pipeline_core::{ComponentId, DeadLetter, DeadLetterError, DeadLetters, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{AppendFile, Rotation};

/// Size at which a file is moved aside: still easy to open in an editor, and few of them for many letters.
const FILE_BYTES_MAX: u64 = 100 * 1000 * 1000;

/// The dead letters of all components.
#[derive(Clone, Debug)]
pub struct DeadLetterFiles(Arc<Files>);

#[derive(Debug)]
struct Files {
    folder: PathBuf,
    /// Opened when the first letter comes. Held while writing: letters are rare, and must not mix.
    open: Mutex<HashMap<ComponentId, AppendFile>>,
}

impl DeadLetterFiles {
    /// Keeps dead letters below `data_dir`, in a folder that only its owner can enter.
    pub fn open(data_dir: &Path) -> Result<DeadLetterFiles, DeadLetterError> {
        let folder = data_dir.join("dead-letters");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .and_then(|()| File::open(data_dir)?.sync_all())
            .map_err(|source| DeadLetterError { path: folder.display().to_string(), source })?;
        Ok(DeadLetterFiles(Arc::new(Files { folder, open: Mutex::default() })))
    }

    /// The file of a component.
    pub fn path(&self, component_id: &str) -> PathBuf {
        self.0.path(component_id)
    }
}

impl DeadLetters for DeadLetterFiles {
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        let files = Arc::clone(&self.0);
        Box::pin(async move {
            let folder = files.folder.display().to_string();
            tokio::task::spawn_blocking(move || files.put(&letters)).await.map_err(|panic| {
                DeadLetterError { path: folder, source: io::Error::other(panic) }
            })?
        })
    }
}

impl Files {
    fn put(&self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for letters in letters.chunk_by(|a, b| a.component_id == b.component_id) {
            let component_id = &letters[0].component_id;
            let path = self.path(component_id);
            append(&mut open, &path, letters)
                .map_err(|source| DeadLetterError { path: path.display().to_string(), source })?;
        }
        Ok(())
    }

    fn path(&self, component_id: &str) -> PathBuf {
        self.folder.join(file_name(component_id))
    }
}

fn append(
    open: &mut HashMap<ComponentId, AppendFile>,
    path: &Path,
    letters: &[DeadLetter],
) -> io::Result<()> {
    let component_id = &letters[0].component_id;
    if !open.contains_key(component_id) {
        let rotation = Rotation { bytes_max: FILE_BYTES_MAX, files_max: 0 };
        open.insert(Arc::clone(component_id), AppendFile::open(path, rotation)?);
    }
    let Some(file) = open.get_mut(component_id) else { return Ok(()) };
    let mut lines = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut lines, &Line::of(letter))?;
        lines.push(b'\n');
    }
    file.append(&lines)?;
    let label = [("component_id", component_id.to_string())];
    counter!("o365_dead_letters_total", &label).increment(letters.len() as u64);
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 files")]
    gauge!("o365_dead_letter_files", &label).set((file.old_files()? + 1) as f64);
    Ok(())
}

/// A name for a component's file that is safe in any folder, and different for each id.
fn file_name(component_id: &str) -> String {
    let mut name = String::new();
    for byte in component_id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => write!(name, "%{byte:02X}").unwrap_or_default(),
        }
    }
    name + ".ndjson"
}

/// A dead letter as it stands in the file.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    component_id: &'a str,
    kind: &'static str,
    reason: &'a str,
    origin: &'a str,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Payload<'a> {
    Event { event: &'a RawValue },
    Text { record: &'a str },
    Bytes { record: String, record_base64: String },
}

impl<'a> Line<'a> {
    fn of(letter: &'a DeadLetter) -> Line<'a> {
        Line {
            time: letter.time,
            component_id: &letter.component_id,
            kind: letter.kind.as_str(),
            reason: &letter.reason,
            origin: &letter.origin,
            payload: Payload::of(&letter.payload),
        }
    }
}

impl<'a> Payload<'a> {
    fn of(bytes: &'a [u8]) -> Payload<'a> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let record = String::from_utf8_lossy(bytes).into_owned();
            return Payload::Bytes { record, record_base64: STANDARD.encode(bytes) };
        };
        // A record with line feeds between its fields would take several lines: it is kept as text.
        let is_one_line = memchr::memchr2(b'\n', b'\r', bytes).is_none();
        if is_one_line
            && text.starts_with('{')
            && let Ok(event) = serde_json::from_str(text)
        {
            return Payload::Event { event };
        }
        Payload::Text { record: text }
    }
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use expect_test::expect;
    use pipeline_core::LetterKind;

    use super::*;

    fn letter(component_id: &str, payload: &[u8]) -> DeadLetter {
        DeadLetter {
            component_id: component_id.into(),
            kind: LetterKind::Refused,
            reason: "it \"never\" fits".to_owned(),
            time: Timestamp::from_timestamp(1_700_000_000, 0).expect("a time"),
            origin: "blob-1".to_owned(),
            metadata: None,
            payload: payload.to_vec(),
        }
    }

    #[tokio::test]
    async fn letters_are_kept_by_component_whatever_they_hold() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        let letters = vec![
            letter("es", b"{\"n\":12345678901234567890}"),
            letter("es", b"{\"n\":\n1}"),
            letter("es", b"not JSON"),
            letter("../x.y", b"{}"),
            letter("es", b"{\xff"),
        ];
        files.put(letters).await.expect("they are kept");
        let text = fs::read_to_string(files.path("es")).expect("a file");
        expect![[r#"
            {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","event":{"n":12345678901234567890}}
            {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"{\"n\":\n1}"}
            {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"not JSON"}
            {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"{\u{fffd}","record_base64":"e/8="}
        "#]]
        .assert_eq(&text.replace('\u{fffd}', "\\u{fffd}"));
        let folder = data_dir.path().join("dead-letters");
        assert!(folder.join("%2E%2E%2Fx%2Ey.ndjson").exists());
        assert_eq!(fs::metadata(&folder).expect("a folder").mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_an_error_and_nothing_is_written_twice() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        files.put(vec![letter("es", b"{}")]).await.expect("it is kept");
        let folder = data_dir.path().join("dead-letters");
        let aside = data_dir.path().join("aside");
        fs::rename(&folder, &aside).expect("it moves");
        files.put(vec![letter("es", b"{}")]).await.expect_err("its folder is gone");
        fs::rename(&aside, &folder).expect("it moves");
        files.put(vec![letter("es", b"{}")]).await.expect("it is kept");
        let text = fs::read_to_string(files.path("es")).expect("a file");
        assert_eq!(text.lines().count(), 2);
    }
}
