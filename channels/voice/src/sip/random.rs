//! Randomness from a seed, for tags, branches and waits: the core reads none of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Numbers that cannot be told from those seen before, without the seed.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    count: u64,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.count).hash(&mut hasher);
        hasher.finish()
    }

    /// A number from 0 to `bound`, not included.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A hash that nobody can aim at without the seed.
    pub(crate) fn keyed_hash(&self, parts: &[&[u8]]) -> u128 {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        for part in parts {
            part.hash(&mut hasher);
        }
        let low = hasher.finish();
        hasher.write_u8(1);
        u128::from(hasher.finish()) << 64 | u128::from(low)
    }
}

/// A place and a number as text: `1f-0123456789abcdef`, as branches and tags carry them.
pub(crate) fn write_token(index: u32, nonce: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(25);
    let index_digits = (32 - index.leading_zeros()).div_ceil(4).max(1);
    for place in (0..index_digits).rev() {
        text.push(char::from(DIGITS[(index >> (4 * place) & 15) as usize]));
    }
    text.push('-');
    for place in (0..16).rev() {
        text.push(char::from(DIGITS[(nonce >> (4 * place) & 15) as usize]));
    }
    text
}

/// Reads what [`write_token`] wrote.
pub(crate) fn read_token(text: &[u8]) -> Option<(u32, u64)> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let index = u32::try_from(read_hex(&text[..dash], 8)?).ok()?;
    let nonce = &text[dash + 1..];
    (nonce.len() == 16).then_some(())?;
    Some((index, read_hex(nonce, 16)?))
}

fn read_hex(text: &[u8], digits_max: usize) -> Option<u64> {
    if text.is_empty() || text.len() > digits_max {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        Some(sum << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back() {
        for (index, nonce) in [(0, 0), (15, 1), (16, u64::MAX), (u32::MAX, 42)] {
            assert_eq!(
                read_token(write_token(index, nonce).as_bytes()),
                Some((index, nonce))
            );
        }
        for text in ["", "-", "1-", "g-0123456789abcdef", "1-0123456789abcdefg"] {
            assert_eq!(read_token(text.as_bytes()), None, "{text}");
        }
    }
}
