//! Plots as SVG inside a page: bars of what happened in each interval, with a line above them.

use std::fmt::Write;

/// One interval of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// Told below the first of a group of bars with the same label.
    pub(crate) label: String,
    /// Told when somebody points at it.
    pub(crate) title: String,
    /// Heights from the bottom up, one for each colour.
    pub(crate) parts: Vec<f64>,
    /// Height of the line, from 0 to 1; `None` leaves a gap.
    pub(crate) line: Option<f64>,
    /// The interval of another period that it is compared with.
    pub(crate) other: Option<Other>,
}

/// An interval of another period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other {
    /// What all parts of its bar would be together.
    pub(crate) height: f64,
    /// Height of its line.
    pub(crate) line: Option<f64>,
}

/// What stands for what.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    /// Of each part of a bar.
    pub(crate) parts: &'a [&'a str],
    /// Of the line.
    pub(crate) line: &'a str,
    /// Of the other period's heights, and of its line.
    pub(crate) other: Option<[String; 2]>,
}

/// Colours of the parts, told apart by their lightness too, for print and for the colour-blind.
const COLOURS: [&str; 5] = ["#1d4a7a", "#c24a4a", "#edb04a", "#7aa35f", "#dcdfe4"];

/// Colour of the line.
const LINE: &str = "#222222";

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 12.0;
const INNER_HEIGHT: f64 = HEIGHT - TOP - BOTTOM;

/// How the other period's heights are drawn: dots, by which black-and-white print tells them from lines.
const OTHER_HEIGHTS: &str = "stroke=\"#222222\" stroke-width=\"2\" stroke-dasharray=\"1.5 3\"";

/// How the other period's line is drawn: dashes, and a ring at each interval.
const OTHER_LINE: &str = "stroke=\"#222222\" stroke-width=\"1.2\" stroke-dasharray=\"7 4\"";

/// What lies below both, so that they are seen on dark bars.
const HALO: &str = "stroke=\"#ffffff\" stroke-width=\"4\" stroke-opacity=\"0.8\"";

/// Most labels below the axis.
const LABELS_MAX: usize = 16;

/// Room that a letter of a label takes.
const LETTER: f64 = 6.2;

/// Draws the bars; `what` is read aloud.
pub(crate) fn bars(bars: &[Bar], names: &Names<'_>, what: &str) -> String {
    let sums = bars.iter().map(|bar| {
        let other = bar.other.map_or(0.0, |other| other.height);
        bar.parts.iter().sum::<f64>().max(other)
    });
    let mut drawing = Drawing {
        svg: format!(
            "<div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(what)
        ),
        top: round_up(sums.fold(0.0, f64::max)),
        step: (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64,
    };
    drawing.draw_grid();
    let every = labelled_every(bars);
    for (place, bar) in bars.iter().enumerate() {
        drawing.draw_bar(place, bar, place % every == 0);
    }
    drawing.draw_others(bars);
    drawing.draw_line(bars);
    drawing.svg.push_str("</svg></div>");
    drawing.svg + &key(names)
}

/// Each which bar has a label: as many as have room beside each other.
fn labelled_every(bars: &[Bar]) -> usize {
    let letters = bars.iter().map(|bar| bar.label.chars().count()).max();
    let width = LETTER * (letters.unwrap_or(0) + 2) as f64;
    let room = ((WIDTH - LEFT - RIGHT) / width) as usize;
    bars.len().div_ceil(room.clamp(1, LABELS_MAX)).max(1)
}

/// The same for programs that draw no SVG, as most mail programs do: a row of coloured cells for each bar, drawn by
/// attributes alone. A bar in which nothing was is left out.
pub(crate) fn cells(bars: &[Bar], names: &Names<'_>) -> String {
    let sum = |bar: &Bar| bar.parts.iter().sum::<f64>();
    let top = bars.iter().map(sum).fold(0.0, f64::max);
    let is_something = |bar: &Bar| sum(bar) > 0.0 || bar.other.is_some_and(|it| it.height > 0.0);
    let cell = |colour: &str, width: f64| {
        format!(
            "<td bgcolor=\"{colour}\" width=\"{width:.1}%\" height=\"10\" style=\"padding:0\"></td>"
        )
    };
    let mut html = String::from("<p class=\"key\">");
    for (name, colour) in names.parts.iter().zip(COLOURS) {
        let _ = write!(
            html,
            "<font color=\"{colour}\">&#9632;</font> {} ",
            escaped(name)
        );
    }
    let _ = write!(
        html,
        "</p><table class=\"cells\" width=\"100%\" cellspacing=\"0\"><tr><th class=\"text\"></th><th></th><th></th>\
         <th>{}</th>{}</tr>",
        escaped(names.line),
        names
            .other
            .iter()
            .flatten()
            .fold(String::new(), |heads, name| {
                heads + "<th>" + &escaped(name) + "</th>"
            }),
    );
    let told = |line: Option<f64>| {
        line.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    for bar in bars.iter().filter(|bar| is_something(bar)) {
        let parts: String = bar
            .parts
            .iter()
            .zip(COLOURS)
            .filter(|(part, _)| **part > 0.0)
            .map(|(part, colour)| cell(colour, 100.0 * part / top))
            .collect();
        let rest = 100.0 * (1.0 - sum(bar) / top.max(f64::MIN_POSITIVE));
        let rest = if rest > 0.0 {
            format!("<td width=\"{rest:.1}%\" style=\"padding:0\"></td>")
        } else {
            String::new()
        };
        let begin = bar.title.split(": ").next().unwrap_or(&bar.title);
        let other = match (bar.other, &names.other) {
            (_, None) => String::new(),
            (None, Some(_)) => "<td>–</td><td>–</td>".to_owned(),
            (Some(other), Some(_)) => {
                let line = told(other.line);
                format!("<td>{}</td><td nowrap>{line}</td>", other.height)
            }
        };
        let line = told(bar.line);
        let _ = writeln!(
            html,
            "<tr><td class=\"text\" nowrap>{}</td><td width=\"70%\"><table width=\"100%\" cellspacing=\"0\" \
             cellpadding=\"0\" style=\"margin:0\"><tr>{parts}{rest}</tr></table></td><td>{}</td><td nowrap>{line}</td>{other}</tr>",
            escaped(begin),
            sum(bar),
        );
    }
    html + "</table>"
}

/// An SVG that is being written. Writing to a string cannot fail.
struct Drawing {
    svg: String,
    /// Value at the upper end of the left axis.
    top: f64,
    /// Width of an interval.
    step: f64,
}

impl Drawing {
    /// Lines at each quarter, told on the left in values and on the right in percent.
    fn draw_grid(&mut self) {
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let _ = write!(
                self.svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" class=\"left\">{}</text>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{:.0}&#8239;%</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(share) + 4.0,
                self.top * share,
                WIDTH - RIGHT + 6.0,
                y(share) + 4.0,
                share * 100.0,
                y = y(share),
            );
        }
    }

    fn draw_bar(&mut self, place: usize, bar: &Bar, is_labelled: bool) {
        let x = LEFT + self.step * place as f64;
        let _ = write!(self.svg, "<g><title>{}</title>", escaped(&bar.title));
        let mut below = 0.0;
        for (part, colour) in bar.parts.iter().zip(COLOURS) {
            let height = INNER_HEIGHT * part / self.top;
            let _ = write!(
                self.svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                x + self.step * 0.1,
                TOP + INNER_HEIGHT - below - height,
                self.step * 0.8,
            );
            below += height;
        }
        self.svg.push_str("</g>");
        if is_labelled {
            let _ = write!(
                self.svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                HEIGHT - 8.0,
                escaped(&bar.label)
            );
        }
    }

    /// The other period: its heights as steps of dots, its line in dashes with a ring at each interval.
    fn draw_others(&mut self, bars: &[Bar]) {
        let (mut steps, mut dashes, mut rings) = (String::new(), String::new(), String::new());
        let (mut has_step, mut has_dash) = (false, false);
        for (place, bar) in bars.iter().enumerate() {
            let left = LEFT + self.step * place as f64;
            let middle = left + self.step / 2.0;
            if let Some(other) = bar.other {
                let (y, pen) = (y(other.height / self.top), if has_step { "L" } else { "M" });
                let _ = write!(steps, "{pen}{left:.1},{y:.1} H{:.1} ", left + self.step);
            }
            has_step = bar.other.is_some();
            let share = bar.other.and_then(|other| other.line);
            if let Some(share) = share {
                let (y, pen) = (y(share), if has_dash { "L" } else { "M" });
                let _ = write!(dashes, "{pen}{middle:.1},{y:.1} ");
                let _ = write!(
                    rings,
                    "<circle cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"#ffffff\" stroke=\"{LINE}\"/>"
                );
            }
            has_dash = share.is_some();
        }
        for (path, style) in [
            (&steps, HALO),
            (&steps, OTHER_HEIGHTS),
            (&dashes, HALO),
            (&dashes, OTHER_LINE),
        ] {
            if !path.is_empty() {
                let _ = write!(self.svg, "<path d=\"{path}\" fill=\"none\" {style}/>");
            }
        }
        self.svg.push_str(&rings);
    }

    /// The line through what has a height; a point between two gaps, which no line shows, is a dot.
    fn draw_line(&mut self, bars: &[Bar]) {
        let has_line = |place: usize| bars.get(place).is_some_and(|bar| bar.line.is_some());
        let (mut path, mut dots) = (String::new(), String::new());
        for (place, bar) in bars.iter().enumerate() {
            let Some(share) = bar.line else { continue };
            let (x, y) = (LEFT + self.step * (place as f64 + 0.5), y(share));
            let follows = place > 0 && has_line(place - 1);
            let pen = if follows { "L" } else { "M" };
            let _ = write!(path, "{pen}{x:.1},{y:.1} ");
            if !follows && !has_line(place + 1) {
                let _ = write!(
                    dots,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{LINE}\"/>"
                );
            }
        }
        let _ = write!(
            self.svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.5\"/>{dots}"
        );
    }
}

/// What the colours and the lines mean.
fn key(names: &Names<'_>) -> String {
    let mut key = "<p class=\"key\">".to_owned();
    for (name, colour) in names.parts.iter().zip(COLOURS) {
        let _ = write!(
            key,
            "<span style=\"color:{colour}\">&#9632;</span> {} ",
            escaped(name)
        );
    }
    let _ = write!(
        key,
        "<span style=\"color:{LINE}\">&#8213;</span> {}",
        escaped(names.line)
    );
    let ring = "<circle cx=\"17\" cy=\"6\" r=\"2.5\" fill=\"#ffffff\" stroke=\"#222222\"/>";
    let drawn = [(OTHER_HEIGHTS, ""), (OTHER_LINE, ring)];
    for (name, (style, ring)) in names.other.iter().flatten().zip(drawn) {
        let _ = write!(
            key,
            " <svg class=\"line\" viewBox=\"0 0 34 12\" aria-hidden=\"true\">\
             <path d=\"M0,6 H34\" {style}/>{ring}</svg> {}",
            escaped(name)
        );
    }
    key + "</p>"
}

/// Where a share of the whole height is, from above.
fn y(share: f64) -> f64 {
    TOP + INNER_HEIGHT * (1.0 - share)
}

/// Text that means itself in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// The next of 4, 8, 12, 20, 40, 80, 120, ... whose quarters are whole.
fn round_up(most: f64) -> f64 {
    let mut ten = 1.0;
    loop {
        for step in [4.0, 8.0, 12.0, 20.0] {
            if step * ten >= most {
                return step * ten;
            }
        }
        ten *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(parts: &'a [&'a str], line: &'a str) -> Names<'a> {
        Names {
            parts,
            line,
            other: None,
        }
    }

    #[test]
    fn the_axis_ends_above_the_highest_bar() {
        for (most, top) in [
            (0.0, 4.0),
            (4.0, 4.0),
            (5.0, 8.0),
            (19.0, 20.0),
            (21.0, 40.0),
            (900.0, 1_200.0),
        ] {
            assert_eq!(round_up(most), top);
        }
    }

    #[test]
    fn cells_are_as_wide_as_what_they_stand_for() {
        let bar = |title: &str, parts: [f64; 2], line| Bar {
            label: String::new(),
            title: title.to_owned(),
            parts: parts.to_vec(),
            line,
            other: None,
        };
        let bars = [
            bar("2026-11-23 09:00: offered 8", [6.0, 2.0], Some(0.75)),
            bar("2026-11-23 09:30: offered 0", [0.0, 0.0], None),
            bar("2026-11-23 10:00: offered 4", [0.0, 4.0], Some(0.0)),
        ];
        let html = cells(&bars, &names(&["answered", "<abandoned>"], "SL"));
        assert!(!html.contains("<svg") && html.contains("&lt;abandoned&gt;"));
        assert!(html.contains("2026-11-23 09:00") && !html.contains("09:30"));
        let widths: Vec<&str> = html
            .split("height=\"10\"")
            .filter_map(|cell| cell.rsplit_once("width=\"")?.1.split('%').next())
            .take(3)
            .collect();
        assert_eq!(widths, ["75.0", "25.0", "50.0"]);
        assert!(html.contains("75.0 %") && html.contains("0.0 %"));
    }

    #[test]
    fn colours_are_told_apart_on_grey_paper() {
        // L* of CIE 1976, from sRGB (IEC 61966-2-1).
        let lightness = |colour: &str| {
            let part = |place: usize| {
                let octet = u8::from_str_radix(&colour[place..place + 2], 16).unwrap();
                let part = f64::from(octet) / 255.0;
                if part <= 0.040_45 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                }
            };
            let luminance = 0.212_6 * part(1) + 0.715_2 * part(3) + 0.072_2 * part(5);
            116.0 * luminance.cbrt() - 16.0
        };
        let mut all = COLOURS.map(lightness);
        all.sort_by(f64::total_cmp);
        for pair in all.windows(2) {
            assert!(pair[1] - pair[0] >= 10.0, "{all:?}");
        }
    }

    #[test]
    fn labels_do_not_run_into_each_other() {
        let plot = |label: &str, count: usize| {
            let bar = Bar {
                label: label.to_owned(),
                title: String::new(),
                parts: vec![1.0],
                line: None,
                other: None,
            };
            let svg = bars(&vec![bar; count], &names(&[], ""), "");
            let end = format!("\">{label}</text>");
            let steps = svg.split(&end).filter_map(|part| {
                let (_, place) = part.rsplit_once("<text x=\"")?;
                place.split('"').next()?.parse::<f64>().ok()
            });
            let mut steps: Vec<f64> = steps.take(2).collect();
            steps.sort_by(f64::total_cmp);
            steps[1] - steps[0]
        };
        // Six and a bit for each letter of ten pixels.
        assert!(plot("2026-10-01", 31) >= 70.0 && plot("00:30", 48) >= 40.0);
        assert!(plot("2026-W40", 5) < 180.0, "each where there is room");
    }

    #[test]
    fn names_from_outside_stay_text() {
        let bar = Bar {
            label: "<b>".to_owned(),
            title: "a & \"b\"".to_owned(),
            parts: vec![1.0, 2.0],
            line: Some(0.5),
            other: None,
        };
        let svg = bars(&[bar], &names(&["<script>"], "line"), "'what'");
        assert!(!svg.contains("<script>") && !svg.contains("<b>"));
        assert!(svg.contains("a &amp; &quot;b&quot;") && svg.contains("&#39;what&#39;"));
    }

    #[test]
    fn a_gap_lifts_the_pen() {
        let bar = |line| Bar {
            label: String::new(),
            title: String::new(),
            parts: Vec::new(),
            line,
            other: None,
        };
        let none = names(&[], "");
        let svg = bars(&[bar(Some(0.5)), bar(None), bar(Some(1.0))], &none, "");
        let path = svg.split("<path d=\"").nth(1).unwrap();
        assert_eq!(path.split('"').next().unwrap().matches('M').count(), 2);
        assert_eq!(
            svg.matches("<circle").count(),
            2,
            "no line shows a lone point"
        );
        let joined = bars(&[bar(Some(0.5)), bar(Some(1.0))], &none, "");
        assert!(!joined.contains("<circle"));
        assert!(bars(&[], &none, "").contains("</svg>"));
    }

    #[test]
    fn another_period_is_told_from_the_bars_and_the_line_without_colours() {
        let bar = |height: f64, other: Option<(f64, Option<f64>)>| Bar {
            label: String::new(),
            title: "2026-11-02: offered".to_owned(),
            parts: vec![height],
            line: Some(0.5),
            other: other.map(|(height, line)| Other { height, line }),
        };
        let drawn = [
            bar(2.0, Some((8.0, Some(1.0)))),
            bar(0.0, Some((4.0, Some(0.0)))),
            bar(2.0, None),
        ];
        let other = ["offered, October".to_owned(), "SL, <October>".to_owned()];
        let names = Names {
            other: Some(other),
            ..names(&["answered"], "SL")
        };
        let svg = bars(&drawn, &names, "");
        assert!(svg.contains(">8</text>"), "the axis has room for both");
        let dotted = svg.split(OTHER_HEIGHTS).next().unwrap();
        let steps = dotted.rsplit("d=\"").next().unwrap();
        let (top, half) = (TOP, TOP + INNER_HEIGHT / 2.0);
        assert!(
            steps.starts_with(&format!("M44.0,{top:.1} H334.7 L334.7,{half:.1} H625.3 \"")),
            "{steps}"
        );
        assert_eq!(
            svg.matches("r=\"2.5\"").count(),
            3,
            "two intervals and the key"
        );
        assert!(svg.contains("offered, October") && svg.contains("SL, &lt;October&gt;"));
        let mail = cells(&drawn, &names);
        assert!(mail.contains("<th>SL, &lt;October&gt;</th>"));
        assert!(mail.contains("<td>4</td><td nowrap>0.0 %</td>"), "{mail}");
        assert!(mail.contains("<td>–</td><td>–</td>"));
    }
}
