//! Headless Chromium, driven by chromedriver over the W3C WebDriver protocol, for tests of pages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key of an element's id in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Does any of the texts contain it?
pub(crate) fn contains(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text.contains(wanted))
}

/// A browser with an empty profile of its own.
pub(crate) struct Browser {
    client: Client,
    driver: Child,
    port: u16,
    /// The path of its session, such as `/session/0a1b`.
    session: String,
    profile: TempDir,
}

impl Browser {
    /// Starts one; none where chromedriver is not installed, which only a developer's machine may lack.
    pub(crate) async fn start() -> Option<Self> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = started else {
            tests::parts::missing("chromedriver", "install it with chromium; `make test` does");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let said = |line: String| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok();
        let port = lines.by_ref().map_while(Result::ok).find_map(said).expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(drop)); // it must not block on a full pipe
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { client, driver, port, session: String::new(), profile };
        let id = browser.call(Method::POST, "/session", &browser.wanted()).await.unwrap()["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("/session/{id}");
        Some(browser)
    }

    fn wanted(&self) -> Value {
        let quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
        // A container has little shared memory, and its root no sandbox.
        let bare = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1500,1100"];
        let mut args: Vec<String> = quiet.into_iter().chain(bare).map(str::to_owned).collect();
        args.push(format!("--user-data-dir={}", self.profile.path().display()));
        let wanted = json!({"browserName": "chrome", "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}});
        json!({"capabilities": {"alwaysMatch": wanted}})
    }

    /// The value of an answer; the driver's complaint when it refuses.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Value> {
        let request = self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        let answer = request.json(body).send().await.unwrap();
        let fine = answer.status().is_success();
        let value = answer.json::<Value>().await.unwrap()["value"].take();
        if fine { Ok(value) } else { Err(value) }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Value> {
        self.call(Method::POST, &format!("{}{path}", self.session), body).await
    }

    async fn script(&self, script: &str, args: Value) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": args})).await.unwrap()
    }

    /// Goes to an address.
    pub(crate) async fn open(&self, address: &str) {
        self.post("/url", &json!({"url": address})).await.unwrap();
    }

    /// The texts of everything of this selector, as they are seen on the page.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let texts = self.script("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", json!([css])).await;
        serde_json::from_value(texts).unwrap()
    }

    /// The widths in pixels of everything of this selector.
    pub(crate) async fn widths(&self, css: &str) -> Vec<f64> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect().width)";
        serde_json::from_value(self.script(script, json!([css])).await).unwrap()
    }

    /// Waits until the texts of this selector are as they should be, and gives them.
    pub(crate) async fn see(&self, what: &str, css: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let texts = self.texts(css).await;
            if holds(&texts) {
                return texts;
            }
            if Instant::now() > deadline {
                let (page, errors) = (self.texts("body").await, self.errors().await);
                panic!("after {PATIENCE:?} not seen: {what}; {css} is {texts:?}, the page is {page:?}, and the browser logged {errors:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses the first thing of this selector that says `words`.
    pub(crate) async fn click(&self, css: &str, words: &str) {
        self.click_in("body", "", css, words).await;
    }

    /// The same within the first `outer` that says `whose`. Waits until it is there and can be pressed.
    pub(crate) async fn click_in(&self, outer: &str, whose: &str, css: &str, words: &str) {
        let script = "const [outer, whose, css, words] = arguments;
            const says = (all, words) => [...all].find(e => e.innerText.includes(words));
            const box = says(document.querySelectorAll(outer), whose);
            return (box && says(box.querySelectorAll(css), words)) || null;";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.script(script, json!([outer, whose, css, words])).await;
            // What the page replaces between finding and pressing is refused, not pressed: it can be tried again.
            let pressed = match found[ELEMENT].as_str() {
                Some(id) => self.post(&format!("/element/{id}/click"), &json!({})).await,
                None => Err(json!("it is not there")),
            };
            let Err(refused) = pressed else { return };
            assert!(Instant::now() < deadline, "after {PATIENCE:?} not pressed: {css} {words:?} in {outer} {whose:?}: {refused}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into an emptied field, key by key.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let field = self.post("/element", &json!({"using": "css selector", "value": css})).await.unwrap();
        let id = field[ELEMENT].as_str().unwrap();
        self.post(&format!("/element/{id}/clear"), &json!({})).await.unwrap();
        self.post(&format!("/element/{id}/value"), &json!({"text": text})).await.unwrap();
    }

    /// Errors that the browser logged since it was last asked: exceptions, failed requests, what the content policy forbids.
    pub(crate) async fn errors(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"})).await.unwrap();
        let errors = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        errors.map(|line| line["message"].to_string()).collect()
    }

    /// Ends it in order.
    pub(crate) async fn close(self) {
        self.call(Method::DELETE, &self.session, &json!({})).await.unwrap();
    }
}

impl Drop for Browser {
    /// A driver that is killed leaves its browser running, so it is asked first.
    fn drop(&mut self) {
        let ask = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(stream, "GET /shutdown HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", self.port)?;
            stream.read_to_end(&mut Vec::new())
        };
        drop(ask());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
