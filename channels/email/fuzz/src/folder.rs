//! What an IMAP server says to our client, and what must hold of what is taken from it.

use ringdown_email::imap::shell::{Account, Folder, FolderFault, Proof, Tls};
use ringdown_email::imap::{Existing, Look, Position};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Feeds what a server says, in pieces as the second octet says; the first octet says what is asked of it.
pub fn feed(input: &[u8]) {
    let [kind, piece, octets @ ..] = input else {
        return;
    };
    let server = Server {
        octets: octets.to_vec(),
        at: 0,
        piece: usize::from(*piece) + 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of this thread");
    // However a visit ends, the next one begins anew.
    let _ = runtime.block_on(visit(*kind, server));
}

/// Everything that is asked of a folder, once.
async fn visit(kind: u8, server: Server) -> Result<(), FolderFault> {
    let mut folder = Folder::over(server, &account(kind)).await?;
    let (known, existing) = match kind & 6 {
        0 => (None, Existing::Unseen),
        2 => (None, Existing::All),
        4 => (
            Some(Position {
                validity: 7,
                taken_max: 3,
                day: 20_000,
            }),
            Existing::None,
        ),
        _ => (None, Existing::None),
    };
    let look = folder.decide(known, existing);
    let uids = folder.look(&look).await?;
    assert!(uids.is_sorted(), "{uids:?}");
    assert!(uids.iter().all(|uid| look.wants(*uid)), "{uids:?}");
    if let Look::Nothing = look {
        assert!(uids.is_empty());
    }
    for uid in uids.into_iter().take(MAILS_MAX) {
        if folder.bytes_of(uid).await?.is_none() {
            continue;
        }
        if let Some(mail) = folder.fetch(uid).await? {
            assert!(
                mail.raw.len() <= MAIL_BYTES_MAX,
                "{} octets",
                mail.raw.len()
            );
            folder.put_away(uid, &mail).await?;
        }
    }
    folder.wait(Duration::ZERO).await
}

fn account(kind: u8) -> Account {
    Account {
        host: "imap.example".to_owned(),
        port: 143,
        tls: Tls::None,
        authority: None,
        user: "desk".to_owned(),
        proof: if kind & 1 == 0 {
            Proof::Password("secret".to_owned())
        } else {
            Proof::AccessToken("token".to_owned())
        },
        folder: "INBOX".to_owned(),
        move_to: (kind & 8 != 0).then(|| "Taken".to_owned()),
        mail_bytes_max: u64::try_from(MAIL_BYTES_MAX).unwrap_or(u64::MAX),
    }
}

/// A server that says what it is given, whatever it is asked, and then hangs up.
struct Server {
    octets: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Server {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let left = &this.octets[this.at..];
        let said = &left[..left.len().min(this.piece).min(buffer.remaining())];
        buffer.put_slice(said);
        this.at += said.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Most mails that are fetched of one server.
const MAILS_MAX: usize = 3;

/// Most octets of one mail.
const MAIL_BYTES_MAX: usize = 40;

/// What sound servers say; the first two octets are those of [`feed`].
pub const SERVERS: [&str; 4] = [
    "\u{0}\u{40}* OK ready\r\nA0001 OK in\r\n* CAPABILITY IMAP4rev1 IDLE MOVE\r\nA0002 OK\r\n* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 6] x\r\nA0003 OK [READ-WRITE] x\r\n* SEARCH 4 5\r\nA0004 OK\r\n* 1 FETCH (UID 4 RFC822.SIZE 12)\r\nA0005 OK\r\n* 1 FETCH (UID 4 BODY[]<0> {12}\r\nFrom: a@b\r\n\r\n)\r\nA0006 OK\r\nA0007 OK\r\n* 2 FETCH (UID 5 RFC822.SIZE 4)\r\nA0008 OK\r\n* 2 FETCH (FLAGS (\\Recent) UID 5 BODY[]<0> \"x: y\")\r\nA0009 OK\r\nA0010 OK\r\n+ idling\r\n* 3 EXISTS\r\nA0011 OK\r\n",
    "\u{b}\u{3}* OK ready\r\n+ \r\nA0001 OK in\r\n* CAPABILITY IMAP4rev1\r\nA0002 OK\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\nA0003 OK x\r\n* SEARCH 1\r\nA0004 OK\r\n* 1 FETCH (RFC822.SIZE 60 UID 1)\r\nA0005 OK\r\n* 1 FETCH (BODY[]<0> {41}\r\n01234567890123456789012345678901234567890 UID 1)\r\nA0006 OK\r\n* 1 FETCH (FLAGS (\\Seen))\r\nA0007 OK\r\nA0008 OK copied\r\nA0009 OK\r\nA0010 OK\r\n",
    "\u{4}\u{7f}* PREAUTH hello\r\nA0001 NO [AUTHENTICATIONFAILED] no\r\n",
    "\u{6}\u{0}* OK hi\r\n* BYE soon\r\nA0001 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n* CAPABILITY IDLE\r\nA0002 OK\r\n* OK [UIDVALIDITY 4294967295] x\r\n* OK [UIDNEXT 4294967295] x\r\n* LIST (\\Noselect) \"/\" INBOX\r\nA0003 OK x\r\n+ \r\n* OK still here\r\n* 1 EXPUNGE\r\nA0004 OK\r\n",
];

/// What they are made of.
pub const SERVER_WORDS: [&str; 24] = [
    "A0004 OK\r\n",
    "A0006 OK\r\n",
    "A0006 BAD\r\n",
    "* ",
    "+ \r\n",
    "* BYE\r\n",
    "* SEARCH",
    " 4294967295",
    " 18446744073709551616",
    "{18446744073709551615}\r\n",
    "{4294967295}\r\n",
    "{0}\r\n",
    "{3+}\r\n",
    "~{3}\r\n",
    "BODY[] NIL",
    "BODY[]<0> \"",
    "RFC822.SIZE -1",
    "UID 0",
    "(((((((((((((((((((",
    ")",
    "\\*",
    "[UIDVALIDITY 0]",
    "\0",
    "\u{e9}",
];
