//! Makes mails out of sound ones: a few bytes, lines or words changed, moved, repeated or lost.

use std::path::Path;

/// Random numbers that are the same on every machine (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// Begins a series.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// What sound mails look like.
pub struct Seeds(Vec<Vec<u8>>);

impl Seeds {
    /// Reads the mails of the fixtures, and the bodies within them.
    pub fn read(fixtures: &Path) -> std::io::Result<Self> {
        let mut seeds = Vec::new();
        let mut folders = vec![fixtures.join("mails")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "eml") {
                    seeds.push(std::fs::read(path)?);
                }
            }
        }
        // The order of a folder's entries differs from machine to machine.
        seeds.sort();
        let bodies: Vec<_> = seeds
            .iter()
            .flat_map(|seed| super::inputs::bodies_of(seed))
            .collect();
        seeds.extend(bodies);
        Ok(Self(seeds))
    }

    /// The next input.
    pub fn mutate(&self, dice: &mut Dice) -> Vec<u8> {
        let mut input = self.0[dice.below(self.0.len())].clone();
        for _ in 0..=dice.below(6) {
            self.mutate_once(&mut input, dice);
        }
        input
    }

    fn mutate_once(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.below(input.len() + 1);
        let end = at + dice.below(input.len() - at + 1).min(1 + dice.below(64));
        match dice.below(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let word = WORDS[dice.below(WORDS.len())];
                input.splice(at..end, word.bytes());
            }
            3 => {
                let word = WORDS[dice.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
            4 => {
                let part = input[at..end].repeat(1 + dice.below(40));
                input.splice(at..at, part);
            }
            5 => {
                let other = &self.0[dice.below(self.0.len())];
                input.truncate(at);
                input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
            6 => swap_lines(input, dice),
            _ => {
                for byte in &mut input[at..end] {
                    *byte = match dice.below(4) {
                        0 => dice.byte(),
                        1 => *byte ^ (1 << dice.below(8)),
                        2 => b"\0\r\n\t \"\\<>;,:=@%/?&-_"[dice.below(20)],
                        _ => *byte,
                    };
                }
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
}

fn swap_lines(input: &mut Vec<u8>, dice: &mut Dice) {
    let mut lines: Vec<_> = input.split_inclusive(|b| *b == b'\n').collect();
    let (a, b) = (
        dice.below(lines.len().max(1)),
        dice.below(lines.len().max(1)),
    );
    if a < lines.len() && b < lines.len() {
        lines.swap(a, b);
    }
    *input = lines.concat();
}

/// Longer than the tight bounds of the reader that the inputs meet.
const INPUT_BYTES_MAX: usize = 60_000;

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
