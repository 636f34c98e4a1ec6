//! Sound mails of the fixtures with the bodies within them, and what sound clients of our SMTP server and sound
//! IMAP servers say.

use super::folder::{SERVER_WORDS, SERVERS};
use super::inputs::{Door, bodies_of};
use super::mutation::{Dice, Seeds, read_files};
use super::session::{SESSION_WORDS, SESSIONS};
use std::path::Path;

/// What sound inputs look like, by the door that they come in by.
pub struct SeedsByDoor {
    mails: Seeds,
    sessions: Seeds,
    servers: Seeds,
}

impl SeedsByDoor {
    /// Reads the mails of the fixtures.
    pub fn read(fixtures: &Path) -> std::io::Result<Self> {
        let mut mails = read_files(&fixtures.join("mails"), "eml")?;
        let bodies: Vec<_> = mails.iter().flat_map(|mail| bodies_of(mail)).collect();
        mails.extend(bodies);
        let octets = |text: &str| text.as_bytes().to_vec();
        let (sessions, servers) = (SESSIONS.map(octets), SERVERS.map(octets));
        Ok(Self {
            mails: Seeds::new(mails, &WORDS, INPUT_BYTES_MAX),
            sessions: Seeds::new(sessions.into(), &SESSION_WORDS, SESSION_BYTES_MAX),
            servers: Seeds::new(servers.into(), &SERVER_WORDS, SESSION_BYTES_MAX),
        })
    }

    /// The next input for a door.
    pub fn mutate(&self, door: Door, dice: &mut Dice) -> Vec<u8> {
        let seeds = match door {
            Door::Session => &self.sessions,
            Door::Folder => &self.servers,
            Door::Mail | Door::Part(_) | Door::Fields => &self.mails,
        };
        seeds.mutate(dice)
    }
}

/// Longer than the tight bounds of the reader that the inputs meet.
const INPUT_BYTES_MAX: usize = 60_000;

/// Longer than a mail of those sessions may be.
const SESSION_BYTES_MAX: usize = 10_000;

const WORDS: [&str; 46] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\r\n ",
    "--b1\r\n",
    "--b1--\r\n",
    "--",
    "<",
    ">",
    "\"",
    "=",
    "==",
    "=?utf-8?B?",
    "=?big5?Q?=A4?=",
    "?=",
    "From: ",
    "To: a:b;,c<d>\r\n",
    "Subject: [RD#17]",
    "In-Reply-To: <sent.17@example.com>\r\n",
    "Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: text/html; charset=utf-8\r\n\r\n",
    "Content-Type: multipart/digest; boundary=b1\r\n\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Disposition: attachment; filename*0*=utf-8''%2e;filename*1=\"../x\"\r\n",
    "Content-ID: <pic1@x>\r\n",
    "charset=iso-2022-jp",
    "\u{1b}$B",
    "<script>",
    "</script>",
    "<img src=\"cid:pic1@x\">",
    "<svg><style>",
    "<!--",
    "-->",
    "<blockquote>",
    "<a href=\"javascript:x\" onclick=x style=\"background:url(x)\">",
    "&#x6a;",
    "On 6 Jan 2025, Ann <a@b.example> wrote:\r\n",
    "> ",
    "-- \r\n",
    "-----Original Message-----\r\n",
    "Von: a\r\nGesendet: b\r\nAn: c\r\n",
    "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n",
    "BEGIN:VEVENT\r\nSUMMARY:",
    "\u{202e}",
];
