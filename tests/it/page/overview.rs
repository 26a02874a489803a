//! What runs, how fast, and what became of every hour.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::{
    browser::{Browser, DESKTOP, LOOKS},
    scene::Scene,
};
use crate::services::chromium;

/// The picture in README may be so large.
const PICTURE_BYTES_MAX: usize = 200_000;

#[tokio::test]
async fn the_overview_shows_the_pipeline_as_it_runs() {
    let scene = Scene::demo();
    let browser = Browser::open(&scene.url, DESKTOP).await;

    // Every component is there, and what runs between them.
    browser.until("document.querySelectorAll('[data-component]').length === 7").await;
    let drawn = browser
        .ask("return [...document.querySelectorAll('#diagram [data-component]')].map(it => it.dataset.component)")
        .await;
    let drawn: BTreeSet<&str> =
        drawn.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let expected = ["ecs", "failures", "flat", "flatten", "ndjson", "office365", "outcome"];
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(browser.ask("return document.querySelectorAll('.edge').length").await, json!(6));

    // Numbers move: records come all the time.
    browser.until("parseFloat(document.querySelector('[data-tile=read] b').innerText) > 0").await;
    let total =
        "parseInt(document.querySelector('[data-tile=read] small').innerText.replaceAll(',', ''))";
    let before = browser.until(total).await;
    browser.until(&format!("{total} > {before}")).await;
    browser
        .until(
            "[...document.querySelectorAll('.rate')].some(it => it.textContent.includes('failed'))",
        )
        .await;
    browser.until("document.querySelector('#health').innerText === 'all is well'").await;

    // A week of squares for each feed; none is lost, most are delivered.
    browser.until("document.querySelectorAll('.map').length === 5").await;
    assert_eq!(
        browser.ask("return document.querySelectorAll('[role=gridcell]').length").await,
        json!(5 * 168)
    );
    browser.until("document.querySelectorAll('.heat .level-4').length > 5").await;
    assert_eq!(browser.text("[data-tile=lost] b").await, "0");
    let (feeds, lost) = (browser.text("#feeds").await, "0 lost");
    assert!(feeds.contains("Audit.Exchange") && feeds.matches(lost).count() == 5, "{feeds}");

    browser.picture("overview-desktop-light").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn everybody_can_use_every_view() {
    let scene = Scene::demo();
    let browser = Browser::open(&scene.url, DESKTOP).await;
    for look in LOOKS {
        browser.look(look).await;
        for (view, ready) in [
            ("overview", "document.querySelectorAll('.map').length === 5"),
            ("workbench/flatten", "document.querySelector('.diff')"),
        ] {
            browser.ask(&format!("location.hash = '#{view}'")).await;
            browser.until(ready).await;
            browser
                .until(
                    "parseFloat(document.querySelector('[data-tile=delivered] b').textContent) > 0",
                )
                .await;
            let wide =
                browser.ask("return document.documentElement.scrollWidth - innerWidth").await;
            assert_eq!(wide, json!(0), "{view} scrolls sideways at {look:?}");
            let name = view.split('/').next().expect("a name");
            let picture = browser.picture(&format!("{name}-{}", look.name)).await;
            if name == "overview" && look == DESKTOP {
                keep(&picture);
            }
            assert_eq!(violations(&browser).await, Vec::<String>::new(), "{view} at {look:?}");
        }
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

/// What axe-core finds that would keep somebody from using the page.
pub(super) async fn violations(browser: &Browser) -> Vec<String> {
    browser.ask(chromium::axe()).await;
    let found = browser
        .wait_for("axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations), error => done(String(error)));")
        .await;
    let found = found.as_array().unwrap_or_else(|| panic!("axe-core fails: {found}"));
    let grave = found.iter().filter(|one| {
        ["serious", "critical"].contains(&one["impact"].as_str().unwrap_or_default())
    });
    grave.map(|one| format!("{}: {}", one["help"], one["nodes"][0]["html"])).collect()
}

/// The picture in README, made anew where that is wanted.
fn keep(picture: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/status-page.png");
    assert!(picture.len() < PICTURE_BYTES_MAX, "the picture has {} bytes", picture.len());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, picture).expect("it is written");
    }
    assert!(file.exists(), "README shows a picture that is not there");
}

#[tokio::test]
async fn the_keyboard_alone_leads_everywhere() {
    let scene = Scene::demo();
    let browser = Browser::open(&scene.url, DESKTOP).await;
    browser.until("document.querySelectorAll('.map').length === 5").await;

    // The first stop leads past the header.
    browser.press("\u{e004}\u{e007}").await;
    browser.until("document.activeElement.id === 'main'").await;
    assert_eq!(
        browser.ask("return document.querySelector('#overview').hidden").await,
        json!(false)
    );

    // From the drawing into the details of a component, and back.
    browser.press("\u{e004}").await;
    browser.until("document.activeElement.dataset.component === 'office365'").await;
    browser.press("\u{e007}").await;
    browser.until("document.activeElement.id === 'component'").await;
    assert!(browser.text("#component").await.contains("office365"));
    browser.press("\u{e004}\u{e007}").await;
    browser.until("document.activeElement.dataset.component === 'office365'").await;
    assert_eq!(
        browser.ask("return document.querySelector('#component').hidden").await,
        json!(true)
    );

    // A map is one stop; arrows move in it, and its squares say their numbers.
    browser.ask("document.querySelector('.heat [tabindex=\"0\"]').focus()").await;
    let spoken = "document.activeElement.getAttribute('aria-label')";
    let first = browser.until(spoken).await;
    browser.press("\u{e012}").await;
    browser.until(&format!("{spoken} !== {first} && {spoken}.includes(':00: ')")).await;
    let label = browser.ask(&format!("return {spoken}")).await;
    assert_eq!(json!(browser.text(".readout").await), label);

    // Tab indents in the editor; Escape, then Tab, leaves it.
    browser.ask("location.hash = '#workbench/flatten'").await;
    browser.until("document.querySelector('#program')?.value.includes('flatten_pairs')").await;
    browser.ask("const area = document.querySelector('#program'); area.focus(); area.setSelectionRange(0, 0)").await;
    browser.press("\u{e004}").await;
    browser.until("document.querySelector('#program').value.startsWith('  #')").await;
    browser.press("\u{e00c}\u{e004}").await;
    browser.until("document.activeElement.id !== 'program'").await;
    browser.close().await;
}
