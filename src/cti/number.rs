//! What a caller's number is, whatever way it was written.
//!
//! People and exchanges write one number in many ways. The normaliser brings them to E.164 by the
//! site's numbering plan, keeps short internal numbers as they are, and knows when there is no number
//! at all. The CMS's numbers go through the same normaliser, so equal numbers have equal keys.

use crate::config::Region;
use std::fmt;
use std::sync::Arc;

/// A number after ITU-T E.164: the country code and what follows it, at most fifteen digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(u64);

impl E164 {
    /// Takes digits with the country code and without a plus sign.
    pub fn from_digits(digits: &str) -> Option<Self> {
        let is_one = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        is_one.then(|| digits.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// What a text that should name a caller turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// A public number, with the extension behind it if one was given.
    Public {
        /// The number.
        number: E164,
        /// Digits dialled after it.
        extension: Option<Arc<str>>,
    },
    /// A short or private number of the site's own exchange, digits as they came.
    Internal(Arc<str>),
    /// The caller withheld it, or there is none.
    Withheld,
    /// Something else, such as a SIP user's name.
    Other,
}

impl Number {
    /// The key by which the CMS knows it: `+886227208889`, or the internal digits.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Public { number, .. } => Some(number.to_string()),
            Self::Internal(digits) => Some(digits.to_string()),
            Self::Withheld | Self::Other => None,
        }
    }

    /// The extension, if one was given.
    pub fn extension(&self) -> Option<&str> {
        match self {
            Self::Public { extension, .. } => extension.as_deref(),
            Self::Internal(_) | Self::Withheld | Self::Other => None,
        }
    }
}

/// Brings numbers to one form by a region's numbering plan.
///
/// A number takes about 4 us; making the normaliser reads the plans, which takes 0.1 s once.
#[derive(Clone, Copy, Debug)]
pub struct Normaliser {
    region: Region,
}

impl Normaliser {
    /// Makes a normaliser for the site's region.
    pub fn new(region: Region) -> Self {
        // The first look reads the plans of all countries: here, and not in the first call.
        let _ = in_plan("+886227208889", region);
        Self { region }
    }

    /// Brings a number, `tel:` or `sip:` URI, or the value of a From-like header to its one form.
    ///
    /// A text longer than [`TEXT_MAX`] bytes is no number.
    pub fn normalise(&self, text: &str) -> Number {
        if text.len() > TEXT_MAX {
            return Number::Other;
        }
        parse(text, self.region)
    }
}

impl Normaliser {
    /// A key's digits in the usual ways to write and dial it: `886227208889`, `00886227208889`, and as within its
    /// country, `0227208889`. An internal number has one way.
    pub fn ways_to_write(&self, key: &str) -> Vec<String> {
        let Some(digits) = key.strip_prefix('+') else {
            return vec![key.to_owned()];
        };
        let mut ways = vec![digits.to_owned(), format!("00{digits}")];
        if let Ok(number) = phonenumber::parse(None, key) {
            let code = number.code().value().to_string();
            let national = number.format().mode(phonenumber::Mode::National);
            let national: String = national.to_string();
            let national: String = national.chars().filter(char::is_ascii_digit).collect();
            // "+886 (0)2 2720 8889".
            ways.push(format!("{code}{national}"));
            ways.push(national);
        }
        ways
    }
}

fn parse(text: &str, region: Region) -> Number {
    let Some(text) = user_part(text) else {
        return Number::Withheld;
    };
    let text = to_ascii(&text);
    let text = text.trim();
    if is_withheld(text) {
        return Number::Withheld;
    }
    let (base, extension) = split_extension(text);
    let Some(base) = digits_of(base) else {
        return Number::Other;
    };
    let extension: Option<Arc<str>> = extension.map(Into::into);
    let public = |number| Number::Public { number, extension };
    match base.strip_prefix('+') {
        Some(digits) => match in_plan(&base, region).or_else(|| E164::from_digits(digits)) {
            Some(number) => public(number),
            None => Number::Other,
        },
        None if base.len() <= INTERNAL_DIGITS_MAX => Number::Internal(base.into()),
        None => {
            // The region's own way to dial abroad comes first: in Taiwan 002 49 is Germany, 00249 is not.
            let abroad = base.strip_prefix("00").map(|rest| format!("+{rest}"));
            let number = in_plan(&base, region)
                .or_else(|| abroad.and_then(|number| in_plan(&number, region)));
            match number {
                Some(number) => public(number),
                None => Number::Internal(base.into()),
            }
        }
    }
}

/// The number if it is valid in its numbering plan.
fn in_plan(text: &str, region: Region) -> Option<E164> {
    let number = phonenumber::parse(Some(region.0), text).ok()?;
    if !phonenumber::is_valid(&number) {
        return None;
    }
    let text = number.format().mode(phonenumber::Mode::E164).to_string();
    E164::from_digits(text.strip_prefix('+')?)
}

/// What stands for the person in a header value or URI; `None` for the anonymous one (RFC 3261 §8.1.1.3,
/// RFC 3323 §4.1).
fn user_part(text: &str) -> Option<String> {
    let uri = match (text.rfind('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => &text[open + 1..close],
        (None, _) | (_, None) | (Some(_), Some(_)) => text,
    };
    let uri = uri.trim();
    let scheme = uri
        .split_once(':')
        .map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let user = match scheme {
        // RFC 3966 §3: parameters behind the number; `ext` is one of them and is kept.
        Some((scheme, rest)) if scheme == "tel" => rest.to_owned(),
        Some((scheme, rest)) if scheme == "sip" || scheme == "sips" => {
            let (user, host) = rest.split_once('@').unwrap_or(("", rest));
            let host = host.split([';', '?']).next().unwrap_or("");
            if host.eq_ignore_ascii_case("anonymous.invalid") {
                return None;
            }
            user.split(':').next().unwrap_or("").to_owned()
        }
        Some(_) | None => uri.to_owned(),
    };
    Some(percent_decoded(&user))
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (byte == b'%')
            .then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?)))
            .flatten();
        match pair {
            Some((high, low)) => {
                out.push(high * 16 + low);
                bytes = ahead;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Full-width forms, as East Asian keyboards type them, become the plain ones (U+FF01 to U+FF5E lie as
/// far apart as U+0021 to U+007E).
fn to_ascii(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\u{ff01}'..='\u{ff5e}' => {
                char::from_u32(u32::from(letter) - 0xff01 + 0x21).unwrap_or(letter)
            }
            '\u{3000}' | '\u{a0}' => ' ',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            other => other,
        })
        .collect()
}

/// Words that exchanges send in the place of a number.
fn is_withheld(text: &str) -> bool {
    let words = [
        "",
        "anonymous",
        "unknown",
        "restricted",
        "private",
        "withheld",
        "unavailable",
        "blocked",
        "-",
    ];
    let text = text.trim_matches('"');
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Splits the digits dialled after the number off it.
fn split_extension(text: &str) -> (&str, Option<&str>) {
    // Of a URI's parameters only `ext` says something of the number's digits (RFC 3966 §3).
    let (base, parameters) = text.split_once(';').unwrap_or((text, ""));
    let given = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("ext").then_some(value)
    });
    if let Some(value) = given {
        return (base, extension_of(value));
    }
    let lower = base.to_ascii_lowercase();
    let mark = EXTENSION_MARKS
        .iter()
        .find_map(|mark| Some((lower.find(mark)?, mark.len())));
    match mark {
        Some((place, mark_bytes)) => (&base[..place], extension_of(&base[place + mark_bytes..])),
        None => (base, None),
    }
}

fn extension_of(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(['.', ':', ' ', '-', '=']);
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (1..=EXTENSION_DIGITS_MAX)
        .contains(&end)
        .then_some(&text[..end])
}

/// How people announce an extension. What begins like another comes before it.
const EXTENSION_MARKS: [&str; 8] = [
    "extension",
    "ext",
    "分機",
    "轉",
    "durchwahl",
    "x",
    "#",
    ",,",
];

/// The digits, and a plus sign in front if there is one; `None` when there is anything that does not
/// belong in a number.
fn digits_of(text: &str) -> Option<String> {
    // "+49 (0)30": the zero is dialled only inside the country.
    let text = if text.trim_start().starts_with('+') {
        text.replace("(0)", "")
    } else {
        text.to_owned()
    };
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '0'..='9' => out.push(letter),
            '+' if out.is_empty() => out.push('+'),
            ' ' | '-' | '.' | '/' | '(' | ')' | '[' | ']' | '~' | '\t' => {}
            _ => return None,
        }
    }
    let has_digit = out.bytes().any(|b| b.is_ascii_digit());
    (has_digit && out.len() <= DIGITS_KEPT_MAX).then_some(out)
}

/// Most digits of an E.164 number (ITU-T E.164 §6.2.1).
const DIGITS_MAX: usize = 15;

/// Fewest digits we take for a number with a country code.
const DIGITS_MIN: usize = 5;

/// Most digits (with prefixes) we look at.
const DIGITS_KEPT_MAX: usize = 25;

/// Numbers up to this length are the exchange's own: no national number dialled with its area code is
/// as short.
const INTERNAL_DIGITS_MAX: usize = 6;

/// Most digits of an extension.
const EXTENSION_DIGITS_MAX: usize = 11;

/// Longest text looked at, in bytes.
const TEXT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalise(text: &str) -> String {
        let normaliser = Normaliser::new("TW".parse().unwrap());
        match normaliser.normalise(text) {
            Number::Public { number, extension } => match extension {
                Some(extension) => format!("{number} x{extension}"),
                None => number.to_string(),
            },
            Number::Internal(digits) => format!("internal {digits}"),
            Number::Withheld => "withheld".to_owned(),
            Number::Other => "other".to_owned(),
        }
    }

    #[test]
    fn every_way_to_write_a_number_leads_back_to_it() {
        for (region, key, national) in [
            ("TW", "+886227208889", "0227208889"),
            ("DE", "+493012345678", "03012345678"),
            ("US", "+12125550123", "2125550123"),
            ("TW", "204", "204"),
        ] {
            let normaliser = Normaliser::new(region.parse().unwrap());
            let ways = normaliser.ways_to_write(key);
            assert!(ways.iter().any(|way| way == national), "{ways:?}");
            for way in ways {
                assert_eq!(
                    normaliser.normalise(&way).key().as_deref(),
                    Some(key),
                    "{way}"
                );
            }
        }
    }

    #[test]
    fn many_ways_to_write_a_number_are_one_number() {
        for text in [
            "+886227208889",
            "+886-2-2720-8889",
            "+886 (0)2 2720 8889",
            "(02) 2720-8889",
            "02/2720.8889",
            "０２－２７２０－８８８９",
            "00886227208889",
            "tel:+886-2-2720-8889",
            "tel:02-2720-8889;phone-context=+886",
            "sip:+886227208889@192.0.2.1;user=phone",
            "sip:%2B886227208889@trunk.example",
            "SIPS:0227208889@trunk.example:5061;transport=tcp",
            "\"臺北市政府\" <sip:0227208889@trunk.example>;tag=1",
            "<tel:+886227208889>",
            "+8860227208889",
        ] {
            assert_eq!(normalise(text), "+886227208889", "{text}");
        }
    }

    #[test]
    fn numbers_of_other_countries_keep_theirs() {
        assert_eq!(normalise("+49 30 901820"), "+4930901820");
        assert_eq!(normalise("002 49 30 901820"), "+4930901820");
        assert_eq!(normalise("+1 (415) 555-2671"), "+14155552671");
        // In no plan, but E.164 by its shape.
        assert_eq!(normalise("+999123456789"), "+999123456789");
    }

    #[test]
    fn extensions_are_split_off_however_they_are_marked() {
        for text in [
            "+886227208889;ext=123",
            "tel:+886-2-2720-8889;ext=123",
            "02-2720-8889 x123",
            "02-2720-8889 ext. 123",
            "02-2720-8889 Extension 123",
            "02-27208889#123",
            "(02)2720-8889 分機 123",
            "（０２）２７２０８８８９＃１２３",
            "(02)2720-8889轉123",
        ] {
            assert_eq!(normalise(text), "+886227208889 x123", "{text}");
        }
    }

    #[test]
    fn short_numbers_stay_internal_and_names_are_no_numbers() {
        assert_eq!(normalise("1234"), "internal 1234");
        assert_eq!(normalise("sip:100@ringdown.localhost"), "internal 100");
        assert_eq!(normalise("sip:meiling@ringdown.localhost"), "other");
        assert_eq!(normalise("mailto:a@b.example"), "other");
        // Neither in the plan nor with a country code: whatever exchange sent it may know it.
        assert_eq!(normalise("99999999"), "internal 99999999");
        assert_eq!(normalise(&"1".repeat(300)), "other");
    }

    #[test]
    fn the_anonymous_have_no_number() {
        for text in [
            "",
            " ",
            "anonymous",
            "Anonymous",
            "sip:anonymous@anonymous.invalid",
            "\"Anonymous\" <sip:c8oqz84zk7z@anonymous.invalid>;tag=9",
            "sip:192.0.2.1",
            "unknown",
            "Restricted",
        ] {
            assert_eq!(normalise(text), "withheld", "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text, "TW".parse().unwrap());
        }

        #[test]
        fn no_text_of_number_letters_panics(text in "[0-9+(); x#=.,/%@:<>ext-]{0,40}") {
            let _ = parse(&text, "TW".parse().unwrap());
        }

        #[test]
        fn a_normal_form_is_its_own_normal_form(text in "[+0-9 ()/-]{3,20}") {
            let first = parse(&text, "TW".parse().unwrap());
            if let Number::Public { number, .. } = &first {
                prop_assert_eq!(parse(&number.to_string(), "TW".parse().unwrap()), first);
            }
        }

        #[test]
        fn separators_change_nothing(area in 2_u8..8, local in 20_000_000_u32..28_000_000, cut in 0_usize..9) {
            let plain = format!("0{area}{local}");
            let (head, tail) = plain.split_at(cut.min(plain.len()));
            for separator in [" ", "-", "/", ".", ") "] {
                let spaced = format!("{head}{separator}{tail}");
                prop_assert_eq!(
                    parse(&spaced, "TW".parse().unwrap()),
                    parse(&plain, "TW".parse().unwrap())
                );
            }
        }

        #[test]
        fn an_extension_never_changes_the_number(extension in "[0-9]{1,6}") {
            let with = parse(&format!("0227208889 ext {extension}"), "TW".parse().unwrap());
            prop_assert_eq!(with.key().unwrap(), "+886227208889");
            prop_assert_eq!(with.extension().unwrap(), extension);
        }
    }
}
