//! A real browser: Debian's Chromium without a screen, told what to do over its DevTools pipe
//! (`--remote-debugging-pipe`: JSON with a zero octet behind each message, in on descriptor 3, out on 4).

use crate::PATIENCE;
use crate::place::Folder;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// A browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    page: String,
    /// Whether a page was loaded since this was last looked at.
    is_loaded: bool,
    _folder: Folder,
}

impl Chromium {
    /// Starts it; whether there is one is for `.ci/setup` to see to.
    pub fn start() -> Self {
        let folder = Folder::new();
        let mut command = Command::new("sh");
        // The pipe is at 3 and 4; a shell puts our ends of it there.
        command
            .arg("-c")
            .arg("exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null")
            .arg("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|fault| panic!("chromium cannot be started: {fault}"));
        let commands = child.stdin.take().expect("stdin is piped");
        let out = child.stdout.take().expect("stdout is piped");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
                message.pop();
                if let Ok(value) = serde_json::from_slice(&message)
                    && sender.send(value).is_err()
                {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            last: 0,
            page: String::new(),
            is_loaded: false,
            _folder: folder,
        };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", &target);
        attached["sessionId"]
            .as_str()
            .expect("a page has an id")
            .clone_into(&mut browser.page);
        browser.ask("Page.enable", &json!({}));
        browser
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        self.is_loaded = false;
        self.ask("Page.navigate", &json!({ "url": url }));
        self.must_load();
        // The empty page it begins with may have been told of late.
        if self.evaluate("location.href") == "about:blank" {
            self.must_load();
        }
    }

    /// Does something by a script that leads to another page, and waits until that is loaded.
    pub fn act(&mut self, script: &str) {
        self.is_loaded = false;
        self.evaluate(script);
        self.must_load();
    }

    /// What a script says of the page.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let asked = json!({ "expression": script, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", &asked);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{script}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Makes the window as wide as a telephone's, or any other.
    pub fn set_width(&mut self, pixels: u32) {
        let size =
            json!({ "width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the page looks like, as a PNG in base64.
    pub fn screenshot(&mut self) -> String {
        let asked = json!({ "captureBeyondViewport": true });
        self.data("Page.captureScreenshot", &asked)
    }

    /// What the page looks like on paper, as a PDF in base64.
    pub fn print(&mut self) -> String {
        let asked = json!({ "preferCSSPageSize": true, "printBackground": true });
        self.data("Page.printToPDF", &asked)
    }

    fn data(&mut self, method: &str, parameters: &Value) -> String {
        let answer = self.ask(method, parameters);
        let data = answer["data"].as_str();
        data.unwrap_or_else(|| panic!("{method}: {answer}"))
            .to_owned()
    }

    fn must_load(&mut self) {
        if !self.is_loaded {
            self.must_tell(|message| message["method"] == LOADED);
        }
        self.is_loaded = false;
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut asked = json!({ "id": id, "method": method, "params": parameters });
        if !self.page.is_empty() {
            asked["sessionId"] = json!(self.page);
        }
        let mut octets = asked.to_string().into_bytes();
        octets.push(0);
        self.commands
            .write_all(&octets)
            .and_then(|()| self.commands.flush())
            .unwrap_or_else(|fault| panic!("chromium does not listen: {fault}"));
        let answer = self.must_tell(|message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn must_tell(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|fault| panic!("chromium says nothing: {fault}"));
            self.is_loaded |= message["method"] == LOADED;
            if is_wanted(&message) {
                return message;
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string() + "\0";
        if self.commands.write_all(close.as_bytes()).is_err() {
            // It is gone already; what is left of it is ended below.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What is told of a page with all that belongs to it.
const LOADED: &str = "Page.loadEventFired";

/// No screen, nothing fetched by itself, no sandbox (which wants rights that a test has not).
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];
