//! A real browser, to look at the page with. It waits inside the page: nothing here sleeps.

use std::{fs, path::PathBuf, time::Duration};

use fantoccini::{
    Client, ClientBuilder,
    actions::{InputSource, KeyAction, KeyActions},
    wd::{TimeoutConfiguration, WebDriverCompatibleCommand},
};
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::services::chromium;

/// Longest wait for what takes a second at most, on a machine that has other work.
const PATIENCE: Duration = Duration::from_mins(1);

/// How somebody looks at the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) name: &'static str,
    width: u32,
    height: u32,
    is_phone: bool,
    scheme: &'static str,
}

pub(super) const DESKTOP: Look =
    Look { name: "desktop-light", width: 1280, height: 900, is_phone: false, scheme: "light" };

pub(super) const LOOKS: [Look; 4] = [
    DESKTOP,
    Look { name: "desktop-dark", scheme: "dark", ..DESKTOP },
    Look { name: "phone-light", width: 360, height: 780, is_phone: true, scheme: "light" },
    Look { name: "phone-dark", width: 390, height: 844, is_phone: true, scheme: "dark" },
];

/// A browser with one page open.
pub(super) struct Browser {
    client: Client,
}

/// A command that `WebDriver` does not have and Chromium's driver does.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Opens `url`.
    pub(super) async fn open(url: &str, look: Look) -> Browser {
        // A container has little shared memory, and Chromium no sandbox for the superuser.
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--hide-scrollbars"
        ]);
        let wanted = json!({
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let wanted = wanted.as_object().expect("it is an object").clone();
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(chromium::driver())
            .await
            .expect("a browser starts");
        let browser = Browser { client };
        let script = Some(PATIENCE + Duration::from_secs(10));
        let timeouts = TimeoutConfiguration::new(script, Some(PATIENCE), None);
        browser.client.update_timeouts(timeouts).await.expect("it takes time-outs");
        browser.look(look).await;
        browser.client.goto(url).await.expect("the page opens");
        browser
    }

    /// Looks at the page in another way.
    pub(super) async fn look(&self, look: Look) {
        let size = json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": look.scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Own { path: "goog/cdp/execute", body }).await.expect(command)
    }

    /// What a script returns.
    pub(super) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect(script)
    }

    /// The text of an element.
    pub(super) async fn text(&self, selector: &str) -> String {
        let text =
            self.ask(&format!("return document.querySelector({selector:?})?.innerText")).await;
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    /// Waits until an expression is true of the page, and gives its value.
    pub(super) async fn until(&self, expression: &str) -> Value {
        // The page's policy forbids to compile texts, so the expression becomes part of the script.
        let script = format!(
            "const [patience, done] = arguments;
            const holds = () => ({expression});
            const start = Date.now();
            const look = () => {{
                let value;
                try {{ value = holds(); }} catch (error) {{ value = null; }}
                if (value) done(value);
                else if (Date.now() - start > patience) done(null);
                else setTimeout(look, 50);
            }};
            look();"
        );
        let patience = u64::try_from(PATIENCE.as_millis()).expect("it is short");
        let value = self.client.execute_async(&script, vec![json!(patience)]).await;
        let value = value.expect(expression);
        if value.is_null() {
            let page = self.ask("return document.body.innerText").await;
            panic!("not within {PATIENCE:?}: {expression}\n{page}\n{:?}", self.complaints().await);
        }
        value
    }

    /// What a script gives that ends later: it calls `done`.
    pub(super) async fn wait_for(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.client.execute_async(&script, Vec::new()).await.expect("the script ends")
    }

    /// Presses keys, one after the other; whoever has the focus gets them.
    pub(super) async fn press(&self, keys: &str) {
        let mut actions = KeyActions::new("keys".to_owned());
        for value in keys.chars() {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.expect("keys can be pressed");
    }

    /// Clicks on what is found.
    pub(super) async fn click(&self, selector: &str) {
        let script = format!(
            "document.querySelector({selector:?}).dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))"
        );
        self.ask(&script).await;
    }

    /// What the browser complained about: errors, and what the page's own policy forbids.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log =
            self.client.issue_cmd(Own { path: "se/log", body: json!({"type": "browser"}) }).await;
        let log = log.expect("there is a log");
        let lines = log.as_array().expect("it is a list").iter();
        let bad = lines.filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        bad.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Keeps a picture of the whole page among what is built.
    pub(super) async fn picture(&self, name: &str) -> Vec<u8> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        fs::create_dir_all(&folder).expect("the folder is made");
        self.ask("scrollTo(0, 0)").await;
        let picture = self.client.screenshot().await.expect("a picture can be taken");
        fs::write(folder.join(format!("{name}.png")), &picture).expect("it is written");
        picture
    }

    pub(super) async fn close(self) {
        self.client.close().await.expect("the browser ends");
    }
}
