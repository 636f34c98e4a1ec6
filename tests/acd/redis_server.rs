//! A real redis-server for one test: on a socket in a folder of its own, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct RedisServer {
    folder: PathBuf,
    process: Option<Child>,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

impl RedisServer {
    pub(crate) fn start() -> Self {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringdown-acd-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let mut server = Self {
            folder,
            process: None,
        };
        server.launch();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.folder.join("redis.sock").display())
    }

    /// Kills the server without a word; what it had not written is lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the server is ours");
            process.wait().expect("the server is ours");
        }
    }

    /// Starts it again with what is in its file.
    pub(crate) fn launch(&mut self) {
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket"])
            .arg(self.folder.join("redis.sock"))
            .args(["--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--dir"])
            .arg(&self.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let output = process.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let is_ready = |line: std::io::Result<String>| {
            line.expect("its output is text")
                .contains("ready to accept connections")
        };
        assert!(lines.any(is_ready), "the server did not come up");
        // The pipe is read to its end, or the server would be stopped by a full one.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    /// Throws away what it had written.
    pub(crate) fn erase(&self) {
        let data = self.folder.join("appendonlydir");
        std::fs::remove_dir_all(data).expect("the server wrote something");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
