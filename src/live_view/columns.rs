//! Text in columns of a terminal, where a Chinese character is two wide (Unicode Annex 11).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cuts or fills a text to exactly this width. Control characters of callers' texts are shown as `?`.
pub(super) fn fitted(text: &str, width: usize) -> String {
    let mut fit = String::new();
    let mut used = 0;
    let is_long = text.width() > width;
    let room = if is_long {
        width.saturating_sub(1)
    } else {
        width
    };
    for letter in text.chars() {
        let letter = if letter.is_control() { '?' } else { letter };
        let wide = letter.width().unwrap_or(0);
        if used + wide > room {
            break;
        }
        fit.push(letter);
        used += wide;
    }
    if is_long && width > 0 {
        fit.push('~');
        used += 1;
    }
    fit.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    fit
}

/// The same, pushed to the right.
pub(super) fn fitted_right(text: &str, width: usize) -> String {
    let fit = fitted(text, width);
    let text = fit.trim_end();
    let gap = width.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_count_twice_and_are_never_cut_in_half() {
        assert_eq!(fitted("資訊服務台", 12), "資訊服務台  ");
        assert_eq!(fitted("資訊服務台", 6), "資訊~ ");
        assert_eq!(fitted("資訊服務台", 5), "資訊~");
        assert_eq!(fitted("a\x1b[2J", 6), "a?[2J ");
        assert_eq!(fitted_right("秒", 4), "  秒");
        assert_eq!(fitted("x", 0), "");
    }
}
