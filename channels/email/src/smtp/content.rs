//! The octets after DATA: where the mail ends, and where it only looks so.
//!
//! RFC 5321 §4.1.1.4: a mail ends at CR LF dot CR LF, and §4.5.2: a line that begins with a dot has one
//! more in front. Servers that also took LF dot LF, LF dot CR LF or CR LF dot LF for the end let a
//! sender smuggle a second mail through the first (2023, CVE-2023-51764 to 51766). Here they are text,
//! and a mail that holds one is refused at its true end.

/// Reads the content of one mail, in pieces of any size.
#[derive(Debug)]
pub(super) struct Content {
    place: Place,
    is_smuggling: bool,
}

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind CR LF.
    Line,
    /// Behind CR LF dot.
    LineDot,
    /// Behind CR LF dot CR.
    LineDotCr,
    /// Within a line.
    Text,
    /// Behind a CR within a line.
    Cr,
    /// Behind an LF or CR that ends no line.
    Bare,
    /// Behind such a one and a dot.
    BareDot,
    /// Behind such a one, a dot and a CR.
    BareDotCr,
}

/// How far the content has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All that was given is content.
    AllOf,
    /// The mail ended after so many octets of what was given.
    Ended(usize),
}

impl Content {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Line,
            is_smuggling: false,
        }
    }

    /// Whether it holds what careless servers take for the end of a mail.
    pub(super) fn is_smuggling(&self) -> bool {
        self.is_smuggling
    }

    /// Takes octets, and puts the content in them, without the dots of transport, behind `out`.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Read {
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            if self.place == Place::Text && !matches!(octet, b'\r' | b'\n') {
                let rest = &input[at..];
                let end = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
                let plain = &rest[..end.unwrap_or(rest.len())];
                out.extend_from_slice(plain);
                at += plain.len();
                continue;
            }
            at += 1;
            if self.take(octet, out) {
                return Read::Ended(at);
            }
        }
        Read::AllOf
    }

    /// Takes one octet; true when the mail ends with it.
    fn take(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        self.place = match (self.place, octet) {
            (Place::LineDotCr, b'\n') => return true,
            (Place::Line, b'.') => Place::LineDot,
            (Place::LineDot, b'\r') => Place::LineDotCr,
            // CR LF dot LF, and CR LF dot CR with something else behind.
            (Place::LineDot, b'\n') => {
                self.is_smuggling = true;
                plain(octet, out)
            }
            (Place::LineDotCr, _) => {
                self.is_smuggling = true;
                out.push(b'\r');
                self.place = Place::Bare;
                return self.take(octet, out);
            }
            (Place::Cr, b'\n') => {
                out.extend_from_slice(b"\r\n");
                Place::Line
            }
            (Place::Cr, b'\r') => {
                out.push(b'\r');
                Place::Cr
            }
            (Place::Cr, _) => {
                out.push(b'\r');
                self.place = Place::Bare;
                return self.take(octet, out);
            }
            (Place::Bare, b'.') => {
                out.push(octet);
                Place::BareDot
            }
            (Place::BareDot, b'\r') => Place::BareDotCr,
            (Place::BareDot, b'\n') => {
                self.is_smuggling = true;
                plain(octet, out)
            }
            (Place::BareDotCr, b'\n') => {
                self.is_smuggling = true;
                out.extend_from_slice(b"\r\n");
                Place::Line
            }
            (Place::BareDotCr, _) => {
                self.is_smuggling = true;
                out.push(b'\r');
                self.place = Place::Bare;
                return self.take(octet, out);
            }
            (Place::Line | Place::LineDot | Place::Text | Place::Bare | Place::BareDot, octet) => {
                plain(octet, out)
            }
        };
        false
    }
}

/// An octet that has no meaning where it stands but that of a line end.
fn plain(octet: u8, out: &mut Vec<u8>) -> Place {
    match octet {
        b'\r' => Place::Cr,
        b'\n' => {
            out.push(octet);
            Place::Bare
        }
        _ => {
            out.push(octet);
            Place::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads in pieces of one size; gives content, octets left, and whether it smuggles.
    fn read(wire: &[u8], piece: usize) -> Option<(Vec<u8>, usize, bool)> {
        let (mut content, mut out) = (Content::new(), Vec::new());
        let mut before = 0;
        for piece in wire.chunks(piece) {
            match content.read(piece, &mut out) {
                Read::AllOf => before += piece.len(),
                Read::Ended(at) => {
                    return Some((out, wire.len() - before - at, content.is_smuggling()));
                }
            }
        }
        None
    }

    fn check(wire: &str, wanted: &str, left: usize, is_smuggling: bool) {
        for piece in [1, 2, 3, 1_000] {
            let told = read(wire.as_bytes(), piece);
            let wanted = Some((wanted.as_bytes().to_vec(), left, is_smuggling));
            assert_eq!(told, wanted, "{wire:?} in pieces of {piece}");
        }
    }

    #[test]
    fn dots_of_transport_are_taken_away() {
        check("a\r\n.\r\n", "a\r\n", 0, false);
        check(".\r\n", "", 0, false);
        check(
            "..\r\n...\r\nb.\r\n.\r\nQUIT\r\n",
            ".\r\n..\r\nb.\r\n",
            6,
            false,
        );
        check(".a\r\n.\r\n", "a\r\n", 0, false);
    }

    #[test]
    fn only_cr_lf_dot_cr_lf_ends_a_mail() {
        let behind = "MAIL FROM:<x@y>\r\n.\r\n";
        let text = "MAIL FROM:<x@y>\r\n";
        for false_end in ["\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r.\n", "\n.\r"] {
            check(
                &format!("a{false_end}{behind}"),
                &format!("a{false_end}{text}"),
                0,
                true,
            );
        }
        // Behind a true line end the dot is one of transport and goes.
        check(
            &format!("a\r\n.\n{behind}"),
            &format!("a\r\n\n{text}"),
            0,
            true,
        );
        check(
            &format!("a\r\n.\r{behind}"),
            &format!("a\r\n\r{text}"),
            0,
            true,
        );
    }

    #[test]
    fn a_lone_lf_or_cr_is_text() {
        check(
            "a\nb\rc\r\r\nd\n..\r\n.\r\n",
            "a\nb\rc\r\r\nd\n..\r\n",
            0,
            false,
        );
    }

    proptest! {
        #[test]
        fn what_a_careful_client_sends_comes_out(lines in prop::collection::vec("[a.]{0,4}", 0..8), piece in 1_usize..9) {
            let mut wire = String::new();
            let mut wanted = String::new();
            for line in &lines {
                let dot = if line.starts_with('.') { "." } else { "" };
                wire.push_str(&format!("{dot}{line}\r\n"));
                wanted.push_str(&format!("{line}\r\n"));
            }
            wire.push_str(".\r\n");
            prop_assert_eq!(read(wire.as_bytes(), piece), Some((wanted.into_bytes(), 0, false)));
        }

        #[test]
        fn pieces_do_not_matter(wire in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..40), piece in 1_usize..9) {
            prop_assert_eq!(read(&wire, piece), read(&wire, 1_000));
        }
    }
}
