//! Makes inputs out of sound ones: a few bytes, lines or words changed, moved, repeated or lost. Shared by the
//! pounding tests, examples and fuzz targets of all channels.

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

/// What sound inputs look like, and the words of which their language is made.
pub struct Seeds {
    inputs: Vec<Vec<u8>>,
    words: &'static [&'static str],
    /// Longer than whatever bound the inputs are to meet.
    bytes_max: usize,
}

impl Seeds {
    /// Takes sound inputs; there is at least one.
    pub fn new(inputs: Vec<Vec<u8>>, words: &'static [&'static str], bytes_max: usize) -> Self {
        Self {
            inputs,
            words,
            bytes_max,
        }
    }

    /// The next input: rarely noise, else a sound one changed in one to six places.
    pub fn mutate(&self, dice: &mut Dice) -> Vec<u8> {
        if dice.below(20) == 0 {
            return (0..dice.below(300)).map(|_| dice.byte()).collect();
        }
        let mut input = self.inputs[dice.below(self.inputs.len())].clone();
        for _ in 0..=dice.below(6) {
            self.mutate_once(&mut input, dice);
        }
        input
    }

    fn mutate_once(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.below(input.len() + 1);
        let end = at + dice.below(input.len() - at + 1).min(1 + dice.below(64));
        match dice.below(10) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let word = self.words[dice.below(self.words.len())];
                input.splice(at..end, word.bytes());
            }
            3 => {
                let word = self.words[dice.below(self.words.len())];
                input.splice(at..at, word.bytes());
            }
            4 => {
                let part = input[at..end].repeat(1 + dice.below(40));
                input.splice(at..at, part);
            }
            5 => {
                let other = &self.inputs[dice.below(self.inputs.len())];
                input.truncate(at);
                input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
            6 => swap_lines(input, dice),
            7 => {
                // Rarely something as long as a message may be.
                let count = if dice.below(500) == 0 { 70_000 } else { 100 };
                let byte = dice.byte();
                let run = vec![byte; dice.below(count)];
                input.splice(at..at, run);
            }
            _ => {
                for byte in &mut input[at..end] {
                    *byte = match dice.below(4) {
                        0 => dice.byte(),
                        1 => *byte ^ (1 << dice.below(8)),
                        2 => b"\0\r\n\t \"\\<>;,:=@%/?&"[dice.below(18)],
                        _ => *byte,
                    };
                }
            }
        }
        input.truncate(self.bytes_max);
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

/// The octets of every file below a folder whose name ends so, in an order that is the same everywhere.
pub fn read_files(folder: &Path, ending: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == ending) {
                files.push(std::fs::read(path)?);
            }
        }
    }
    files.sort();
    Ok(files)
}
