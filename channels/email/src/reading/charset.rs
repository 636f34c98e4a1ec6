//! Bytes to text: by the label, by the bytes themselves where the label lies.

use super::mail::Fault;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, REPLACEMENT, UTF_8, WINDOWS_1252,
};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Bytes that are looked at for a guess.
const GUESS_BYTES_MAX: usize = 64 * 1024;

/// Reads text; a fault says where the label was wrong or missing.
pub(super) fn decode(bytes: &[u8], label: Option<&str>) -> (String, Option<Fault>) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return (text.into_owned(), None);
    }
    let label = label.map(|label| label.trim().trim_matches(['"', '\'']));
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return decode_unlabelled(bytes);
    };
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) if encoding != REPLACEMENT => decode_labelled(bytes, label, encoding),
        Some(_) | None => match charset_decoder(label.as_bytes()) {
            Some(decoder) => (decoder(bytes), None),
            None => {
                let (text, _) = guess(bytes).decode_without_bom_handling(bytes);
                let label = label.chars().take(40).collect();
                (text.into_owned(), Some(Fault::CharsetUnknown(label)))
            }
        },
    }
}

fn decode_unlabelled(bytes: &[u8]) -> (String, Option<Fault>) {
    if !has_escapes(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return (text.to_owned(), None);
    }
    let encoding = guess(bytes);
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    (text.into_owned(), Some(wrong("us-ascii", encoding)))
}

fn decode_labelled(
    bytes: &[u8],
    label: &str,
    encoding: &'static Encoding,
) -> (String, Option<Fault>) {
    if encoding != ISO_2022_JP && has_escapes(bytes) && guess(bytes) == ISO_2022_JP {
        return taken_for(bytes, label, ISO_2022_JP);
    }
    if bytes.is_ascii() {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        return (text.into_owned(), None);
    }
    let is_ascii_label =
        label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii");
    if encoding != UTF_8 && is_surely_utf8(bytes, encoding) {
        return taken_for(bytes, label, UTF_8);
    }
    let (text, is_broken) = encoding.decode_without_bom_handling(bytes);
    if is_broken || is_ascii_label || may_hide_another(encoding) {
        let guessed = guess(bytes);
        let (other, is_other_broken) = guessed.decode_without_bom_handling(bytes);
        let is_better = is_ascii_label
            || is_broken && (!is_other_broken || likeness(&other) > likeness(&text))
            || !is_other_broken && likeness(&other) > 3.0 * likeness(&text).max(0.03);
        let is_same = guessed == encoding || guessed == GBK && encoding == GB18030;
        if is_better && !is_same {
            return (other.into_owned(), Some(wrong(label, guessed)));
        }
    }
    let fault = is_broken.then(|| wrong(label, encoding));
    (text.into_owned(), fault)
}

fn taken_for(bytes: &[u8], label: &str, encoding: &'static Encoding) -> (String, Option<Fault>) {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    (text.into_owned(), Some(wrong(label, encoding)))
}

fn wrong(label: &str, encoding: &'static Encoding) -> Fault {
    let label = label.chars().take(40).collect();
    Fault::CharsetWrong(label, encoding.name().to_ascii_lowercase())
}

/// ISO-2022-JP is all ASCII but for its escapes (RFC 1468).
fn has_escapes(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\x1b$").is_some()
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let bytes = &bytes[..bytes.len().min(GUESS_BYTES_MAX)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let guessed = detector.guess(None, Utf8Detection::Allow);
    if guessed != EUC_KR {
        return guessed;
    }
    // A few Chinese letters, as in a file's name, look Korean as well.
    let mut chinese = [BIG5, GBK].into_iter().filter(|encoding| {
        let (text, is_broken) = encoding.decode_without_bom_handling(bytes);
        !is_broken && likeness(&text) > 0.3
    });
    chinese.next().unwrap_or(guessed)
}

/// Whether bytes labelled otherwise are UTF-8. One letter proves it against a single-byte label; two-byte
/// charsets give some pairs that happen to be UTF-8, so that they need four.
fn is_surely_utf8(bytes: &[u8], label: &'static Encoding) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let letters = text.chars().filter(|letter| !letter.is_ascii());
    let needed = if label.is_single_byte() { 1 } else { 4 };
    letters.take(needed).count() == needed
}

/// Charsets in which nearly all bytes are some letter, so that a wrong label breaks nothing.
fn may_hide_another(encoding: &'static Encoding) -> bool {
    [BIG5, GBK, GB18030, EUC_KR, WINDOWS_1252].contains(&encoding)
}

/// How much a text is like Chinese as people write it: the share of its ideographs that are among the
/// commonest. Chinese in the wrong charset is made of rare ones.
fn likeness(text: &str) -> f32 {
    let (mut seen, mut common) = (0.0_f32, 0.0_f32);
    for letter in text.chars().filter(|letter| !letter.is_ascii()).take(2_000) {
        seen += 1.0;
        if COMMONEST.contains(letter) || matches!(letter, '，' | '。' | '、' | '：' | '가'..='힣')
        {
            common += 1.0;
        }
    }
    common / seen.max(1.0)
}

/// The commonest characters of Chinese, in both scripts.
const COMMONEST: &str = "的一是不了在人有我他這这個个們们中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得于\
    着著下自之年過过發发後后作里裡用道行所然家種种事成方多經经么麼去法學学如都同現现當当沒没動动面起看定天分還还進进\
    好小部其些主樣样理心她本前開开但因只從从想實实日軍军者意無无力它與与長长把機机十民第公此已工使情明性知全三又關关點点正業业\
    請请您無法問题題電电話话謝谢登入錯错誤误信箱郵邮件系統统網网路\
    報报價价單单檔案附資资料合約约發发票表格圖图片截";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], label: Option<&str>, text: &str, fault: Option<(&str, &str)>) {
        let expected =
            fault.map(|(said, used)| Fault::CharsetWrong(said.to_owned(), used.to_owned()));
        assert_eq!(
            decode(bytes, label),
            (text.to_owned(), expected),
            "{label:?}"
        );
    }

    const CHINESE: &str = "您好，我的電腦無法登入公司的郵件系統，請問要如何處理？謝謝。";
    const SIMPLIFIED: &str = "您好，我的电脑无法登录公司的邮件系统，请问要如何处理？谢谢。";

    #[test]
    fn a_right_label_is_obeyed() {
        for (label, text) in [
            ("big5", CHINESE),
            ("gb18030", SIMPLIFIED),
            ("gb2312", SIMPLIFIED),
            (
                "iso-2022-jp",
                "お世話になっております。プリンターが動きません。",
            ),
            ("shift_jis", "お世話になっております。"),
            ("euc-kr", "안녕하세요. 프린터가 작동하지 않습니다."),
            ("ks_c_5601-1987", "안녕하세요."),
            ("windows-1252", "Grüße – “fein” €5"),
            ("windows-1250", "Příliš žluťoučký kůň"),
            ("windows-1251", "Принтер не работает"),
            ("koi8-r", "Принтер не работает"),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            check(&encoding.encode(text).0, Some(label), text, None);
        }
    }

    #[test]
    fn a_wrong_label_is_seen_through() {
        let utf8 = "Grüße aus Köln".as_bytes();
        check(
            utf8,
            Some("iso-8859-1"),
            "Grüße aus Köln",
            Some(("iso-8859-1", "utf-8")),
        );
        check(
            CHINESE.as_bytes(),
            Some("big5"),
            CHINESE,
            Some(("big5", "utf-8")),
        );
        let big5 = BIG5.encode(CHINESE).0;
        check(&big5, Some("gb2312"), CHINESE, Some(("gb2312", "big5")));
        check(
            &big5,
            Some("iso-8859-1"),
            CHINESE,
            Some(("iso-8859-1", "big5")),
        );
        check(&big5, Some("utf-8"), CHINESE, Some(("utf-8", "big5")));
        let gbk = GBK.encode(SIMPLIFIED).0;
        check(&gbk, Some("big5"), SIMPLIFIED, Some(("big5", "gbk")));
        check(&gbk, None, SIMPLIFIED, Some(("us-ascii", "gbk")));
        let japanese = "お世話になっております";
        let escaped = ISO_2022_JP.encode(japanese).0;
        check(
            &escaped,
            Some("us-ascii"),
            japanese,
            Some(("us-ascii", "iso-2022-jp")),
        );
    }

    #[test]
    fn an_unknown_label_is_a_guess() {
        let (text, fault) = decode("Grüße".as_bytes(), Some("x-made-up"));
        assert_eq!(text, "Grüße");
        assert_eq!(fault, Some(Fault::CharsetUnknown("x-made-up".to_owned())));
    }

    #[test]
    fn a_few_raw_letters_are_told_apart() {
        check(
            &BIG5.encode("報價單.pdf").0,
            None,
            "報價單.pdf",
            Some(("us-ascii", "big5")),
        );
        check(
            &EUC_KR.encode("견적서.pdf").0,
            None,
            "견적서.pdf",
            Some(("us-ascii", "euc-kr")),
        );
    }

    #[test]
    fn utf_7_is_still_read() {
        assert_eq!(decode(b"Gr+APwA3w-e", Some("utf-7")).0, "Grüße");
    }
}
