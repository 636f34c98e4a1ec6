//! A real redis-server for one test: on a socket in a folder of its own, ended with the test.

use ringdown_harness::place::free_port;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a server writes to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    Everything,
}

/// Where a server listens: on a socket in its folder, or, as a node of a Cluster must, on ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listens {
    Socket,
    Ports { clients: u16, cluster: u16 },
}

pub(crate) struct RedisServer {
    folder: PathBuf,
    keeps: Keeps,
    listens: Listens,
    process: Option<Child>,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

impl RedisServer {
    pub(crate) fn start(keeps: Keeps) -> Self {
        Self::start_at(keeps, Listens::Socket)
    }

    /// A node of a Cluster that knows no other and holds no slot.
    pub(crate) fn start_cluster_node() -> Self {
        let (clients, cluster) = (free_port(), free_port());
        Self::start_at(Keeps::Nothing, Listens::Ports { clients, cluster })
    }

    fn start_at(keeps: Keeps, listens: Listens) -> Self {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringdown-acd-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let mut server = Self {
            folder,
            keeps,
            listens,
            process: None,
        };
        server.launch();
        server
    }

    pub(crate) fn url(&self) -> String {
        match self.listens {
            Listens::Socket => format!("unix://{}", self.folder.join("redis.sock").display()),
            Listens::Ports { clients, .. } => format!("redis://127.0.0.1:{clients}"),
        }
    }

    /// The ports for clients and for the other nodes of the Cluster.
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        match self.listens {
            Listens::Socket => None,
            Listens::Ports { clients, cluster } => Some((clients, cluster)),
        }
    }

    fn listening(&self) -> Vec<String> {
        let socket = self.folder.join("redis.sock").display().to_string();
        match self.listens {
            Listens::Socket => vec![
                "--port".to_owned(),
                "0".to_owned(),
                "--unixsocket".to_owned(),
                socket,
            ],
            Listens::Ports { clients, cluster } => format!(
                "--bind 127.0.0.1 --cluster-enabled yes --port {clients} --cluster-port {cluster}"
            )
            .split(' ')
            .map(str::to_owned)
            .collect(),
        }
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
        let log = match self.keeps {
            Keeps::Nothing => "no",
            Keeps::Everything => "yes",
        };
        let mut process = Command::new("redis-server")
            .args(self.listening())
            .args(["--save", "", "--appendonly", log])
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
                .to_lowercase()
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
