//! A whole desk for one test: a configuration on free ports, the gateway that runs it, its API.

use crate::gateway::Gateway;
use crate::http::Client;
use crate::phone::Phone;
use crate::place::{Folder, free_address, rtp_range};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The token of the API in a test's configuration.
const TOKEN: &str = "token-of-the-black-box-tests";

/// The configuration of a desk that has not started.
///
/// It has one queue `desk`, the number 100 that is answered at once and 200 that rings until an agent
/// answers; calls from loopback are trusted. The rest is added by the test.
#[derive(Debug)]
pub struct DeskPlan {
    folder: Folder,
    sip: SocketAddr,
    web: SocketAddr,
    operations: SocketAddr,
    sip_keys: String,
    media_keys: String,
    queue_keys: String,
    trunk: String,
    sections: String,
    files_kb_max: Option<u32>,
}

impl DeskPlan {
    /// A desk without agents.
    pub fn new() -> Self {
        Self {
            folder: Folder::new(),
            sip: free_address(),
            web: free_address(),
            operations: free_address(),
            sip_keys: String::new(),
            media_keys: String::new(),
            queue_keys: String::new(),
            trunk: "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\ntrusted_identity = true\n".to_owned(),
            sections: String::new(),
            files_kb_max: None,
        }
    }

    /// Where SIP will be listened for.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Where the API will be.
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// The desk's folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Adds keys to `[sip]`, each with its line end.
    pub fn sip_keys(mut self, keys: &str) -> Self {
        self.sip_keys.push_str(keys);
        self
    }

    /// Adds keys to `[media]`, each with its line end.
    pub fn media_keys(mut self, keys: &str) -> Self {
        self.media_keys.push_str(keys);
        self
    }

    /// Adds keys to the queue `desk`, each with its line end.
    pub fn queue_keys(mut self, keys: &str) -> Self {
        self.queue_keys.push_str(keys);
        self
    }

    /// Puts other trunks in the place of the trusted loopback; empty for none.
    pub fn trunks(mut self, text: &str) -> Self {
        text.clone_into(&mut self.trunk);
        self
    }

    /// Lets no file of the gateway grow beyond so many kB, as if the disk were full (EFBIG).
    pub fn files_kb_max(mut self, kb: u32) -> Self {
        self.files_kb_max = Some(kb);
        self
    }

    /// Adds whole sections.
    pub fn section(mut self, text: &str) -> Self {
        self.sections.push('\n');
        self.sections.push_str(text);
        self
    }

    /// Adds an agent whose telephone stands at a fixed address, and gives that telephone.
    pub fn agent_with_phone(mut self, name: &str) -> (Self, Phone) {
        let phone = Phone::new(name, self.sip);
        self.add_agent(name, &phone.contact());
        (self, phone)
    }

    /// Adds an agent at a fixed address where the test puts a telephone, or none.
    pub fn agent_at(mut self, name: &str, contact: &str) -> Self {
        self.add_agent(name, contact);
        self
    }

    /// Adds an agent who registers.
    pub fn agent_with_password(mut self, name: &str, password: &str) -> Self {
        let _ = write!(
            self.sections,
            "\n[[agent]]\nid = \"{name}\"\nqueues = [\"desk\"]\nsip_password = \"{password}\"\n"
        );
        self
    }

    fn add_agent(&mut self, name: &str, contact: &str) {
        let _ = write!(
            self.sections,
            "\n[[agent]]\nid = \"{name}\"\nqueues = [\"desk\"]\ncontact = \"{contact}\"\n"
        );
    }

    /// Writes the configuration and gives its path.
    pub fn write(&self) -> PathBuf {
        let (first, last) = rtp_range();
        let text = format!(
            "data_dir = \"data\"\n\n[site]\nregion = \"TW\"\nlanguage = \"en\"\n\n\
             [sip]\nlisten_udp = [\"{sip}\"]\nlisten_tcp = [\"{sip}\"]\ndomain = \"desk.localhost\"\n{sip_keys}\n\
             [media]\nport_min = {first}\nport_max = {last}\n{media_keys}\n\
             [web]\nlisten = \"{web}\"\noperations_listen = \"{operations}\"\ntokens = [{{ name = \"tests\", token = \"{TOKEN}\", rights = \"write\" }}]\n\n\
             {trunk}\n\
             [[number]]\nnumber = \"100\"\nqueue = \"desk\"\n\n[[number]]\nnumber = \"200\"\nqueue = \"desk\"\nanswer = \"at_agent\"\n\n\
             [[queue]]\nid = \"desk\"\n{queue_keys}{sections}",
            sip = self.sip,
            web = self.web,
            operations = self.operations,
            trunk = self.trunk,
            sip_keys = self.sip_keys,
            media_keys = self.media_keys,
            queue_keys = self.queue_keys,
            sections = self.sections,
        );
        self.folder.write("ringdown.toml", text)
    }

    /// Starts the gateway on it and does not wait.
    pub fn start(self, program: &Path) -> Desk {
        let configuration = self.write();
        let gateway = match self.files_kb_max {
            None => Gateway::start(program, &configuration),
            // The shell counts in blocks of 512 bytes.
            Some(kb) => Gateway::start_within(
                &format!("trap '' XFSZ; ulimit -f {}", kb * 2),
                program,
                &configuration,
            ),
        };
        let client = |address| Client {
            address,
            token: TOKEN.to_owned(),
        };
        Desk {
            gateway,
            sip: self.sip,
            api: client(self.web),
            operations: client(self.operations),
            configuration,
            folder: self.folder,
        }
    }

    /// Starts the gateway on it and waits until it is ready.
    pub fn open(self, program: &Path) -> Desk {
        let mut desk = self.start(program);
        desk.gateway.must_be_ready(&desk.operations);
        desk
    }
}

impl Default for DeskPlan {
    fn default() -> Self {
        Self::new()
    }
}

/// A desk that runs.
#[derive(Debug)]
pub struct Desk {
    /// The program.
    pub gateway: Gateway,
    /// Where it listens for SIP.
    pub sip: SocketAddr,
    /// Its API, with a token.
    pub api: Client,
    /// Its operations pages.
    pub operations: Client,
    /// Its configuration file.
    pub configuration: PathBuf,
    /// Its folder, with `data` in it.
    pub folder: Folder,
}

impl Desk {
    /// A telephone that may call in.
    pub fn caller(&self, name: &str) -> Phone {
        Phone::new(name, self.sip)
    }
}
