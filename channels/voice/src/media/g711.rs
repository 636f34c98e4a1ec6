//! G.711: μ-law and A-law, to and from 16-bit samples, and from one to the other.

use crate::sdp::Codec;

/// The byte that means silence.
pub const fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xff,
        Codec::Pcma => 0xd5,
    }
}

/// Encodes one sample.
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcmu => encode_pcmu(sample),
        Codec::Pcma => encode_pcma(sample),
    }
}

/// Decodes one byte.
pub const fn decode(codec: Codec, byte: u8) -> i16 {
    match codec {
        Codec::Pcmu => decode_pcmu(byte),
        Codec::Pcma => decode_pcma(byte),
    }
}

/// Rewrites bytes of `from` as bytes of the other law, in place.
pub fn transcode(from: Codec, bytes: &mut [u8]) {
    let table = match from {
        Codec::Pcmu => &PCMU_TO_PCMA,
        Codec::Pcma => &PCMA_TO_PCMU,
    };
    for byte in bytes {
        *byte = table[usize::from(*byte)];
    }
}

static PCMU_TO_PCMA: [u8; 256] = table(Codec::Pcmu);
static PCMA_TO_PCMU: [u8; 256] = table(Codec::Pcma);

const fn table(from: Codec) -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = encode(from.other(), decode(from, byte as u8));
        byte += 1;
    }
    table
}

/// G.711 §3.2, table 2: eight segments, each twice as coarse as the one below; all bits inverted.
const fn encode_pcmu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (sample as i32).abs();
    let magnitude = if magnitude > PCMU_CLIP {
        PCMU_CLIP
    } else {
        magnitude
    };
    let biased = magnitude + PCMU_BIAS;
    let segment = 24 - biased.leading_zeros() as i32;
    let step = (biased >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

const fn decode_pcmu(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte & 0x70) >> 4;
    let magnitude = ((((byte & 0x0f) as i32) << 3) + PCMU_BIAS) << segment;
    let magnitude = (magnitude - PCMU_BIAS) as i16;
    if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// G.711 §3.1, table 1: the two lowest segments are equally coarse; even bits inverted.
const fn encode_pcma(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, !sample as i32)
    } else {
        (0x80, sample as i32)
    };
    let code = if magnitude < 256 {
        magnitude >> 4
    } else {
        let segment = 24 - magnitude.leading_zeros() as i32;
        (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)
    };
    (sign | code as u8) ^ PCMA_INVERTED
}

const fn decode_pcma(byte: u8) -> i16 {
    let byte = byte ^ PCMA_INVERTED;
    let segment = (byte & 0x70) >> 4;
    let step = ((byte & 0x0f) as i16) << 4;
    let magnitude = if segment == 0 {
        step + 8
    } else {
        (step + 0x108) << (segment - 1)
    };
    if byte & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

const PCMU_BIAS: i32 = 132;
const PCMU_CLIP: i32 = 32_635;
const PCMA_INVERTED: u8 = 0x55;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_own_sample() {
        for byte in 0..=255 {
            assert_eq!(encode(Codec::Pcma, decode(Codec::Pcma, byte)), byte);
            // μ-law has two zeros; the negative one comes back as the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode(Codec::Pcmu, decode(Codec::Pcmu, byte)), expected);
        }
    }

    #[test]
    fn the_tables_of_g711_are_met_at_their_corners() {
        for (codec, byte, sample) in [
            (Codec::Pcmu, 0x00, -32_124),
            (Codec::Pcmu, 0x80, 32_124),
            (Codec::Pcmu, 0xff, 0),
            (Codec::Pcmu, 0xf0, 120),
            (Codec::Pcma, 0xd5, 8),
            (Codec::Pcma, 0x55, -8),
            (Codec::Pcma, 0xaa, 32_256),
            (Codec::Pcma, 0x2a, -32_256),
        ] {
            assert_eq!(decode(codec, byte), sample, "{codec:?} {byte:#x}");
        }
        assert_eq!(encode(Codec::Pcmu, i16::MIN), 0x00);
        assert_eq!(encode(Codec::Pcmu, i16::MAX), 0x80);
        assert_eq!(encode(Codec::Pcma, i16::MIN), 0x2a);
        assert_eq!(encode(Codec::Pcma, i16::MAX), 0xaa);
    }

    #[test]
    fn encoding_errs_by_half_a_step_at_most() {
        for codec in Codec::ALL {
            for sample in (i16::MIN..=i16::MAX).step_by(7) {
                let error = i32::from(decode(codec, encode(codec, sample))) - i32::from(sample);
                let allowed = (i32::from(sample).abs() / 32).max(16) + 8;
                let clipped = i32::from(sample).abs() > 32_000;
                assert!(
                    error.abs() <= allowed || clipped,
                    "{codec:?} {sample} {error}"
                );
            }
        }
    }

    #[test]
    fn transcoding_is_decoding_and_encoding() {
        for from in Codec::ALL {
            let mut bytes: Vec<u8> = (0..=255).collect();
            transcode(from, &mut bytes);
            for (before, after) in (0..=255).zip(&bytes) {
                assert_eq!(*after, encode(from.other(), decode(from, before)));
            }
        }
    }
}
