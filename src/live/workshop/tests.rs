use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use expect_test::expect;
use pipeline_core::{Event, TransformConfig, testing::ManualClock};
use tempfile::TempDir;

use super::*;
use crate::transforms::remap;

const PROGRAM: &str = ".a = 1\n";

/// A workshop with a transform `map`, whose program is the file `map.vrl` in a folder.
struct Rig {
    live: Live,
    folder: TempDir,
}

impl Rig {
    fn new() -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("map.vrl"), PROGRAM).expect("it can be written");
        let file = folder.path().join("map.vrl");
        let map = remap::Config { file: Some(file), ..remap::Config::default() };
        let inline = remap::Config { source: Some(".".into()), ..remap::Config::default() };
        let workplace = |id: &str, config: Option<&remap::Config>| Workplace {
            id: id.into(),
            input: Schema::any(),
            outputs: vec![],
            program: config.and_then(TransformConfig::program),
        };
        let all = vec![
            workplace("map", Some(&map)),
            workplace("inline", Some(&inline)),
            workplace("out", None),
        ];
        let live = Live::new().0;
        live.equip(Workshop::new(all, Tables::default()));
        Rig { live, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("map.vrl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("it can be read")
    }

    async fn try_on(&self, text: &str, records: &[&str]) -> Trial {
        let (batch, _receipt) = pipeline_core::testing::batch(records);
        let events = batch.events().iter().map(Event::detached).collect();
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let tried = self.live.try_program("map", text.to_owned(), Some(events), clock).await;
        tried.expect("no panic").expect("it has a program")
    }

    async fn save(&self, text: &str, digest: &str) -> Result<Saved, SaveError> {
        let saved = self.live.save_program("map", text.to_owned(), digest.to_owned()).await;
        saved.expect("no panic")
    }

    fn digest(&self) -> String {
        self.live.workshop().program("map").expect("it has a program").digest
    }

    /// The names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("it can be read");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("it can be read").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

fn shown(trial: &Trial, folder: &Path) -> String {
    let folder = format!("{}/", folder.display());
    let diagnostic = |diagnostic: &Diagnostic| {
        let Diagnostic { file, line, column, severity, message, text } = diagnostic;
        assert!(!text.is_empty());
        let file = file.as_ref().map(|file| file.display().to_string());
        format!("{file:?} {line:?}:{column:?} {severity:?} {message}")
    };
    let result = |tried: &Tried| {
        let left = tried.outputs.iter().map(|left| format!(" → {:?} {}", left.port, left.event));
        let left: String = left.collect();
        format!("{}{left} {}", tried.input, tried.error.as_deref().unwrap_or_default())
    };
    let lines = trial.diagnostics.iter().map(diagnostic).chain(trial.results.iter().map(result));
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").replace(&folder, "")
}

#[tokio::test]
async fn a_program_is_tried_on_events_without_being_saved() {
    let rig = Rig::new();
    let text = ".b = to_int!(.n)\nif .n == \"0\" { abort }\nif .n == \"2\" { . = [{\"x\":1}, {\"x\":2}] }\n";
    let records = [r#"{"n":"1"}"#, r#"{"n":"x"}"#, r#"{"n":"0"}"#, r#"{"n":"2"}"#];
    let trial = rig.try_on(text, &records).await;
    assert!(trial.ok && !trial.incomplete && trial.nanoseconds_per_event > Some(0));
    expect![[r#"
        { "n": "1" } → "" { "b": 1, "n": "1" }
        { "n": "x" } → "dropped" { "n": "x" } map.vrl:1: to_int!(.n): Invalid integer "x": invalid digit found in string
        { "n": "0" }
        { "n": "2" } → "" { "x": 1 } → "" { "x": 2 }"#]].assert_eq(&shown(&trial, rig.folder.path()));
    assert_eq!(rig.text(), PROGRAM);
}

#[tokio::test]
async fn what_does_not_compile_is_shown_at_its_line_and_in_its_part() {
    let rig = Rig::new();
    fs::write(rig.folder.path().join("part.vrl"), ".ok = 1\n.x = nosuch()\n").expect("a file");
    let trial = rig.try_on("include \"part.vrl\"\n.y = 1 + \"a\"\n", &["{}"]).await;
    assert!(!trial.ok && trial.results.is_empty());
    expect![[r#"
        Some("part.vrl") Some(2):Some(6) Error call to undefined function (E105): undefined function
        Some("map.vrl") Some(2):Some(6) Error unhandled fallible assignment (E103): this expression is fallible because at least one argument's type cannot be verified to be valid"#]].assert_eq(&shown(&trial, rig.folder.path()));
    let trial = rig.try_on("include \"absent.vrl\"\n", &[]).await;
    expect![[r#"Some("map.vrl") Some(1):Some(1) Error cannot read the part `absent.vrl`: No such file or directory (os error 2)"#]].assert_eq(&shown(&trial, rig.folder.path()));
    let trial = rig.try_on(". = 1\n", &[]).await;
    expect![[r#"Some("map.vrl") Some(1):Some(1) Error map.vrl: the program never leaves an object at the root"#]].assert_eq(&shown(&trial, rig.folder.path()));
    let trial = rig.try_on("\"unused\"\n.b = 1\n", &["{}"]).await;
    assert!(trial.ok, "a warning stops nothing");
    expect![[r#"
        Some("map.vrl") Some(1):Some(1) Warning unused literal `"unused"` (E900): help: use the result of this expression or remove it
        {  } → "" { "b": 1 }"#]].assert_eq(&shown(&trial, rig.folder.path()));
}

#[tokio::test]
async fn a_trial_ends_in_time() {
    let rig = Rig::new();
    let slow =
        "x = range!(0, 3000)\nfor_each(x) -> |_i, a| { for_each(x) -> |_j, b| { c = a + b } }\n";
    let slow = slow.replace("range!(0, 3000)", &format!("[{}]", vec!["1"; 3000].join(",")));
    let trial = rig.try_on(&slow, &["{}"; 100]).await;
    assert!(trial.ok && trial.incomplete, "{trial:?}");
    assert!(trial.results.len() < 100);
}

#[tokio::test]
async fn a_program_that_compiles_is_saved_and_keeps_what_it_was_but_for_its_text() {
    let rig = Rig::new();
    fs::rename(rig.file(), rig.folder.path().join("real.vrl")).expect("it can be renamed");
    symlink("real.vrl", rig.file()).expect("a link");
    fs::set_permissions(rig.file(), fs::Permissions::from_mode(0o640)).expect("its mode is set");
    let before = rig.live.workshop().program("map").expect("it has a program");
    assert!(before.writable);
    let saved = rig.save(".a = 2\n", &before.digest).await.expect("it is saved");
    assert_eq!(rig.text(), ".a = 2\n");
    assert_eq!(saved.digest, rig.digest());
    assert_eq!(rig.names(), ["map.vrl", "real.vrl"]);
    assert!(rig.file().is_symlink());
    let mode = fs::metadata(rig.file()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[tokio::test]
async fn what_is_wrong_or_late_is_not_saved() {
    let rig = Rig::new();
    let digest = rig.digest();
    let wrong = rig.save("nosuch()\n", &digest).await;
    assert!(
        matches!(wrong, Err(SaveError::Wrong { diagnostics }) if diagnostics[0].line == Some(1))
    );
    assert_eq!(rig.text(), PROGRAM);
    fs::write(rig.file(), ".by = \"another\"\n").expect("it can be written");
    let late = rig.save(".a = 2\n", &digest).await;
    assert!(matches!(late, Err(SaveError::Changed { .. })), "{late:?}");
    assert_eq!(rig.text(), ".by = \"another\"\n");
    assert_eq!(rig.names(), ["map.vrl"]);
}

#[tokio::test]
async fn only_files_of_programs_are_written() {
    let rig = Rig::new();
    let save = async |id: &str| {
        let saved = rig.live.save_program(id, ".".to_owned(), String::new()).await;
        saved.expect("no panic").expect_err("it has no file").to_string()
    };
    assert_eq!(save("inline").await, "the program of `inline` has no file that could be written");
    assert_eq!(save("out").await, "`out` has no program");
    assert_eq!(save("../map.vrl").await, "there is no component `../map.vrl`");
    let inline = rig.live.workshop().program("inline").expect("it has a program");
    assert_eq!((inline.file, inline.text.as_str(), inline.writable), (None, ".", false));
}
