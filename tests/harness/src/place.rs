//! Where a test lives: a folder of its own, and ports that no other test has.

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A folder that goes away with its value, unless the test failed.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("ringdown-test-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)
            .unwrap_or_else(|fault| panic!("{} cannot be made: {fault}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .unwrap_or_else(|fault| panic!("{} cannot be made: {fault}", folder.display()));
        }
        std::fs::write(&path, content)
            .unwrap_or_else(|fault| panic!("{} cannot be written: {fault}", path.display()));
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the test left behind: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A port on loopback that no other test has; it and its successor are free for both UDP and TCP.
///
/// The successor is kept free as well because some programs take it unasked (baresip: SIP over TLS).
pub fn free_port() -> u16 {
    claim(&LISTENERS, |first| {
        (first..first + LISTENERS.step).all(|port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        })
    })
}

/// A loopback address with a port that no other test has.
pub fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

/// The first and the last of 200 ports for RTP that no other test has.
pub fn rtp_range() -> (u16, u16) {
    let first = claim(&MEDIA, |_| true);
    (first, first + MEDIA.step - 1)
}

/// Ports that are given out in steps: `count` claims from `first` on.
struct Ports {
    first: u16,
    step: u16,
    count: u16,
}

// Both lie below Linux's ephemeral ports (32768 and above): a port of that range may be taken by any
// outgoing connection between our look and the moment a program listens there.
const MEDIA: Ports = Ports {
    first: 10_000,
    step: 200,
    count: 90,
};
const LISTENERS: Ports = Ports {
    first: 28_000,
    step: 2,
    count: 2_300,
};

/// Claims a step that suits, for as long as this process lives.
///
/// Tests are processes that run side by side, so a claim is a locked file; the system ends it with its process.
fn claim(ports: &Ports, suits: impl Fn(u16) -> bool) -> u16 {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("ringdown-test-ports");
    // Everybody on this machine may claim, whoever came first.
    let _ = std::fs::create_dir(&folder)
        .and_then(|()| std::fs::set_permissions(&folder, Permissions::from_mode(0o1777)));
    // A beginning of one's own, so that a port just given up is not the next one taken.
    let begin = std::process::id().wrapping_mul(37) % u32::from(ports.count);
    let begin = u16::try_from(begin).expect("it is less than a u16");
    for offset in 0..ports.count {
        let first = ports.first + (begin + offset) % ports.count * ports.step;
        let Ok(file) = File::create(folder.join(first.to_string())) else {
            continue;
        };
        if file.try_lock().is_ok() && suits(first) {
            HELD.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(file);
            return first;
        }
    }
    panic!("no port of {} and above is free", ports.first);
}

/// The repository's top folder.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
