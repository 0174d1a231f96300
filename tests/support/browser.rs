//! A real headless browser, Chromium, driven over the pipe of its DevTools: no port, no further program. If none is
//! installed, `Browser::start` says what is missing.
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Names under which it is installed.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// For one answer; a machine with much to do is slow.
const LIMIT: Duration = Duration::from_secs(60);

/// Everything that it should not do by itself; as root it cannot have a sandbox of its own.
const OPTIONS: &str = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
--disable-background-networking --disable-component-update --disable-sync --disable-extensions --hide-scrollbars \
--window-size=1280,720 --remote-debugging-pipe";

pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `Err`: what is missing here.
    pub fn start() -> Result<Self, String> {
        let there =
            |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        let program = NAMES.into_iter().find(there).ok_or("no headless browser: install the package chromium")?;
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        // The browser reads from 3 and writes to 4.
        let line = format!("exec {program} {OPTIONS} --user-data-dir=\"$0\" about:blank 3<&0 4>&1 1>&2");
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let to = child.stdin.take().expect("a pipe");
        let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while pipe.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, to, from, session: String::new(), last: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = target["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        session["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        browser.call("Page.enable", json!({}));
        Ok(browser)
    }

    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser reads");
        self.last
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.from.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("the browser, {what}: {error}"));
            if is_it(&message) {
                return message;
            }
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let answer = self.wait(method, |message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Opens an address and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.send("Page.navigate", json!({ "url": url }));
        self.wait(url, |message| message["method"] == "Page.loadEventFired");
    }

    /// Clicks on what leads to another page, and waits until that is there.
    pub fn click(&mut self, selector: &str) {
        let script = format!("document.querySelector({}).click()", Value::from(selector));
        self.send("Runtime.evaluate", json!({ "expression": script, "userGesture": true }));
        self.wait(selector, |message| {
            let failed = &message["result"]["exceptionDetails"];
            assert!(failed.is_null(), "{selector}: {failed}");
            message["method"] == "Page.loadEventFired"
        });
    }

    /// The value of an expression of JavaScript.
    pub fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The text of the page, as a reader sees it.
    pub fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().expect("a text").to_owned()
    }

    /// Takes a picture of the page.
    pub fn picture(&mut self, file: &Path) {
        use base64::Engine;
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let data = taken["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        std::fs::write(file, bytes).expect("the picture is written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
