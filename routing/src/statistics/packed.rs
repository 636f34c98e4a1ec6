//! What takes the most room when sums are stored, written in few bytes where nobody reads it with their eyes.
//!
//! A format for people (JSON) gets the plain values. Any other gets one string of bytes: numbers in groups of seven
//! bits (LEB128), each as the difference from the one before. What was written as plain values before there were
//! bytes is read as well.

/// Writes a number.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number that may be less than nothing; small ones stay short.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Reads a number; `None` where the bytes end or it has more than 64 bits.
pub(super) fn take(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Reads what [`put_signed`] wrote.
pub(super) fn take_signed(from: &mut &[u8]) -> Option<i64> {
    let folded = take(from)?;
    Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(numbers in prop::collection::vec(any::<(u64, i64)>().prop_map(|(a, b)| (a >> (a % 64), b >> (b & 63))), 0..20)) {
            let mut out = Vec::new();
            for (number, signed) in &numbers {
                put(&mut out, *number);
                put_signed(&mut out, *signed);
            }
            let mut from = out.as_slice();
            for (number, signed) in &numbers {
                prop_assert_eq!(take(&mut from), Some(*number));
                prop_assert_eq!(take_signed(&mut from), Some(*signed));
            }
            prop_assert_eq!(take(&mut from), None);
        }
    }

    #[test]
    fn more_than_64_bits_are_no_number() {
        let mut greatest = Vec::new();
        put(&mut greatest, u64::MAX);
        assert_eq!(take(&mut greatest.as_slice()), Some(u64::MAX));
        if let Some(last) = greatest.last_mut() {
            *last = 2;
        }
        assert_eq!(take(&mut greatest.as_slice()), None);
        assert_eq!(take(&mut [0x80; 3].as_slice()), None);
    }
}
