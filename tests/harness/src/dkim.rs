//! Signs mails and checks signatures with dkimpy, which shares nothing with the gateway.

use crate::place::Folder;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A key that signs mail.
#[derive(Debug)]
pub struct DkimKey {
    folder: Folder,
    kind: KeyKind,
}

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl DkimKey {
    /// Makes one.
    pub fn new(kind: KeyKind) -> Self {
        let folder = Folder::new();
        let path = folder.path().join("key.pem").display().to_string();
        let arguments: &[&str] = match kind {
            KeyKind::Rsa => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            KeyKind::Ed25519 => &["-algorithm", "ED25519"],
        };
        let made = Command::new("openssl")
            .args(["genpkey", "-out", &path])
            .args(arguments)
            .output()
            .expect("openssl can be started");
        assert!(made.status.success(), "openssl: {made:?}");
        Self { folder, kind }
    }

    /// The file of the private key (PEM, PKCS #8).
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What is published of it, as openssl tells its public half.
    pub fn record(&self) -> String {
        let read = |arguments: &[&str]| {
            let told = Command::new("sh")
                .arg("-c")
                .arg(arguments.join(" "))
                .current_dir(self.folder.path())
                .output();
            let told = told.expect("a shell can be started");
            assert!(told.status.success(), "{told:?}");
            String::from_utf8_lossy(&told.stdout).trim().to_owned()
        };
        let public = "openssl pkey -in key.pem -pubout -outform DER";
        match self.kind {
            KeyKind::Rsa => {
                let key = read(&[public, "| openssl base64 -A"]);
                format!("v=DKIM1; k=rsa; p={key}")
            }
            // RFC 8463 §4: the key alone, which stands at the end of its description.
            KeyKind::Ed25519 => {
                let key = read(&[public, "| tail -c 32 | openssl base64 -A"]);
                format!("v=DKIM1; k=ed25519; p={key}")
            }
        }
    }

    /// Signs a mail with RSA, relaxed, as dkimpy does it; lines end in CR LF.
    pub fn sign(&self, domain: &str, selector: &str, mail: &str) -> String {
        assert_eq!(
            self.kind,
            KeyKind::Rsa,
            "dkimpy wants other files of Ed25519"
        );
        let path = self.path().display().to_string();
        run(SIGN, &[domain, selector, &path], mail)
    }
}

/// Checks every signature of a mail; one line for each: its domain, its algorithm, `True` or `False`.
pub fn verify(dns: SocketAddr, mail: &str) -> Vec<String> {
    let port = dns.port().to_string();
    let told = run(VERIFY, &[&dns.ip().to_string(), &port], mail);
    told.lines().map(str::to_owned).collect()
}

fn run(script: &str, arguments: &[&str], mail: &str) -> String {
    let mut python = Command::new("/usr/bin/python3")
        .arg("-c")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's python3 can be started");
    let mut input = python.stdin.take().expect("its input is a pipe");
    input.write_all(mail.as_bytes()).expect("it reads");
    drop(input);
    let told = python.wait_with_output().expect("it ends");
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    String::from_utf8_lossy(&told.stdout).into_owned()
}

const SIGN: &str = "\
import dkim, sys
domain, selector, path = (a.encode() for a in sys.argv[1:])
mail = sys.stdin.buffer.read()
key = open(path, 'rb').read()
head = dkim.sign(mail, selector, domain, key, canonicalize=(b'relaxed', b'relaxed'))
sys.stdout.buffer.write(head + mail)
";

const VERIFY: &str = "\
import dkim, dns.resolver, re, sys
server = dns.resolver.Resolver(configure=False)
server.nameservers, server.port = [sys.argv[1]], int(sys.argv[2])
def txt(name, timeout=5):
    try:
        found = server.resolve(name.decode(), 'TXT')
        return b''.join(next(iter(found)).strings)
    except dns.resolver.NXDOMAIN:
        return None
mail = sys.stdin.buffer.read()
looked = dkim.DKIM(mail)
heads = [v for k, v in looked.headers if k.lower() == b'dkim-signature']
for place, head in enumerate(heads):
    tags = dict(t.strip().split(b'=', 1) for t in head.split(b';') if b'=' in t)
    good = dkim.DKIM(mail).verify(idx=place, dnsfunc=txt)
    print(tags[b'd'].decode(), tags[b'a'].decode(), good)
";
