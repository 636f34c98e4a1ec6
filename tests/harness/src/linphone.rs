//! A second real softphone (linphone's command line), told what to do at its prompt.

use crate::audio;
use crate::place::{Folder, free_port};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// A running linphone that registers, answers by hand and speaks a tone.
#[derive(Debug)]
pub struct Linphone {
    process: Process,
    folder: Folder,
}

impl Linphone {
    /// Starts one for the account `user` at the gateway; it says a tone of `hertz` in its calls.
    pub fn start(user: &str, password: &str, gateway: SocketAddr, hertz: u16) -> Self {
        let folder = Folder::new();
        let tone = folder.write("tone.wav", audio::tone_wav(hertz, Duration::from_secs(60)));
        let config = folder.write("linphonerc", configuration(user, password, gateway));
        // Without the folder of its database it opens no port.
        folder.write(".local/share/linphone/made", "");
        let mut command = Command::new("linphonec");
        command.env("HOME", folder.path()).arg("-c").arg(config);
        let mut process = Process::start("linphone", &mut command);
        process.type_in("ipv6 disable\n");
        // It has no sound card here: it plays a file and writes what it hears into another.
        process.type_in("soundcard use files\n");
        process.type_in(&format!("play {}\n", tone.display()));
        let heard = folder.path().join("heard.wav");
        process.type_in(&format!("record {}\n", heard.display()));
        Self { process, folder }
    }

    /// Waits until it is called, and gives the line that says by whom.
    pub fn must_ring(&mut self) -> String {
        self.process.wait_for_line("that it is called", |line| {
            line.contains("Receiving new incoming call")
        })
    }

    /// Answers the ringing call and waits until the audio runs.
    pub fn answer(&mut self) {
        self.process.type_in("answer\n");
        self.must_talk();
    }

    /// Calls a number or a URI.
    pub fn dial(&mut self, target: &str) {
        self.process.type_in(&format!("call {target}\n"));
    }

    /// Waits until its call is answered and the audio runs.
    pub fn must_talk(&mut self) {
        self.process.wait_for_line("that it talks", |line| {
            line.contains("Media streams established")
        });
    }

    /// Ends the call and waits until it is over.
    pub fn hang_up(&mut self) {
        self.process.type_in("terminate\n");
        self.must_be_over();
    }

    /// Waits until its call is over, without a fault.
    pub fn must_be_over(&mut self) {
        self.process.wait_for_line("that the call is over", |line| {
            line.contains("ended (No error)")
        });
    }

    /// What it has heard: the rate and the samples of its recording; it is whole once the call is over.
    pub fn heard(&self) -> (u32, Vec<i16>) {
        audio::read_wav(&self.folder.path().join("heard.wav"))
    }
}

fn configuration(user: &str, password: &str, gateway: SocketAddr) -> String {
    let (sip_port, rtp_port) = (free_port(), free_port());
    format!(
        "[sip]\nsip_port={sip_port}\nsip_tcp_port=0\nsip_tls_port=0\nbind_address=127.0.0.1\n\
         default_proxy=0\nregister_only_when_network_is_up=0\nguess_hostname=0\n\
         contact=\"{user}\" <sip:{user}@127.0.0.1>\nmedia_encryption=none\n\
         [rtp]\naudio_rtp_port={rtp_port}\n\
         [sound]\nechocancellation=0\n\
         [video]\ndisplay=0\ncapture=0\n\
         [proxy_0]\nreg_proxy=<sip:{gateway};transport=udp>\nreg_identity=sip:{user}@{gateway}\n\
         reg_expires=60\nreg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername={user}\nuserid={user}\npasswd={password}\n"
    )
}
