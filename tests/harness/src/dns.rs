//! A real name server (NSD) that answers for the whole world from one zone file, so that no test asks another.

use crate::PATIENCE;
use crate::place::{Folder, free_address};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;

/// A running name server of a root zone.
#[derive(Debug)]
pub struct NameServer {
    // Ended before its folder goes.
    _process: Process,
    address: SocketAddr,
    _folder: Folder,
}

impl NameServer {
    /// Starts one with this zone file; its origin is the root.
    pub fn start(zone: &str) -> Self {
        for _ in 0..ATTEMPTS_MAX {
            let (folder, address) = (Folder::new(), free_address());
            let place = folder.path().display().to_string();
            folder.write("zone", zone);
            folder.write("nsd.conf", configuration(&place, address));
            let mut command = Command::new(PROGRAM);
            command
                .arg("-d")
                .arg("-c")
                .arg(folder.path().join("nsd.conf"));
            let process = Process::start("nsd", &mut command);
            let is_up = |line: &str| line.contains("nsd started");
            if process.find_line(PATIENCE, is_up).is_some() {
                return Self {
                    _process: process,
                    address,
                    _folder: folder,
                };
            }
        }
        panic!("nsd did not start in {ATTEMPTS_MAX} attempts");
    }

    /// Starts one with a few records, each a line of a zone file.
    pub fn of_records(records: &[String]) -> Self {
        let head = "$ORIGIN .\n$TTL 60\n@ IN SOA ns.example. admin.example. 1 3600 600 86400 60\n\
                    @ IN NS ns.example.\nns.example. IN A 127.0.0.1\n";
        Self::start(&format!("{head}{}\n", records.join("\n")))
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A TXT record; texts of more than 255 letters are cut, as the DNS has them (RFC 1035 §3.3).
pub fn txt(name: &str, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(200).map(|piece| {
        let piece: String = piece.iter().collect();
        format!("\"{piece}\"")
    });
    let pieces: Vec<String> = pieces.collect();
    format!("{name}. IN TXT {}", pieces.join(" "))
}

fn configuration(place: &str, address: SocketAddr) -> String {
    format!(
        "server:\n  ip-address: {}@{}\n  server-count: 1\n  do-ip6: no\n  username: \"\"\n  chroot: \"\"\n  \
         zonesdir: \"{place}\"\n  pidfile: \"\"\n  database: \"\"\n  xfrdfile: \"{place}/xfrd.state\"\n  \
         zonelistfile: \"{place}/zone.list\"\n  xfrdir: \"{place}\"\n  cookie-secret-file: \"\"\n  verbosity: 1\n\
         remote-control:\n  control-enable: no\nzone:\n  name: \".\"\n  zonefile: \"zone\"\n",
        address.ip(),
        address.port()
    )
}

/// Debian keeps it where only root's PATH looks.
const PROGRAM: &str = "/usr/sbin/nsd";

/// How often another port is tried.
const ATTEMPTS_MAX: u32 = 3;
