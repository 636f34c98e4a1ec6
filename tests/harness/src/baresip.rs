//! A real softphone (baresip) with an account at the gateway, told what to do over its control port.

use crate::place::{Folder, free_port};
use crate::process::Process;
use crate::{PATIENCE, audio};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where Debian keeps baresip's modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// A running baresip that registers, answers by hand, speaks a tone and writes down what it hears.
#[derive(Debug)]
pub struct Baresip {
    process: Process,
    folder: Folder,
    control: TcpStream,
    unread: Vec<u8>,
}

impl Baresip {
    /// Starts one for the account `user` at the gateway; it says a tone of `hertz` in its calls.
    pub fn start(user: &str, password: &str, gateway: SocketAddr, hertz: u16) -> Self {
        let folder = Folder::new();
        let (sip_port, control_port) = (free_port(), free_port());
        let tone = folder.write("tone.wav", audio::tone_wav(hertz, Duration::from_secs(60)));
        std::fs::create_dir_all(folder.path().join("heard"))
            .expect("a folder in our folder can be made");
        folder.write(
            "config",
            configuration(sip_port, control_port, &tone, &folder.path().join("heard")),
        );
        folder.write("accounts", format!("<sip:{user}@{gateway};transport=udp>;auth_user={user};auth_pass={password};regint=60;answermode=manual;audio_codecs=PCMU,PCMA\n"));
        folder.write("contacts", "");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder.path()).args(["-4", "-v"]);
        let process = Process::start("baresip", &mut command);
        process.wait_for_line("that it is ready", |line| line.contains("baresip is ready"));
        let control =
            TcpStream::connect((Ipv4Addr::LOCALHOST, control_port)).unwrap_or_else(|fault| {
                panic!("baresip's control port: {fault}\n{}", process.transcript())
            });
        Self {
            process,
            folder,
            control,
            unread: Vec::new(),
        }
    }

    /// Waits until the gateway took its registration.
    pub fn must_register(&mut self) {
        self.process.wait_for_line("that it is registered", |line| {
            line.contains("200 OK") || line.contains("registered successfully")
        });
    }

    /// Waits until it is called.
    pub fn must_ring(&mut self) -> Value {
        self.wait_for_event("CALL_INCOMING")
    }

    /// Answers the ringing call; whether that succeeded says [`Baresip::must_be_established`].
    pub fn answer(&mut self) {
        self.command("accept", "");
    }

    /// Waits until its answer was acknowledged.
    pub fn must_be_established(&mut self) {
        self.wait_for_event("CALL_ESTABLISHED");
    }

    /// Calls a number or a URI.
    pub fn dial(&mut self, target: &str) {
        self.command("dial", target);
    }

    /// Ends the call and waits until it is closed.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
        self.wait_for_event("CALL_CLOSED");
    }

    /// Waits for an event of its control port by type and gives it.
    pub fn wait_for_event(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(message) = take_netstring(&mut self.unread) {
                let value: Value = serde_json::from_slice(&message).unwrap_or(Value::Null);
                if value["type"] == kind {
                    return value;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "baresip did not report {kind}:\n{}",
                self.process.transcript()
            );
            let _ = self.control.set_read_timeout(Some(left));
            let mut bytes = [0; 4096];
            match self.control.read(&mut bytes) {
                Ok(count) if count > 0 => self.unread.extend(&bytes[..count]),
                Ok(_) | Err(_) => assert!(
                    Instant::now() < deadline && self.process.is_running(),
                    "baresip closed before {kind}:\n{}",
                    self.process.transcript()
                ),
            }
        }
    }

    /// What it has heard so far: the rate and the samples of its recording; `None` before the first call.
    pub fn heard(&self) -> Option<(u32, Vec<i16>)> {
        let mut recordings: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("heard"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        recordings.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        recordings.sort();
        Some(audio::read_wav(recordings.last()?))
    }

    /// Everything it printed.
    pub fn transcript(&self) -> String {
        self.process.transcript()
    }

    fn command(&mut self, command: &str, parameters: &str) {
        let text =
            json!({ "command": command, "params": parameters, "token": command }).to_string();
        self.control
            .write_all(format!("{}:{text},", text.len()).as_bytes())
            .unwrap_or_else(|fault| panic!("baresip takes no commands: {fault}"));
    }
}

fn configuration(sip_port: u16, control_port: u16, tone: &Path, heard: &Path) -> String {
    format!(
        "sip_listen 127.0.0.1:{sip_port}\n\
         ctrl_tcp_listen 127.0.0.1:{control_port}\n\
         net_interface 127.0.0.1\n\
         audio_path /nonexistent\n\
         audio_source aufile,{tone}\n\
         audio_player aubridge,nobody\n\
         audio_alert aubridge,nobody\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
         snd_path {heard}\n\
         rtp_timeout 0\ncall_local_timeout 120\ncall_max_calls 4\n\
         module_path {MODULES}\n\
         module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         module_tmp uuid.so\nmodule_tmp account.so\n\
         module_app menu.so\nmodule_app ctrl_tcp.so\n",
        tone = tone.display(),
        heard = heard.display(),
    )
}

/// Takes one whole netstring (`5:hello,`) from the front.
fn take_netstring(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon])
        .ok()?
        .trim_start_matches(',')
        .parse()
        .ok()?;
    let message = bytes.get(colon + 1..colon + 1 + length)?.to_vec();
    bytes.get(colon + 1 + length)?;
    bytes.drain(..colon + 2 + length);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Voice;
    use crate::phone::Phone;

    #[test]
    fn a_telephone_calls_baresip_and_both_hear_their_tones() {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let mut baresip = Baresip::start("anna", "secret", nowhere, 440);
        let port = sip_port_of(&baresip);
        let mut phone = Phone::new("caller", SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut call = phone.call("anna");
        baresip.must_ring();
        phone.must_get(&mut call, 180);
        baresip.answer();
        phone.must_get(&mut call, 200);
        baresip.must_be_established();
        call.speak(Voice::Tone(1000));
        call.audio.must_hear_packets(100, PATIENCE);
        assert!(audio::tone_share(&call.audio.samples(), 8000, 440) > 0.8);
        phone.hang_up(&mut call);
        baresip.wait_for_event("CALL_CLOSED");
        let (rate, samples) = baresip.heard().expect("baresip recorded the call");
        assert!(
            audio::tone_share(&samples, rate, 1000) > 0.8,
            "{} samples",
            samples.len()
        );
    }

    fn sip_port_of(baresip: &Baresip) -> u16 {
        let config =
            std::fs::read_to_string(baresip.folder.path().join("config")).expect("we wrote it");
        config
            .lines()
            .next()
            .and_then(|line| line.rsplit(':').next())
            .and_then(|port| port.parse().ok())
            .expect("its first line ends in a port")
    }
}
