//! Certificates for servers on loopback, made by the openssl command.

use crate::place::Folder;
use std::path::PathBuf;
use std::process::Command;

/// An authority, and certificates for 127.0.0.1 and for a client that it signed; all last a day.
#[derive(Debug)]
pub struct Certificates {
    folder: Folder,
}

impl Certificates {
    /// Makes them.
    pub fn new() -> Self {
        let certificates = Self {
            folder: Folder::new(),
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1";
        certificates.openssl(&format!(
            "req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.pem \
             -addext basicConstraints=critical,CA:TRUE"
        ));
        for (name, extension) in [("server", "IP:127.0.0.1"), ("client", "DNS:ringdown")] {
            certificates.openssl(&format!(
                "req -x509 {key} -subj /CN={name} -keyout {name}.key -out {name}.pem -CA ca.pem \
                 -CAkey ca.key -addext subjectAltName={extension} \
                 -addext basicConstraints=critical,CA:FALSE"
            ));
        }
        certificates
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key of the server.
    pub fn server(&self) -> [PathBuf; 2] {
        self.pair("server")
    }

    /// Certificate and key of the client.
    pub fn client(&self) -> [PathBuf; 2] {
        self.pair("client")
    }

    fn pair(&self, name: &str) -> [PathBuf; 2] {
        ["pem", "key"].map(|kind| self.folder.path().join(format!("{name}.{kind}")))
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace())
            .output()
            .unwrap_or_else(|fault| panic!("openssl cannot be started: {fault}"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}:\n{told}");
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
