//! Large mails, delivered at one time, and what the gateway holds of them meanwhile.

use crate::mail::MailClient;
use crate::measure::{forget_peak, peak_kb, resident_kb};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// What is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// Mails at one time, each by a connection of its own.
    pub mails: usize,
    /// Octets of each, nearly all of them an attachment.
    pub bytes: usize,
    /// How long a mail may take.
    pub patience: Duration,
}

impl Large {
    /// Delivers them by SMTP, each named by its number from `first` on (`<large-N@a>`); gives by how many kB the
    /// process grew at most meanwhile.
    pub fn deliver(&self, pid: u32, smtp: SocketAddr, first: usize) -> u64 {
        let before = resident_kb(pid);
        forget_peak(pid);
        std::thread::scope(|scope| {
            for number in first..first + self.mails {
                scope.spawn(move || {
                    let mut client = MailClient::connect_for(smtp, self.patience);
                    client.say("EHLO client.example", "250");
                    let mail = self.mail(number);
                    let answer = client.try_deliver("anna@example.org", "help@desk.example", &mail);
                    let answer = answer.unwrap_or_else(|fault| panic!("mail {number}: {fault}"));
                    assert!(answer.starts_with("250"), "mail {number}: {answer}");
                });
            }
        });
        peak_kb(pid).saturating_sub(before)
    }

    /// Octets of a mail's attachment, unwrapped.
    pub fn attached_bytes(&self) -> usize {
        self.lines() * LINE.len() / 4 * 3 + 6
    }

    fn lines(&self) -> usize {
        self.bytes / (LINE.len() + 2)
    }

    fn mail(&self, number: usize) -> String {
        let mut mail = String::with_capacity(self.bytes + 1_000);
        let _ = write!(
            mail,
            "Message-ID: <large-{number}@a>\r\nFrom: Anna <anna@example.org>\r\nTo: help@desk.example\r\n\
             Subject: Large {number}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nIt is attached.\r\n--b\r\nContent-Type: application/zip\r\n\
             Content-Disposition: attachment; filename=all.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        // No two have the same octets.
        let _ = write!(mail, "{number:08}\r\n");
        for _ in 0..self.lines() {
            mail.push_str(LINE);
            mail.push_str("\r\n");
        }
        mail.push_str("--b--\r\n");
        mail
    }
}

/// A line of base64 as long as RFC 2045 allows.
const LINE: &str = "UmluZ2Rvd24sIHRoZSBmcm9udCBkb29yIG9mIGEgc2VydmljZSBkZXNrOiBjYWxscyBhbmQgbWFp";
