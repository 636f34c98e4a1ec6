//! The other ends of mail: a client that says what it is told to, swaks, a real Postfix in front of the desk,
//! and a sink behind it, with a smarthost before that.

use crate::PATIENCE;
use crate::place::{Folder, free_address};
use crate::process::Process;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One connection to an SMTP or LMTP server.
#[derive(Debug)]
pub struct MailClient {
    stream: BufReader<TcpStream>,
}

impl MailClient {
    /// Connects and reads the banner; the fault when there is nobody, or somebody who breaks off.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        client.answer()?;
        Ok(client)
    }

    /// Connects to a server that is there.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address)
            .unwrap_or_else(|fault| panic!("no mail server at {address}: {fault}"))
    }

    /// Connects to a server that is there and may take so long for an answer.
    pub fn connect_for(address: SocketAddr, patience: Duration) -> Self {
        let client = Self::connect(address);
        let set = client.stream.get_ref().set_read_timeout(Some(patience));
        set.expect("the time is not nothing");
        client
    }

    /// Sends a line and gives the answer, all its lines.
    pub fn try_say(&mut self, line: &str) -> std::io::Result<String> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.answer()
    }

    /// Sends a line and wants a code.
    pub fn say(&mut self, line: &str, code: &str) -> String {
        let answer = self
            .try_say(line)
            .unwrap_or_else(|fault| panic!("{line}: {fault}"));
        assert!(answer.starts_with(code), "{line}: {answer}");
        answer
    }

    /// Delivers one mail to one recipient after the greeting; gives the answer to its end, or to whatever was
    /// refused before.
    pub fn try_deliver(&mut self, from: &str, to: &str, mail: &str) -> std::io::Result<String> {
        for line in [
            format!("MAIL FROM:<{from}>"),
            format!("RCPT TO:<{to}>"),
            "DATA".to_owned(),
        ] {
            let answer = self.try_say(&line)?;
            if !answer.starts_with(['2', '3']) {
                return Ok(answer);
            }
        }
        self.stream.get_mut().write_all(wire_of(mail).as_bytes())?;
        self.answer()
    }

    /// Delivers mails with DATA, the end of one and the envelope of the next in one packet (RFC 2920), and notes
    /// which were taken.
    pub fn try_deliver_pipelined(
        &mut self,
        posts: &[Post],
        taken: &mut [bool],
    ) -> std::io::Result<()> {
        let begin = |post: Option<&Post>| {
            post.map_or(String::new(), |post| format!("{}DATA\r\n", post.envelope()))
        };
        let mut wire = begin(posts.first());
        for (place, post) in posts.iter().enumerate() {
            self.stream.get_mut().write_all(wire.as_bytes())?;
            self.answer()?;
            self.answer()?;
            let goes_on = self.answer()?.starts_with("354");
            let next = begin(posts.get(place + 1));
            if goes_on {
                wire = wire_of(&post.text) + &next;
                self.stream.get_mut().write_all(wire.as_bytes())?;
                taken[place] = self.answer()?.starts_with("250");
                wire = String::new();
            } else {
                wire = next;
            }
        }
        Ok(())
    }

    /// Delivers mails with BDAT, all of them in one packet (RFC 3030 §4.2), and notes which were taken.
    pub fn try_deliver_in_chunks(
        &mut self,
        posts: &[Post],
        taken: &mut [bool],
    ) -> std::io::Result<()> {
        let chunk = |post: &Post| {
            let (envelope, text) = (post.envelope(), &post.text);
            format!("{envelope}BDAT {} LAST\r\n{text}", text.len())
        };
        let wire: String = posts.iter().map(chunk).collect();
        self.stream.get_mut().write_all(wire.as_bytes())?;
        for is_taken in taken.iter_mut().take(posts.len()) {
            self.answer()?;
            self.answer()?;
            *is_taken = self.answer()?.starts_with("250");
        }
        Ok(())
    }

    /// Reads one more answer.
    pub fn answer(&mut self) -> std::io::Result<String> {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(answer);
            }
        }
    }
}

/// A mail with its envelope.
#[derive(Clone, Debug)]
pub struct Post {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The mail.
    pub text: String,
}

impl Post {
    fn envelope(&self) -> String {
        format!("MAIL FROM:<{}>\r\nRCPT TO:<{}>\r\n", self.from, self.to)
    }
}

/// A mail as DATA carries it, with its end.
fn wire_of(mail: &str) -> String {
    let mut wire = String::with_capacity(mail.len() + 8);
    for line in mail.lines() {
        if line.starts_with('.') {
            wire.push('.');
        }
        wire.push_str(line);
        wire.push_str("\r\n");
    }
    wire.push_str(".\r\n");
    wire
}

/// Runs swaks with these arguments to its end; gives its exit status (0: the mail was taken) and what it said.
pub fn swaks(arguments: &[&str]) -> (i32, String) {
    let output = Command::new("swaks")
        .args(arguments)
        .output()
        .unwrap_or_else(|fault| panic!("swaks cannot be started: {fault}"));
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

/// A certificate of our own with its key, as PEM files in a folder: `certificate.pem` and `key.pem`.
pub fn make_certificate(folder: &Folder, host: &str) {
    let status = Command::new("openssl")
        .current_dir(folder.path())
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
            "-subj",
            &format!("/CN={host}"),
        ])
        .output();
    let output = status.unwrap_or_else(|fault| panic!("openssl cannot be started: {fault}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Postfix that takes mail for `desk.example` and delivers it by LMTP. Its master runs as root, as always.
#[derive(Debug)]
pub struct Postfix {
    process: Process,
    address: SocketAddr,
    folder: Folder,
}

impl Postfix {
    /// Starts one in front of the LMTP server at `lmtp`, which need not be there yet.
    pub fn start(lmtp: SocketAddr) -> Self {
        let (process, address, folder) = start_postfix(|folder, address| {
            let place = folder.path().display().to_string();
            folder.write("conf/main.cf", main_cf(&place, lmtp));
            folder.write("conf/master.cf", master_cf(address));
        });
        Self {
            process,
            address,
            folder,
        }
    }

    /// Where it takes mail.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has said something about a delivery.
    pub fn wait_for(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        self.process.wait_for_line(what, is_wanted)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        stop_postfix(&self.process, &self.folder);
    }
}

/// Starts a Postfix with the configuration that is written for its folder and address.
fn start_postfix(configure: impl Fn(&Folder, SocketAddr)) -> (Process, SocketAddr, Folder) {
    for _ in 0..ATTEMPTS_MAX {
        let (folder, address) = (Folder::new(), free_address());
        configure(&folder, address);
        folder.write("queue/.keep", "");
        folder.write("data/.keep", "");
        let data = folder.path().join("data");
        let owned = Command::new("chown").arg("postfix").arg(&data).status();
        assert!(
            owned.is_ok_and(|status| status.success()),
            "postfix runs for root only"
        );
        let mut command = Command::new("postfix");
        command
            .arg("-c")
            .arg(folder.path().join("conf"))
            .arg("start-fg");
        let process = Process::start("postfix", &mut command);
        let is_up = |line: &str| line.contains("daemon started");
        if process.find_line(PATIENCE, is_up).is_some() && TcpStream::connect(address).is_ok() {
            return (process, address, folder);
        }
        stop_postfix(&process, &folder);
    }
    panic!("postfix did not start in {ATTEMPTS_MAX} attempts");
}

/// Stops a Postfix in order, so that its master takes its daemons with it. What `start-fg` began is a shell,
/// and no signal to that one reaches the master.
fn stop_postfix(process: &Process, folder: &Folder) {
    let _ = Command::new("postfix")
        .arg("-c")
        .arg(folder.path().join("conf"))
        .arg("stop")
        .output();
    // Until nobody holds its output any more.
    let _ = process.find_line(PATIENCE, |_| false);
}

/// How a client comes to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsStart {
    /// By STARTTLS, and nothing is taken before.
    ByCommand,
    /// From the first octet.
    AtOnce,
}

/// A Postfix that takes everything from this machine over TLS and passes it on by plain SMTP.
#[derive(Debug)]
pub struct Smarthost {
    process: Process,
    address: SocketAddr,
    authority: std::path::PathBuf,
    folder: Folder,
}

impl Smarthost {
    /// Starts one in front of the SMTP server at `next`, with a certificate for 127.0.0.1.
    pub fn start(next: SocketAddr, tls: TlsStart) -> Self {
        let (process, address, folder) = start_postfix(|folder, address| {
            let place = folder.path().display().to_string();
            make_signed_certificate(folder);
            folder.write("conf/main.cf", smarthost_cf(&place, next, tls));
            let mut services = master_cf(address);
            services.push_str("tlsmgr unix - - n 1000? 1 tlsmgr\n");
            folder.write("conf/master.cf", services);
        });
        Self {
            process,
            address,
            authority: folder.path().join("authority.pem"),
            folder,
        }
    }

    /// Where it takes mail.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that vouches for its own.
    pub fn authority(&self) -> &std::path::Path {
        &self.authority
    }

    /// Waits until it has said something.
    pub fn wait_for(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        self.process.wait_for_line(what, is_wanted)
    }
}

impl Drop for Smarthost {
    fn drop(&mut self) {
        stop_postfix(&self.process, &self.folder);
    }
}

fn smarthost_cf(place: &str, next: SocketAddr, tls: TlsStart) -> String {
    let tls = match tls {
        TlsStart::ByCommand => "smtpd_tls_security_level = encrypt",
        TlsStart::AtOnce => "smtpd_tls_wrappermode = yes\nsmtpd_tls_security_level = encrypt",
    };
    format!(
        "compatibility_level = 3.6\nqueue_directory = {place}/queue\ndata_directory = {place}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
         setgid_group = postdrop\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         myhostname = smarthost.example\nmydestination =\nmynetworks = 127.0.0.0/8\n\
         default_transport = smtp:[127.0.0.1]:{}\nsmtp_tls_security_level = none\n{tls}\n\
         smtpd_tls_cert_file = {place}/certificate.pem\nsmtpd_tls_key_file = {place}/key.pem\n\
         smtpd_tls_loglevel = 1\nsmtpd_recipient_restrictions = permit_mynetworks, reject\n\
         maillog_file = /dev/stdout\nqueue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n",
        next.port()
    )
}

/// A certificate for 127.0.0.1 that an authority of our own has signed: `authority.pem`, `certificate.pem`,
/// `key.pem`.
fn make_signed_certificate(folder: &Folder) {
    folder.write(
        "san.cnf",
        "subjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n",
    );
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let own = [
        "-keyout",
        "authority-key.pem",
        "-out",
        "authority.pem",
        "-subj",
        "/CN=Authority of a test",
    ];
    let asked = [
        "-keyout",
        "key.pem",
        "-out",
        "request.pem",
        "-subj",
        "/CN=smarthost.example",
    ];
    let signed = [
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "request.pem",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority-key.pem",
        "-CAcreateserial",
        "-extfile",
        "san.cnf",
        "-out",
        "certificate.pem",
    ];
    openssl(
        folder,
        &[&["req", "-x509", "-days", "2"], &key[..], &own[..]].concat(),
    );
    openssl(folder, &[&["req", "-new"], &key[..], &asked[..]].concat());
    openssl(folder, &signed);
}

fn openssl(folder: &Folder, arguments: &[&str]) {
    let output = Command::new("openssl")
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .unwrap_or_else(|fault| panic!("openssl cannot be started: {fault}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// How often another port is tried when somebody was faster.
const ATTEMPTS_MAX: u32 = 5;

fn main_cf(place: &str, lmtp: SocketAddr) -> String {
    format!(
        "compatibility_level = 3.6\nqueue_directory = {place}/queue\ndata_directory = {place}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
         setgid_group = postdrop\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         myhostname = mx.desk.example\nmydestination =\nrelay_domains = desk.example\n\
         relay_transport = lmtp:inet:127.0.0.1:{}\nmaillog_file = /dev/stdout\nqueue_run_delay = 1s\n\
         minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nsmtputf8_enable = no\n",
        lmtp.port()
    )
}

/// Only what a mail passes on its way; nothing is chrooted.
fn master_cf(address: SocketAddr) -> String {
    let mut text = format!("127.0.0.1:{} inet n - n - - smtpd\n", address.port());
    for line in [
        "postlog unix-dgram n - n - 1 postlogd",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "proxymap unix - - n - - proxymap",
        "lmtp unix - - n - - lmtp",
        "smtp unix - - n - - smtp",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "anvil unix - - n - 1 anvil",
        "scache unix - - n - 1 scache",
    ] {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A mail that a [`MailSink`] took.
#[derive(Clone, Debug)]
pub struct SunkMail {
    /// The envelope's sender; empty for `<>`.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The mail, without the dots of transport.
    pub text: String,
}

impl SunkMail {
    /// The first header field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let start = format!("{name}: ").to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let line = lines.find(|line| line.to_ascii_lowercase().starts_with(&start))?;
        line.get(start.len()..)
    }
}

/// A mail server that keeps what it is given, refuses recipients whose address begins with `bad`, and has those whose
/// address begins with `later` wait for ever.
#[derive(Debug)]
pub struct MailSink {
    address: SocketAddr,
    taken: Arc<(Mutex<Vec<SunkMail>>, Condvar)>,
}

impl MailSink {
    /// Listens on a free port; every mail is also handed to `also`.
    pub fn start(also: impl Fn(&SunkMail) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let taken: Arc<(Mutex<Vec<SunkMail>>, Condvar)> = Arc::default();
        let (kept, also) = (Arc::clone(&taken), Arc::new(also));
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (kept, also) = (Arc::clone(&kept), Arc::clone(&also));
                std::thread::spawn(move || {
                    // Whoever breaks off has said all that counts.
                    let _ = sink(stream, &kept, &*also);
                });
            }
        });
        Self { address, taken }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it took so far.
    pub fn taken(&self) -> Vec<SunkMail> {
        let taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.clone()
    }

    /// Whether it took a mail to this address.
    pub fn has(&self, to: &str) -> bool {
        let taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().any(|mail| mail.to == to)
    }

    /// Waits until it took so many mails.
    pub fn wait_for(&self, count: usize) -> Vec<SunkMail> {
        let deadline = Instant::now() + PATIENCE;
        let (taken, changed) = &*self.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} of {count} mails came: {taken:#?}",
                taken.len()
            );
            let waited = changed.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        taken.clone()
    }
}

fn sink(
    stream: TcpStream,
    taken: &(Mutex<Vec<SunkMail>>, Condvar),
    also: &(dyn Fn(&SunkMail) + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 sink ESMTP\r\n")?;
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let address = || line.split(['<', '>']).nth(1).unwrap_or("").to_owned();
        let answer = match line.get(..4).unwrap_or("").to_ascii_uppercase().as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
            "MAIL" => {
                from = address();
                "250 ok\r\n"
            }
            "RCPT" if address().starts_with("bad") => "550 5.1.1 nobody\r\n",
            "RCPT" if address().starts_with("later") => "451 4.7.1 later\r\n",
            "RCPT" => {
                to = address();
                "250 ok\r\n"
            }
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                let mail = SunkMail {
                    from: from.clone(),
                    to: to.clone(),
                    text: read_content(&mut stream)?,
                };
                also(&mail);
                let mut all = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(mail);
                taken.1.notify_all();
                "250 taken\r\n"
            }
            "QUIT" => {
                stream.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => "250 ok\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

fn read_content(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
