//! `o365flow vrl` as a prompt. What is typed comes from a pipe here, as it may for a user.

use expect_test::{Expect, expect};

use super::{folder, o365flow, said};

fn check(typed: &str, arguments: &[&str], expected: &Expect) {
    let records = r#"{"Id":"1","Operation":"FileDeleted"}
{"Id":"2"}
[]
{"Id":"3","Operation":"New-InboxRule"}
"#;
    let folder = folder(&[("r.ndjson", records), ("part.vrl", ".part = .Id\n")]);
    let arguments = [&["vrl", "--quiet"], arguments].concat();
    let said = said(&o365flow(&folder, &arguments, typed.as_bytes()));
    expected.assert_eq(&said);
}

#[test]
fn statements_run_one_after_another_and_their_changes_stay() {
    check(
        "x = 1\n.a = x + 1\n.\nif x == 1 {\n.b = [1,\n2]\n}\n.b\n1 +\n\nnosuch()\nto_int!(\"x\")\n.c = setting(\"mode\", \"copy\")\nexit\n.never = 1\n",
        &["--set", "mode=rename"],
        &expect![[r#"
            0
            1
            2
            {
              "a": 2
            }
            [
              1,
              2
            ]
            [
              1,
              2
            ]
            "rename"
            --
            error[E204]: syntax error
              ┌─ input:1:4
              │
            1 │ 1 +
              │    ^
              │
              │    unexpected end of program
              │    expected one of: "identifier", "string literal", "raw string literal", "integer literal", "float literal", "regex literal", "timestamp literal", "function call", "path literal", "null", "true", "false", "\n", "!", "[", "{", "("
              │
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples
            error[E105]: call to undefined function
              ┌─ input:1:1
              │
            1 │ nosuch()
              │ ^^^^^^
              │ │
              │ undefined function
              │ did you mean "now"?
              │
              = learn more about error code 105 at https://errors.vrl.dev/105
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples
            function call error for "to_int" at (0:12): Invalid integer "x": invalid digit found in string"#]],
    );
}

#[test]
fn records_are_gone_through() {
    check(
        ".Id\nnext\n.Id\nnext\nnext\n.Id\ninclude \"part.vrl\"\n.part\nreset\n.part\nprev\nprev\nprev\nnext\nnext\nnext\n",
        &["--input", "r.ndjson"],
        &expect![[r#"
            0
            r.ndjson:1: "FileDeleted"
            "1"
            r.ndjson:2
            "2"
            r.ndjson:4: "New-InboxRule"
            "3"
            "3"
            "3"
            r.ndjson:4: "New-InboxRule"
            null
            r.ndjson:2
            r.ndjson:1: "FileDeleted"
            r.ndjson:2
            r.ndjson:4: "New-InboxRule"
            --
            r.ndjson:3: invalid type: sequence, expected a map at line 1 column 0
            there is no record before this one
            this was the last record"#]],
    );
    check(
        "next\nprev\nreset\n",
        &[],
        &expect![[r#"
        0
        no record
        --
        there are no records: give some by --input
        there is no record before this one"#]],
    );
}

#[test]
fn functions_are_explained() {
    check(
        "help parse_address\nhelp nosuch_thing\nhelp pars_address\nhelp\n",
        &[],
        &expect![[r#"
            0
            parse_address(value) -> null or object

            Reads an address with or without a port and brackets: `192.0.2.1`, `192.0.2.1:443`, `[192.0.2.1]:443`, `2001:db8::1`, `[2001:db8::1]:443`, `[2001:db8::1]`, a host name with or without a port, or a host name followed by its address in parentheses. Gives an object with those of `ip`, `port` and `host` that the text holds. An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.1`) becomes the IPv4 address. What is no address, such as an empty string, `null` or `<null>`, gives null.
              value: any. The text to read.

            # IPv4 with a port
            parse_address("192.0.2.1:443")
            => { "ip": "192.0.2.1", "port": 443 }

            # IPv6 with a port
            parse_address("[2001:db8::1]:443")
            => { "ip": "2001:db8::1", "port": 443 }

            # IPv6 alone
            parse_address("2001:db8::1")
            => { "ip": "2001:db8::1" }

            # IPv4 mapped into IPv6
            parse_address("::ffff:192.0.2.1")
            => { "ip": "192.0.2.1" }

            # A host name with its address
            parse_address("[MAIL01 (192.0.2.1)]")
            => { "host": "MAIL01", "ip": "192.0.2.1" }

            # A host name with a port
            parse_address("[localhost]:12345")
            => { "host": "localhost", "port": 12345 }

            # No address
            parse_address("<null>")
            => null
            .                      show the event; any expression shows its value
            .a = 1                 change the event; variables stay as well
            include "vrl/ecs.vrl"  run a program on the event
            next, prev             go to the next or the previous record of --input
            reset                  the record as it came
            help functions         list the functions
            help NAME              what a function does, takes and gives, with examples
            exit                   end; so does Ctrl-D. Ctrl-C throws away what is typed
            --
            there is no function `nosuch_thing`; see `help functions`
            there is no function `pars_address`; did you mean `parse_address`?"#]],
    );
}

#[test]
fn every_function_can_be_explained() {
    let folder = folder(&[]);
    let list = o365flow(&folder, &["vrl", "--quiet"], b"help functions\n");
    let list = String::from_utf8(list.stdout).expect("text");
    let names: Vec<&str> = list.split_whitespace().collect();
    assert!(names.len() > 100 && names.contains(&"categorize"), "{list}");
    let typed = format!("help {}\n", names.join("\nhelp "));
    let explained = o365flow(&folder, &["vrl", "--quiet"], typed.as_bytes());
    let explained = String::from_utf8(explained.stdout).expect("text");
    for name in names {
        assert!(explained.contains(&format!("{name}(")), "{name}");
    }
}

#[test]
fn what_was_typed_is_kept_with_the_users_state() {
    let folder = folder(&[]);
    let state = folder.path().join("state");
    let state_home = state.to_str().expect("text").to_owned();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["vrl", "--quiet"])
        .env("XDG_STATE_HOME", state_home)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    std::io::Write::write_all(&mut program.stdin.take().expect("piped"), b".a = 1\n")
        .expect("read");
    assert!(program.wait().expect("it ends").success());
    assert!(state.join("o365flow/vrl_history").is_file());
}
