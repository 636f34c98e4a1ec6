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
}

/// Colours of the parts, told apart by their lightness too, for print and for the colour-blind.
const COLOURS: [&str; 5] = ["#3b6ea5", "#b5484b", "#e8a33d", "#7fb069", "#c4c9d1"];

/// Colour of the line.
const LINE: &str = "#222222";

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 12.0;
const INNER_HEIGHT: f64 = HEIGHT - TOP - BOTTOM;

/// Most labels below the axis.
const LABELS_MAX: usize = 16;

/// Draws the bars; `names` tells the parts and the line, `what` is read aloud.
pub(crate) fn bars(bars: &[Bar], names: &[&str], line_name: &str, what: &str) -> String {
    let sums = bars.iter().map(|bar| bar.parts.iter().sum());
    let mut drawing = Drawing {
        svg: format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(what)
        ),
        top: round_up(sums.fold(0.0, f64::max)),
        step: (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64,
    };
    drawing.draw_grid();
    let every = bars.len().div_ceil(LABELS_MAX).max(1);
    for (place, bar) in bars.iter().enumerate() {
        drawing.draw_bar(place, bar, place % every == 0);
    }
    drawing.draw_line(bars);
    drawing.svg.push_str("</svg>");
    drawing.svg + &key(names, line_name)
}

/// The same for programs that draw no SVG, as most mail programs do: a row of coloured cells for each bar, drawn by
/// attributes alone. A bar in which nothing was is left out.
pub(crate) fn cells(bars: &[Bar], names: &[&str], line_name: &str) -> String {
    let sum = |bar: &Bar| bar.parts.iter().sum::<f64>();
    let top = bars.iter().map(sum).fold(0.0, f64::max);
    let cell = |colour: &str, width: f64| {
        format!(
            "<td bgcolor=\"{colour}\" width=\"{width:.1}%\" height=\"10\" style=\"padding:0\"></td>"
        )
    };
    let mut html = String::from("<p class=\"key\">");
    for (name, colour) in names.iter().zip(COLOURS) {
        let _ = write!(
            html,
            "<font color=\"{colour}\">&#9632;</font> {} ",
            escaped(name)
        );
    }
    let _ = write!(
        html,
        "</p><table class=\"cells\" width=\"100%\" cellspacing=\"0\"><tr><th class=\"text\"></th><th></th><th></th>\
         <th>{}</th></tr>",
        escaped(line_name)
    );
    for bar in bars.iter().filter(|bar| sum(bar) > 0.0) {
        let parts: String = bar
            .parts
            .iter()
            .zip(COLOURS)
            .filter(|(part, _)| **part > 0.0)
            .map(|(part, colour)| cell(colour, 100.0 * part / top))
            .collect();
        let rest = 100.0 * (1.0 - sum(bar) / top);
        let rest = if rest > 0.0 {
            format!("<td width=\"{rest:.1}%\" style=\"padding:0\"></td>")
        } else {
            String::new()
        };
        let begin = bar.title.split(": ").next().unwrap_or(&bar.title);
        let line = bar
            .line
            .map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0));
        let _ = writeln!(
            html,
            "<tr><td class=\"text\" nowrap>{}</td><td width=\"70%\"><table width=\"100%\" cellspacing=\"0\" \
             cellpadding=\"0\" style=\"margin:0\"><tr>{parts}{rest}</tr></table></td><td>{}</td><td nowrap>{line}</td></tr>",
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

/// What the colours mean.
fn key(names: &[&str], line_name: &str) -> String {
    let mut key = "<p class=\"key\">".to_owned();
    for (name, colour) in names.iter().zip(COLOURS) {
        let _ = write!(
            key,
            "<span style=\"color:{colour}\">&#9632;</span> {} ",
            escaped(name)
        );
    }
    let _ = write!(
        key,
        "<span style=\"color:{LINE}\">&#8213;</span> {}</p>",
        escaped(line_name)
    );
    key
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
        };
        let bars = [
            bar("2026-11-23 09:00: offered 8", [6.0, 2.0], Some(0.75)),
            bar("2026-11-23 09:30: offered 0", [0.0, 0.0], None),
            bar("2026-11-23 10:00: offered 4", [0.0, 4.0], Some(0.0)),
        ];
        let html = cells(&bars, &["answered", "<abandoned>"], "SL");
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
    fn names_from_outside_stay_text() {
        let bar = Bar {
            label: "<b>".to_owned(),
            title: "a & \"b\"".to_owned(),
            parts: vec![1.0, 2.0],
            line: Some(0.5),
        };
        let svg = bars(&[bar], &["<script>"], "line", "'what'");
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
        };
        let svg = bars(&[bar(Some(0.5)), bar(None), bar(Some(1.0))], &[], "", "");
        let path = svg.split("<path d=\"").nth(1).unwrap();
        assert_eq!(path.split('"').next().unwrap().matches('M').count(), 2);
        assert_eq!(
            svg.matches("<circle").count(),
            2,
            "no line shows a lone point"
        );
        let joined = bars(&[bar(Some(0.5)), bar(Some(1.0))], &[], "", "");
        assert!(!joined.contains("<circle"));
        assert!(bars(&[], &[], "", "").contains("</svg>"));
    }
}
