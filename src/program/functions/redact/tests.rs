use proptest::prelude::*;
use serde_json::{Value as Json, json};

use std::{sync::Arc, time::Duration};

use pipeline_core::{Event, EventAck, Origin, Schema};
use vrl::value::{ObjectMap, Value};

use crate::program::{Place, Root, Runner, compile};

/// What the function makes of `record`, with more arguments.
fn redact(record: &Json, arguments: &str) -> Json {
    let source = format!("_any = redact_secrets(.{arguments})");
    let program = compile(&source, &Place::Inline, &Schema::any()).expect("it compiles");
    let value: Value = serde_json::from_value(record.clone()).expect("a record");
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    let mut event = Event::new(value, 0, origin, EventAck::unattended());
    let ended = Runner::new(Arc::new(program), Duration::MAX).run(&mut event);
    assert_eq!(ended, Ok(Root::Object), "{record}");
    json!(event.value())
}

#[expect(clippy::needless_pass_by_value, reason = "cases are easier to read without `&`")]
fn check(record: Json, expected: Json) {
    assert_eq!(redact(&record, ""), expected, "{record}");
    assert_eq!(redact(&expected, ""), expected, "a second time");
}

/// Text in which `secret` is the only secret.
fn check_text(before: &str, secret: &str, after: &str) {
    let text = format!("{before}{secret}{after}");
    check(json!({ "Text": text }), json!({ "Text": format!("{before}[redacted]{after}") }));
}

fn unchanged(record: Json) {
    check(record.clone(), record);
}

#[test]
fn secrets_are_known_by_the_names_of_fields_and_pairs() {
    check(json!({ "Password": "hunter2" }), json!({ "Password": "[redacted]" }));
    check(
        json!({ "Parameters": [
            { "Name": "Identity", "Value": "alice" },
            { "Name": "NewPassword", "Value": "hunter2" },
            { "Name": "ResetPasswordOnNextLogon", "Value": "True" },
        ] }),
        json!({ "Parameters": [
            { "Name": "Identity", "Value": "alice" },
            { "Name": "NewPassword", "Value": "[redacted]" },
            { "Name": "ResetPasswordOnNextLogon", "Value": "True" },
        ] }),
    );
    check(
        json!({ "ModifiedProperties": [{ "Name": "Client Secret", "NewValue": ["b"], "OldValue": "a" }] }),
        json!({ "ModifiedProperties": [
            { "Name": "Client Secret", "NewValue": ["[redacted]"], "OldValue": "[redacted]" },
        ] }),
    );
    check(
        json!({ "o365": { "audit": { "Parameters": { "Credential": { "user": "a", "n": 7 } } } } }),
        json!({ "o365": { "audit": { "Parameters": {
            "Credential": { "user": "[redacted]", "n": 0 },
        } } } }),
    );
}

#[test]
fn detected_values_go_with_what_stood_around_them() {
    let sensitive = |name: &str, value: &str| {
        json!({ "PolicyDetails": [{ "Rules": [{ "ConditionsMatched": { "SensitiveInformation": [{
            "Confidence": 85,
            "SensitiveInformationDetections": {
                "DetectedValues": [{ "Name": name, "Value": value }],
                "ResultsTruncated": false,
            },
        }] } }] }] })
    };
    check(sensitive("4111 1111", "card 4111 1111 of Bob"), sensitive("[redacted]", "[redacted]"));
    check(
        json!({ "DetectedValues": { "4111 1111": 4_111 } }),
        json!({ "DetectedValues": { "[redacted]": 0 } }),
    );
    check_text(
        r#"{"Confidence":85,"DetectedValues":"#,
        r#"[{"Name":"41]11","Value":"x"},{"Name":"5"}]"#,
        r#","ResultsTruncated":false}"#,
    );
}

#[test]
fn secrets_in_texts_are_known_by_the_names_before_them() {
    check_text("-Identity alice -Password ", "hunter2", " -Force");
    check_text("-Password '", "hunter 2", "' -Force");
    check_text("-Password ", "(ConvertTo-SecureString 'hunter(2' -AsPlainText)", "");
    check_text("ConvertTo-SecureString ", "-String hunter2 -AsPlainText -Force", "");
    check_text("(ConvertTo-SecureString ", "-AsPlainText hunter2", ") -Identity alice");
    check_text(r#"{"a":1,"NewPassword":""#, r#"hun\"ter2"#, r#"","b":2}"#);
    check_text(r#"{"Body":"{\"Password\": \""#, r#"hun\\\"ter2"#, r#"\"}"}"#);
    check_text(r#"{"Password":"#, "12345", r#","b":2}"#);
    check_text(r#"[{"Name":"Password","Value":""#, "hunter2", r#""}]"#);
    check_text("Server=db;User Id=app;Password=", "hun,ter2", ";Encrypt=true");
    check_text("[KeyIdentifier=1,KeyMaterial=", "TUlJ+/==", ",DisplayName=ci]");
    check_text("<User>a</User><Password>", "hunter2", "</Password>");
    check_text("&lt;Password&gt;", "hunter2", "&lt;/Password&gt;");
    check_text("AccountName=a;AccountKey=", "Zm9vYmFy+/==", ";EndpointSuffix=core.windows.net");
    check_text("Authorization: ", "Basic YWxpY2U6aHVudGVyMg==", " done");
    check_text("password\u{a0}= und K\u{f6}nig: passwd=", "hunt\u{e9}r2", " und mehr");
    let both = r#"{"Name":"AppSecret","NewValue":"b","OldValue":"a","Type":"c"}"#;
    let redacted =
        r#"{"Name":"AppSecret","NewValue":"[redacted]","OldValue":"[redacted]","Type":"c"}"#;
    check(json!({ "Text": both }), json!({ "Text": redacted }));
}

#[test]
fn a_secret_is_taken_to_its_end_whatever_it_holds() {
    // PowerShell: quotation marks inside, twice or behind a backtick, and what goes on behind them.
    check_text("-Password '", "hun''ter 2", "' -Force");
    check_text("-Password \"", "hun`\"ter 2", "\" -Force");
    check_text("-Password ", "\"hun\"ter2", " -Force");
    check_text("-Password ", "hun\"t;e)r'2&\\x", " -Force");
    check_text("-Password:", "-hunter2", " -Force");
    check_text("-Password \u{201c}", "hunter 2", "\u{201d} -Force");
    check_text("{\"Cmd\":\"New-X -Password ", "hun;ter2", "\",\"b\":2}");
    // JSON: what ends in a backslash, other types, objects, and other signs of assignment.
    check_text(r#"{"Password":""#, r"hunter2\\", r#"","User":"bob"}"#);
    check_text(r#"{"Body":"{\"Password\":\""#, r"hunter2\\\\", r#"\",\"User\":\"bob\"}"}"#);
    check_text(r#"{"Credential":"#, r#"{"user":"a","x":"hunter2"}"#, r#","b":2}"#);
    check_text("password => ", "hunter2", " end");
    check_text("password := ", "hunter2", " end");
    check_text("&quot;password&quot;:&quot;", "hun ter2", "&quot;,&quot;b&quot;:1");
    check_text("Password2: ", "hunter2", " end");
    // Query strings and connection strings.
    check_text("?password=", "a%26b&c", "&user=x");
    check_text("Server=db;Password=", "hun ter;2&x", ";User Id=app");
    check_text("Password=", "hun ter2", ";Server=db");
    check_text("Server=db;Password=", "hun\tter2", ";Encrypt=true");
    check_text(r#"[{"Name":"Password1","Value":""#, "hunter2", r#""}]"#);
    check_text("Password=", "a\"b'c)d]e}f<gh\\i", ", and more");
    check_text("https://alice:", "hun:ter2", "@contoso.example/a?b=c@d");
    // Markup.
    check_text("<a:Password type=\"plain\">", "hun ter>2", "</a:Password>");
    check_text("&lt;Password&gt;", "hun ter2", "&lt;/Password&gt;");
    check_text("<Password>", "<![CDATA[hun<ter 2]]>", "</Password>");
    unchanged(json!({ "Text": "<Password/><User>alice</User> https://contoso.example:443/a@b" }));
    // Pairs in JSON, with other keys between, and values that are no text.
    let pairs = |old: &str, new: &str| {
        format!(r#"[{{"name":"AppSecret","type":"x","OldValue":{old},"NewValue":{new},"n":1}}]"#)
    };
    check(
        json!({ "Text": pairs("null", "\"hunter2\"") }),
        json!({ "Text": pairs("null", "\"[redacted]\"") }),
    );
    check(
        json!({ "Text": pairs("[\"a\"]", "12") }),
        json!({ "Text": pairs("[redacted]", "[redacted]") }),
    );
    check(
        json!({ "Settings": [{ "name": "clientSecret", "value": "hunter2" }] }),
        json!({ "Settings": [{ "name": "clientSecret", "value": "[redacted]" }] }),
    );
}

#[test]
fn secrets_in_texts_are_known_by_their_form() {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    check_text("token ", jwt, " was sent");
    check_text("https://app.contoso.example/#access_token=", jwt, "&state=1");
    check_text("header Bearer ", "0123456789abcdef.ghi", ", ok");
    check_text("https://a.contoso.example/?se=2024&sig=", "abcdefgh%2Bij%3D", "&sv=1");
    check_text("to=https%3A%2F%2Fa.contoso.example%3Fsig%3D", "abcdefghij", "%26sv%3D1");
    check_text("https://f.contoso.example/api?code=", "0123456789abcdefghij==", "&name=x");
    check_text("https://contoso.example/?client_secret=", "abc", "");
    check_text("it is ", "a1b8Q~abcdefghijklmnopqrstuvwxyz01234567", ".");
    check_text(
        "-----BEGIN NOTE-----x ",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        " end",
    );
    check_text("cut ", "-----BEGIN PRIVATE KEY-----\nMIIE", "");
    check_text(
        "https://contoso.webhook.office.example/webhookb2/g/IncomingWebhook/",
        "0123/4567",
        "?x",
    );
}

#[test]
fn the_keys_of_sharing_links_are_secrets() {
    let key = "EQabcdefghijklmnopqrstuvw";
    check_text("https://contoso.example/:x:/g/personal/alice/", key, "?e=a1");
    check_text("https://contoso.example/:f:/s/Team/", key, "");
    check_text("https://contoso.example/_layouts/15/guestaccess.aspx?docid=1&share=", key, "&e=1");
    check_text("https://contoso.example/d.aspx?guestaccesstoken=", key, "&docid=1");
    check_text("https://contoso.example/download.aspx?UniqueId=1&tempauth=", "v1.x.y", "&z=1");
    unchanged(
        json!({ "Url": "https://contoso.example/:x:/r/sites/team/Documents/a-long-name-of-a-file.xlsx" }),
    );
}

#[test]
fn what_is_switched_off_stays() {
    let record = json!({
        "Password": "hunter2",
        "DetectedValues": ["4111"],
        "Url": "https://contoso.example/:x:/g/a/EQabcdefghijklmnopqrstuvw",
    });
    let off = ", detections: false, credentials: false, links: false";
    assert_eq!(redact(&record, off), record);
}

#[test]
fn equal_secrets_have_equal_hashes_and_keys_tell_them_apart() {
    let record =
        json!({ "Password": "hunter2", "Text": "-Password hunter2", "Pin": 1234, "Pwd": "b" });
    let hashed = redact(&record, r#", mode: "hash", key: "k""#);
    let hash = hashed["Password"].as_str().expect("text");
    assert_eq!(hash.len(), "hmac-".len() + 32, "{hash}");
    assert_eq!(hashed["Text"], json!(format!("-Password {hash}")));
    assert_ne!(hashed["Pwd"], hashed["Password"]);
    assert!(hashed["Pin"].as_i64().is_some_and(|pin| pin != 1234), "{hashed}");
    let other = redact(&record, r#", mode: "hash", key: "l""#);
    assert_ne!(other["Password"], hashed["Password"]);
    assert_ne!(other["Pin"], hashed["Pin"]);
    let again = redact(&hashed, r#", mode: "hash", key: "k""#);
    assert_eq!((&again["Password"], &again["Text"]), (&hashed["Password"], &hashed["Text"]));
}

#[test]
fn a_person_has_one_pseudonym_wherever_named() {
    let record = json!({
        "UserId": "Alice@contoso.example",
        "UserKey": "10032001",
        "ActorYammerUserId": 17,
        "Actor": [{ "ID": "alice@contoso.example", "Type": 5 }],
        "ObjectId": "https://contoso.example/personal/alice_contoso_example/a.docx",
        "Parameters": [{ "Name": "ForwardTo", "Value": "smtp:alice@contoso.example;bob@fabrikam.example" }],
        "user": { "id": "alice@contoso.example", "name": "alice", "domain": "contoso.example" },
        "related": { "user": ["alice", "bob"], "ip": ["192.0.2.1"] },
        "cloud": { "account": { "id": "11111111-2222-4333-8444-555555555555" } },
    });
    let named = redact(&record, r#", users: true, key: "k""#);
    let alice = named["user"]["name"].as_str().expect("text");
    let bob = named["related"]["user"][1].as_str().expect("text");
    assert!(alice.starts_with("user-") && alice.len() == "user-".len() + 32, "{alice}");
    assert_ne!(alice, bob);
    assert_eq!(named["UserId"], json!(format!("{alice}@contoso.example")));
    assert_eq!(named["user"]["id"], named["UserId"]);
    assert_eq!(named["user"]["domain"], json!("contoso.example"));
    assert_eq!(named["Actor"][0], json!({ "ID": named["UserId"], "Type": 5 }));
    assert_eq!(named["related"]["user"][0], json!(alice));
    assert_eq!(named["related"]["ip"], record["related"]["ip"]);
    assert_eq!(named["cloud"], record["cloud"]);
    assert_eq!(
        named["Parameters"][0]["Value"],
        json!(format!("smtp:{alice}@contoso.example;{bob}@fabrikam.example"))
    );
    assert!(named["ActorYammerUserId"].is_i64());
    let text = named.to_string();
    for name in ["alice", "Alice", "bob", "10032001"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    assert_eq!(redact(&named, r#", users: true, key: "k""#)["user"], named["user"]);
}

#[test]
fn hashes_and_pseudonyms_need_a_key_and_modes_are_known() {
    for (arguments, why) in [
        (r#", mode: "hash""#, "need a key"),
        (", users: true", "need a key"),
        (r#", mode: "rot13""#, "the modes are"),
    ] {
        let source = format!("_any = redact_secrets(.{arguments})");
        let error = compile(&source, &Place::Inline, &Schema::any()).expect_err("a mistake");
        assert!(error.diagnostic.contains(why), "{}", error.diagnostic);
    }
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    unchanged(json!({
        "Operation": "Change user password.",
        "LogonError": "InvalidUserNameOrPassword",
        "Text": "-ResetPasswordOnNextLogon $true -Password $null",
        "AppAccessContext": { "UniqueTokenId": "MAvPl7EnRECtYhC4q6h_AA" },
        "token": { "id": "MAvPl7EnRECtYhC4q6h_AA" },
        "KeyDescription": "[KeyIdentifier=1,KeyType=Password,KeyUsage=Verify,DisplayName=ci]",
        "Url": "https://contoso.example/?design=abcdefghijklmnopqrst&code=short&key=w",
        "Rest": "a bearer of bad news, Bearer authentication-is-required",
        "Empty": { "Password": "", "Secret": null, "Credential": true, "ApiKey": "***" },
    }));
}

#[test]
fn a_long_text_takes_no_more_time_than_its_length() {
    for piece in [
        "eyJ",
        "q~",
        "8Q~",
        "key=",
        "password=\\",
        "password=<",
        "<password ",
        "password",
        "\"password\",\"a\":[",
        "&password=",
        "://a:",
        "-password ",
        "bearer ",
        "-----begin ",
        "password=\"`",
        ":/g/",
        "guestaccess.aspx?",
        "\\n",
    ] {
        let text = piece.repeat(300_000 / piece.len());
        let text = format!("password=a{text}{text}");
        let started = tokio::time::Instant::now();
        redact(&json!({ "Text": text }), "");
        assert!(started.elapsed() < Duration::from_secs(5), "{piece}: {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(before in ".{0,20}", needle in prop::sample::select(vec![
        "password", "-Password ", "\"Secret\":\"", "eyJ", "bearer ", "sig=", "?key=", "q~", ":/g/",
        "-----BEGIN ", "guestaccess.aspx?", "DetectedValues:[", "/IncomingWebhook/", "credential", "SecureString -String ",
    ]), after in "\\PC{0,40}") {
        let text = format!("{before}{needle}{after}");
        let once = redact(&json!({ "Text": text }), "");
        prop_assert!(once["Text"].is_string());
    }
}
