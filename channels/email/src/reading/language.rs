//! Which language a text is in, as far as a desk needs it: to choose a template and a queue.

use serde::{Deserialize, Serialize};

/// A language that the reader can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Chinese in traditional characters, as in Taiwan.
    #[serde(rename = "zh-TW")]
    ChineseTraditional,
    /// Chinese in simplified characters.
    #[serde(rename = "zh-CN")]
    ChineseSimplified,
    /// German.
    #[serde(rename = "de")]
    German,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
    /// Korean.
    #[serde(rename = "ko")]
    Korean,
}

/// Tells the language of a text by its script and its small words; `None` when it says too little.
pub fn language_of(text: &str) -> Option<Language> {
    let text = super::beginning_of(text, SAMPLE_BYTES_MAX);
    let count = |is_one: fn(char) -> bool| text.chars().filter(|letter| is_one(*letter)).count();
    let letters = count(char::is_alphabetic);
    let kana = count(|letter| matches!(letter, '\u{3041}'..='\u{30ff}'));
    let hangul = count(|letter| matches!(letter, '\u{ac00}'..='\u{d7a3}'));
    let ideographs = count(|letter| matches!(letter, '\u{4e00}'..='\u{9fff}'));
    // A foreign name or two in a text in Latin letters does not make it Chinese.
    let is_mostly = |some: usize| some >= 2 && some * 6 >= letters;
    if is_mostly(hangul) {
        Some(Language::Korean)
    } else if is_mostly(kana + ideographs) && kana * 10 >= ideographs {
        Some(Language::Japanese)
    } else if is_mostly(ideographs) {
        Some(chinese_script(text))
    } else {
        by_small_words(text)
    }
}

fn chinese_script(text: &str) -> Language {
    let count = |script: &str| {
        text.chars()
            .filter(|letter| script.contains(*letter))
            .count()
    };
    if count(SIMPLIFIED) > count(TRADITIONAL) {
        Language::ChineseSimplified
    } else {
        Language::ChineseTraditional
    }
}

fn by_small_words(text: &str) -> Option<Language> {
    let mut scores = SMALL_WORDS.map(|(language, _)| (0_usize, language));
    let words = text
        .split(|letter: char| !letter.is_alphabetic())
        .filter(|word| !word.is_empty());
    for word in words.take(WORDS_MAX) {
        let word = word.to_lowercase();
        for (score, (_, list)) in scores.iter_mut().zip(SMALL_WORDS) {
            score.0 += usize::from(list.contains(&word.as_str()));
        }
    }
    scores.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let [(best, language), (second, _), ..] = scores;
    (best >= 2 && best > second).then_some(language)
}

/// Bytes of a text that are looked at.
const SAMPLE_BYTES_MAX: usize = 8_192;
/// Words of a text that are looked at.
const WORDS_MAX: usize = 400;

/// Words that nearly every text of a language has and the others have not.
const SMALL_WORDS: [(Language, &[&str]); 4] = [
    (
        Language::English,
        &[
            "the", "is", "and", "to", "of", "my", "you", "we", "it", "for", "have", "not", "with",
            "this", "please", "are", "can", "your", "our", "hello", "hi", "thanks", "thank", "be",
            "has", "from", "when", "i",
        ],
    ),
    (
        Language::German,
        &[
            "der", "die", "das", "und", "ist", "nicht", "ich", "wir", "sie", "mit", "ein", "eine",
            "zu", "auf", "für", "bitte", "mein", "meine", "den", "dem", "hallo", "danke", "kann",
            "haben", "sehr", "geehrte", "im",
        ],
    ),
    (
        Language::French,
        &[
            "le", "les", "des", "et", "est", "je", "nous", "vous", "pas", "une", "un", "pour",
            "avec", "mon", "ma", "bonjour", "merci", "dans", "sur", "du", "ce", "ne", "votre",
            "notre", "ai", "mes",
        ],
    ),
    (
        Language::Spanish,
        &[
            "el", "los", "las", "y", "es", "mi", "nos", "una", "un", "para", "con", "por", "hola",
            "gracias", "del", "lo", "se", "su", "buenos", "puedo", "favor", "está", "muy", "al",
            "como", "mis",
        ],
    ),
];

/// Common characters that only the traditional script writes so.
const TRADITIONAL: &str = "這個們來國說時會對過後種經麼學現當沒動還進樣開從實無與長機關點業請問題電話謝錄錯誤郵統網腦處寄發書為您務單應證號連線裝設檔訊";
/// The same in the simplified script.
const SIMPLIFIED: &str = "这个们来国说时会对过后种经么学现当没动还进样开从实无与长机关点业请问题电话谢录错误邮统网脑处发书为务单应证号连线装设档讯";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Language>) {
        assert_eq!(language_of(text), expected, "{text}");
    }

    #[test]
    fn a_sentence_tells_its_language() {
        check(
            "Hello, my printer is not working, please help.",
            Some(Language::English),
        );
        check(
            "Guten Tag, mein Drucker geht nicht. Bitte um Hilfe.",
            Some(Language::German),
        );
        check(
            "Bonjour, je ne peux pas ouvrir le fichier.",
            Some(Language::French),
        );
        check(
            "Hola, no puedo abrir el archivo. Gracias.",
            Some(Language::Spanish),
        );
        check(
            "您好，我的電腦無法登入。",
            Some(Language::ChineseTraditional),
        );
        check(
            "您好，我的电脑无法登录。",
            Some(Language::ChineseSimplified),
        );
        check("プリンターが動きません。", Some(Language::Japanese));
        check("프린터가 작동하지 않습니다.", Some(Language::Korean));
    }

    #[test]
    fn too_little_is_no_language() {
        check("", None);
        check("42", None);
        check("SAP VPN", None);
        check("Error 0x80070005", None);
    }
}
