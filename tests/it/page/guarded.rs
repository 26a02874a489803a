//! The page where a token is set, and when the program is gone.

use serde_json::json;

use super::{
    browser::{Browser, DESKTOP},
    overview::violations,
    scene::Scene,
};
use crate::rig::Rig;

const SINK: &str = "[sinks.nowhere]\ntype = \"blackhole\"\ninputs = [\"map\"]\n";

#[tokio::test]
async fn the_token_is_asked_for_once_and_stays_in_no_script() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2"]);
    let rest = format!("[api]\naddress = \"ADDRESS\"\ntoken = \"a-token-of-the-tests\"\n{SINK}");
    let scene = Scene::of(&rig, "source = '.x = 1'", &rest);
    let browser = Browser::open(&scene.url, DESKTOP).await;
    browser.until("!document.querySelector('#login').hidden").await;
    assert_eq!(
        browser.ask("return document.querySelectorAll('[data-component]').length").await,
        json!(0)
    );
    assert_eq!(violations(&browser).await, Vec::<String>::new());
    browser.picture("sign-in").await;

    browser.press("not-the-token-of-the-tests\u{e007}").await;
    browser.until("document.querySelector('#login-error').innerText !== ''").await;
    browser.press("a-token-of-the-tests\u{e007}").await;
    browser.until("document.querySelectorAll('[data-component]').length === 3").await;
    assert_eq!(browser.ask("return document.cookie").await, json!(""));
    assert_eq!(browser.ask("return localStorage.length + sessionStorage.length").await, json!(0));

    // The session goes on after the page is opened anew.
    browser.ask("location.reload()").await;
    browser.until("document.querySelectorAll('[data-component]').length === 3").await;
    browser.close().await;
}

#[tokio::test]
async fn old_data_are_said_to_be_old() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2"]);
    let scene =
        Scene::of(&rig, "source = '.x = 1'", &format!("[api]\naddress = \"ADDRESS\"\n{SINK}"));
    let browser = Browser::open(&scene.url, DESKTOP).await;
    browser.until("document.querySelector('#health').innerText === 'all is well'").await;
    assert!(scene.interrupt());
    browser.until("!document.querySelector('#stale').hidden").await;
    assert!(browser.text("#stale").await.contains("These data are old"));
    assert_eq!(browser.text("#health").await, "no connection");
    assert_eq!(violations(&browser).await, Vec::<String>::new());
    browser.picture("gone").await;
    browser.close().await;
}
