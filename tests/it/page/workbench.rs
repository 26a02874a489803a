//! The workbench: what a program makes of real events, before and after it is saved.

use std::fs;

use serde_json::json;

use super::{
    browser::{Browser, DESKTOP},
    overview::violations,
    scene::Scene,
};
use crate::rig::Rig;

/// Puts a text in the place of the program's, as somebody who types does.
async fn write(browser: &Browser, text: &str) {
    let text = json!(text);
    browser
        .ask(&format!(
            "const area = document.querySelector('#program');
            area.value = {text};
            area.dispatchEvent(new Event('input', {{bubbles: true}}));"
        ))
        .await;
}

async fn open(scene: &Scene, transform: &str) -> Browser {
    let url = format!("{}#workbench/{transform}", scene.url);
    let browser = Browser::open(&url, DESKTOP).await;
    // Events are kept as they pass, so there may be none yet.
    let none = "document.querySelector('.events p')";
    let newer = "document.querySelector('#results-title + button').click()";
    browser.until(&format!("document.querySelector('.diff') || ({none} && {newer}, false)")).await;
    browser
}

const COMPARISON: &str = "document.querySelector('.comparison').innerText";

#[tokio::test]
async fn an_edit_shows_what_it_would_do_and_saving_does_it() {
    let scene = Scene::demo();
    let program = scene.folder.path().join("vrl/flatten.vrl");
    let before = fs::read_to_string(&program).expect("it is there");
    let browser = open(&scene, "flatten").await;
    browser.until(&format!("document.querySelector('#program').value === {}", json!(before))).await;

    // An edit changes what is shown, and nothing else.
    let after = format!("{before}.note = \"seen\"\n");
    write(&browser, &after).await;
    browser.until(&format!("{COMPARISON}.includes('\"note\": \"seen\"')")).await;
    browser.until("document.querySelector('.results').innerText.includes('µs an event')").await;
    assert_eq!(fs::read_to_string(&program).expect("it is there"), before);

    // A mistake is shown at its line; there is no output to be mistaken for the program's.
    write(&browser, &format!("{before}.note = nowhere\n")).await;
    let line = before.lines().count() + 1;
    browser
        .until(&format!("document.querySelector('.numbers .error')?.innerText.includes('{line}')"))
        .await;
    assert!(browser.text("#program-errors").await.contains(&format!("line {line}")));
    assert!(browser.text(".outcome").await.contains("does not compile"));
    assert_eq!(violations(&browser).await, Vec::<String>::new());
    browser.picture("workbench-error").await;

    // Saved, it is in use: the events that come now have the field.
    write(&browser, &after).await;
    browser.until(&format!("{COMPARISON}.includes('seen')")).await;
    browser.click(".actions .primary").await;
    browser.until("document.querySelector('.said').innerText.startsWith('Saved')").await;
    assert_eq!(fs::read_to_string(&program).expect("it is there"), after);
    scene.until_written("flat.ndjson", |line| line["note"] == "seen").await;

    // What somebody else has changed meanwhile is not overwritten unasked.
    write(&browser, &format!("{before}.note = \"mine\"\n")).await;
    fs::write(&program, "# of somebody else\n").expect("it is written");
    browser.click(".actions .primary").await;
    browser.until("!document.querySelector('.conflict').hidden").await;
    assert_eq!(fs::read_to_string(&program).expect("it is there"), "# of somebody else\n");
    browser.click(".conflict button:last-child").await;
    browser.until("document.querySelector('.said').innerText.startsWith('Saved')").await;
    assert!(fs::read_to_string(&program).expect("it is there").contains("mine"));
    browser.close().await;
}

/// A program whose events want to be markup.
const HOSTILE: &str = r#"source = '''
.Operation = "<img src=x onerror=\"document.title='owned'\">"
.UserId = "</script><script>document.title='owned'</script>"
."<b>key</b>" = "\u{202e}javascript:alert(1)"
'''"#;

#[tokio::test]
async fn hostile_events_stay_text_and_nothing_is_saved_unless_it_is_allowed() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2"]);
    let program = rig.folder.path().join("second.vrl");
    fs::write(&program, ".second = true\n").expect("it is written");
    let (program_name, out) = (program.display(), rig.folder.path().join("out.ndjson"));
    let scene = Scene::of(
        &rig,
        HOSTILE,
        &format!(
            r#"
[api]
address = "ADDRESS"
[transforms.second]
type = "remap"
inputs = ["map"]
file = "{program_name}"
[sinks.out]
type = "file"
inputs = ["second"]
path = "{out}"
"#,
            out = out.display()
        ),
    );
    let browser = open(&scene, "second").await;
    // What the program leaves as it is, is folded; and folded anew when other events come.
    let unfold = "document.querySelector('.fold button')?.click()";
    browser.until(&format!("({unfold}, {COMPARISON}.includes('<img src=x onerror='))")).await;
    assert!(browser.text(".events").await.contains("</script><script>"));
    assert_eq!(
        browser
            .ask("return document.querySelectorAll('main img, main script, .diff td:not([colspan]) *').length")
            .await,
        json!(0)
    );
    assert_eq!(browser.ask("return document.title").await, json!("o365flow"));

    assert!(
        browser.ask("return document.querySelector('.actions .primary').checkVisibility()").await
            == json!(false)
    );
    assert!(browser.text(".said").await.contains("allow_edit"));
    // Not even by hand.
    let status = browser
        .wait_for(
            "fetch('/api/transforms/second/program').then(it => it.json()).then(({digest}) => fetch('/api/transforms/second/program', \
            {method: 'PUT', headers: {'content-type': 'application/json'}, body: JSON.stringify({text: '.x = 1', digest})}))
            .then(answer => done(answer.status));",
        )
        .await;
    assert_eq!(status, json!(403));
    assert_eq!(fs::read_to_string(&program).expect("it is there"), ".second = true\n");
    browser.close().await;
}
