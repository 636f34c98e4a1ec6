//! A real Dovecot: the IMAP server of a site, with folders that the desk fetches mail from.

use crate::PATIENCE;
use crate::place::{Folder, free_port};
use crate::process::Process;
use crate::redis::Certificates;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A running Dovecot in which every user's password is [`Dovecot::PASSWORD`].
#[derive(Debug)]
pub struct Dovecot {
    process: Option<Process>,
    folder: Folder,
    certificates: Certificates,
    imap: u16,
    imaps: u16,
}

impl Dovecot {
    /// The password of everybody.
    pub const PASSWORD: &str = "secret-of-the-folder";

    /// Starts one with empty folders.
    pub fn start() -> Self {
        let (imap, imaps) = (free_port(), free_port());
        let folder = Folder::new();
        let certificates = Certificates::new();
        let place = folder.path().display().to_string();
        folder.write(
            "dovecot.conf",
            configuration(&place, &certificates, imap, imaps),
        );
        folder.write("oauth.conf", oauth_configuration(&place));
        folder.write("keys/default/HS256/default", STANDARD.encode(TOKEN_KEY));
        for name in ["base", "state", "mail"] {
            std::fs::create_dir(folder.path().join(name)).expect("our folder can be written");
        }
        // Whom Dovecot runs as is no owner of our folder.
        for name in ["", "mail", "keys", "keys/default", "keys/default/HS256"] {
            let mode = std::fs::Permissions::from_mode(if name == "mail" { 0o777 } else { 0o755 });
            std::fs::set_permissions(folder.path().join(name), mode).expect("it is ours");
        }
        let mut dovecot = Self {
            process: None,
            folder,
            certificates,
            imap,
            imaps,
        };
        dovecot.come_back();
        dovecot
    }

    /// Port of plain IMAP with STARTTLS.
    pub fn imap(&self) -> u16 {
        self.imap
    }

    /// Port of IMAP over TLS.
    pub fn imaps(&self) -> u16 {
        self.imaps
    }

    /// The certificate that vouches for its own, which is of 127.0.0.1.
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority()
    }

    /// An access token for a user, as an identity provider would have made it (JWT, RFC 7519).
    pub fn token(&self, user: &str) -> String {
        let coded = |text: String| URL_SAFE_NO_PAD.encode(text);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let head = coded(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned());
        let claims = coded(format!(
            r#"{{"sub":"{user}","iat":{},"exp":{}}}"#,
            now - 60,
            now + 3_600
        ));
        let signed = format!("{head}.{claims}");
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-binary", "-hmac", TOKEN_KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl can be started");
        let mut input = openssl.stdin.take().expect("its input is a pipe");
        input.write_all(signed.as_bytes()).expect("it reads");
        drop(input);
        let signature = openssl.wait_with_output().expect("it ends").stdout;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Puts a mail into somebody's INBOX, as if it had just come.
    pub fn deliver(&self, user: &str, mail: &str) {
        let mut doveadm = self
            .doveadm(&["save", "-u", user])
            .stdin(Stdio::piped())
            .spawn()
            .expect("doveadm can be started");
        let mut input = doveadm.stdin.take().expect("its input is a pipe");
        input.write_all(mail.as_bytes()).expect("it reads");
        drop(input);
        let status = doveadm.wait().expect("it ends");
        assert!(status.success(), "doveadm save ended with {status}");
    }

    /// Runs doveadm and gives what it printed.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.doveadm(arguments).output();
        let output = output.expect("doveadm can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "doveadm {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Asks until the answer is as wanted.
    pub fn wait_until(&self, arguments: &[&str], what: &str, is_wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(arguments);
            if is_wanted(&answer) {
                return;
            }
            let said = self.process.as_ref().map(Process::transcript);
            assert!(
                Instant::now() < deadline,
                "{what} did not come true: {answer}\n{}",
                said.unwrap_or_default()
            );
        }
    }

    /// Ends it, with every connection.
    pub fn go_away(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.ask_to_end();
        }
    }

    /// Starts it again on the same folders and ports.
    pub fn come_back(&mut self) {
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(self.configuration());
        let process = Process::start("dovecot", &mut command);
        process.wait_for_line("that it starts", |line| line.contains("starting up"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.imap));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{}", process.transcript());
        }
        self.process = Some(process);
    }

    fn doveadm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("doveadm");
        command.arg("-c").arg(self.configuration()).args(arguments);
        command
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("dovecot.conf")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.go_away();
    }
}

const TOKEN_KEY: &str = "key of the identity provider";

fn oauth_configuration(place: &str) -> String {
    format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={place}/keys/\n\
         username_attribute = sub\n"
    )
}

fn configuration(place: &str, certificates: &Certificates, imap: u16, imaps: u16) -> String {
    let [certificate, key] = certificates.server().map(|path| path.display().to_string());
    format!(
        "base_dir = {place}/base\nstate_dir = {place}/state\nlog_path = /dev/stderr\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}\n\
         first_valid_uid = 1\nmail_uid = nobody\nmail_gid = nogroup\nmail_location = maildir:{place}/mail/%u\n\
         auth_mechanisms = plain login xoauth2\ndefault_process_limit = 20\n\
         passdb {{\n driver = oauth2\n mechanisms = xoauth2\n args = {place}/oauth.conf\n}}\n\
         passdb {{\n driver = static\n mechanisms = plain login\n args = password={password}\n}}\n\
         userdb {{\n driver = static\n args = allow_all_users=yes home={place}/mail/%u\n}}\n\
         service imap-login {{\n chroot =\n inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = {imaps}\n ssl = yes\n }}\n}}\n\
         service anvil {{\n chroot =\n}}\n",
        password = Dovecot::PASSWORD,
    )
}
