//! What each backend gives, and what is said when it gives nothing.

use std::{fmt::Write, fs};

use expect_test::{Expect, expect};

use super::*;

/// Asks backends, declared as TOML, for secrets, and shows what they say of each.
fn check(backends: &str, wanted: &[&str], expected: &Expect) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("s.json"), r#"{"one": "1", "two": 2, "nothing": ""}"#).unwrap();
    fs::write(folder.path().join("bad.json"), r#"{"one": hunter2}"#).unwrap();
    fs::create_dir_all(folder.path().join("d/deeper")).unwrap();
    fs::write(folder.path().join("d/plain"), "a secret\r\n\n").unwrap();
    fs::write(folder.path().join("d/spaced"), " a \n b ").unwrap();
    fs::write(folder.path().join("d/binary"), [0xff, 0xfe]).unwrap();
    fs::write(folder.path().join("d/deeper/key.txt"), "deep").unwrap();
    let path = folder.path().display().to_string();
    let table: BTreeMap<String, Backend> =
        toml::from_str(&backends.replace("FOLDER", &path)).expect("backends");
    let table = table.into_iter().map(|(name, backend)| (name, Some(backend))).collect();
    let secrets = Secrets::new(table, folder.path().to_owned(), Ask::All);
    let wanted: Vec<Secret> = wanted.iter().map(|key| Secret::parse(key).expect(key)).collect();
    let answers = secrets.ask(wanted.clone(), &|_| None);
    let mut shown = String::new();
    for secret in wanted {
        match answers.of(&secret) {
            Ok(value) => writeln!(shown, "{secret} is {value:?}").unwrap(),
            Err(fault) => writeln!(shown, "{fault}").unwrap(),
        }
    }
    expected.assert_eq(&shown.replace(&path, "FOLDER"));
}

#[test]
fn a_file_gives_its_strings() {
    check(
        "
        vault = { type = 'file', path = 'FOLDER/s.json' }
        bad = { type = 'file', path = 'FOLDER/bad.json' }
        gone = { type = 'file', path = 'FOLDER/gone.json' }
        ",
        &[
            "vault.one",
            "vault.nothing",
            "vault.two",
            "vault.onee",
            "bad.one",
            "gone.one",
            "valt.x",
            "q.x",
        ],
        &expect![[r#"
            SECRET[vault.one] is "1"
            SECRET[vault.nothing] is ""
            secret backend `vault`: `two` in `FOLDER/s.json` is not a string
              fix: put it in quotes
            secret backend `vault`: it has no secret `onee`
              fix: did you mean `SECRET[vault.one]`?
            secret backend `bad`: `FOLDER/bad.json` is not valid JSON: expected value at line 1 column 9
              fix: write an object of strings, as {"key": "secret"}
            secret backend `gone`: cannot read `FOLDER/gone.json`: No such file or directory (os error 2)
              fix: create it, or correct the path or the name of the secret
            secret backend `valt`: it is not declared
              fix: did you mean `vault`?
            secret backend `q`: it is not declared
              fix: declare it in a table `[secret.q]`
        "#]],
    );
}

#[test]
fn a_directory_gives_its_files() {
    check(
        "d = { type = 'directory', path = 'FOLDER/d' }",
        &[
            "d.plain",
            "d.spaced",
            "d.deeper/key.txt",
            "d.gone",
            "d.deeper",
            "d.binary",
            "d.../s.json",
            "d./etc/hostname",
        ],
        &expect![[r#"
            SECRET[d.plain] is "a secret"
            SECRET[d.spaced] is " a \n b "
            SECRET[d.deeper/key.txt] is "deep"
            secret backend `d`: cannot read `FOLDER/d/gone`: No such file or directory (os error 2)
              fix: create it, or correct the path or the name of the secret
            secret backend `d`: cannot read `FOLDER/d/deeper`: Is a directory (os error 21)
              fix: make it a file that can be read
            secret backend `d`: cannot read `FOLDER/d/binary`: stream did not contain valid UTF-8
              fix: it has to be text in UTF-8
            secret backend `d`: `../s.json` leads out of `FOLDER/d`
              fix: name a file below the folder
            secret backend `d`: `/etc/hostname` leads out of `FOLDER/d`
              fix: name a file below the folder
        "#]],
    );
}

/// A backend that runs a shell script, whose own arguments can't be taken for ours.
fn script(script: &str) -> String {
    format!("x = {{ type = 'exec', timeout = '5s', command = ['/bin/sh', '-c', '''{script}'''] }}")
}

#[test]
fn a_command_is_asked_once_for_all_keys() {
    let answer = r#"cat >FOLDER/asked; echo noise >&2
        echo '{"a": {"value": "A", "error": null}, "b": {"value": "B"}}'"#;
    let asked = r#"printf '{"asked": {"value": "%s"}}' "$(sed 's/"/\\"/g' FOLDER/asked)""#;
    let both = format!("{}\n{}", script(answer), script(asked).replacen('x', "y", 1));
    check(
        &both,
        &["x.a", "x.b", "y.asked"],
        &expect![[r#"
        SECRET[x.a] is "A"
        SECRET[x.b] is "B"
        SECRET[y.asked] is "{\"secrets\":[\"a\",\"b\"],\"version\":\"1.0\"}"
    "#]],
    );
}

#[test]
fn what_a_command_does_wrong_is_said_without_what_it_gave() {
    let given = r#"{"a": {"value": "hunter2"}, "b": {"value": null, "error": "no b, but hunter2"}, "c": {"value": 7}}"#;
    check(
        &script(&format!("echo '{given}'; echo hunter2 is a >&2")),
        &["x.b", "x.c", "x.d"],
        &expect![[r#"
            secret backend `x`: `/bin/sh` could not give `b`: no b, but (hidden value)
                (hidden value) is a
            secret backend `x`: `/bin/sh` gave no `value` for `c`
              fix: its `value` has to be a string, its `error` null
            secret backend `x`: it has no secret `d`
              fix: add it there, or correct its name here
        "#]],
    );
    check(
        &script(&format!("echo '{given}'; echo 'hunter2 and more' >&2; exit 3")),
        &["x.a"],
        &expect![[r#"
            secret backend `x`: `/bin/sh` failed: exit status: 3
                (hidden value) and more
              fix: run it by hand to see what it lacks
        "#]],
    );
    check(
        &script("echo hunter2"),
        &["x.a"],
        &expect![[r#"
        secret backend `x`: `/bin/sh` has not answered with a JSON object
          fix: it has to write {"key": {"value": "…", "error": null}}
    "#]],
    );
    check(
        &script("echo hunter2; echo 'got hunter2' >&2; exit 3"),
        &["x.a"],
        &expect![[r#"
            secret backend `x`: `/bin/sh` failed: exit status: 3
                got (hidden value)
              fix: run it by hand to see what it lacks
        "#]],
    );
    check(
        "x = { type = 'exec', command = ['/nonexistent/secrets'] }",
        &["x.a"],
        &expect![[r#"
        secret backend `x`: cannot run `/nonexistent/secrets`: No such file or directory (os error 2)
          fix: give the path of a program that this user may run
    "#]],
    );
    check(
        "x = { type = 'exec', command = [] }",
        &["x.a"],
        &expect![[r#"
        secret backend `x`: its `command` is empty
          fix: name the program and its arguments, as ["/usr/bin/secrets"]
    "#]],
    );
}

#[test]
fn a_secret_is_not_shown_in_part_either() {
    let secret = "hunter2-".repeat(50);
    let text = script(&format!(
        "echo '{{\"a\": {{\"value\": \"{secret}\"}}}}'; printf '%1900s{secret}' ' ' | tr ' ' x >&2; exit 1"
    ));
    let backends = toml::from_str::<BTreeMap<String, Backend>>(&text).expect("backends");
    let backends = backends.into_iter().map(|(name, backend)| (name, Some(backend))).collect();
    let secrets = Secrets::new(backends, PathBuf::new(), Ask::All);
    let wanted = Secret::parse("x.a").expect("a secret");
    let fault = secrets.ask(vec![wanted.clone()], &|_| None).of(&wanted).expect_err("it failed");
    let said = fault.to_string();
    assert!(said.contains("xxx(hidden value)") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_command_that_hangs_or_floods_ends() {
    let slow = "x = { type = 'exec', timeout = '50ms', command = ['/bin/sleep', '60'] }";
    check(
        slow,
        &["x.a"],
        &expect![[r#"
        secret backend `x`: `/bin/sleep` has not answered within 50ms
          fix: see why, or give it more `timeout`
    "#]],
    );
    let flood = script("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 1");
    let folder = toml::from_str::<BTreeMap<String, Backend>>(&flood).expect("backends");
    let backends = folder.into_iter().map(|(name, backend)| (name, Some(backend))).collect();
    let secrets = Secrets::new(backends, PathBuf::new(), Ask::All);
    let wanted = Secret::parse("x.a").expect("a secret");
    let answer = secrets.ask(vec![wanted.clone()], &|_| None).of(&wanted);
    assert!(answer.is_err_and(|fault| fault.to_string().len() < 10_000));
}

#[test]
fn stand_ins_run_no_command_and_differ() {
    let table = toml::from_str::<BTreeMap<String, Backend>>(&script("exit 1")).expect("backends");
    let backends = table.into_iter().map(|(name, backend)| (name, Some(backend))).collect();
    let secrets = Secrets::new(backends, PathBuf::new(), Ask::Files);
    let wanted: Vec<Secret> = ["x.a", "x.b"].iter().filter_map(|key| Secret::parse(key)).collect();
    let answers = secrets.ask(wanted.clone(), &|_| None);
    let values: Vec<String> = wanted.iter().map(|key| answers.of(key).expect("a value")).collect();
    assert_ne!(values[0], values[1]);
    assert!(values.iter().all(|value| value.parse::<uuid::Uuid>().is_ok()), "{values:?}");
}
