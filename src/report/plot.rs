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
const COLOURS: [&str; 3] = ["#3b6ea5", "#e8a33d", "#b5484b"];

/// Colour of the line.
const LINE: &str = "#222222";

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 12.0;

/// Most labels below the axis.
const LABELS_MAX: usize = 16;

/// Draws the bars; `names` tells the parts and the line, `what` is read aloud.
pub(crate) fn bars(bars: &[Bar], names: &[&str], line_name: &str, what: &str) -> String {
    let most = bars
        .iter()
        .map(|bar| bar.parts.iter().sum())
        .fold(0.0, f64::max);
    let top = round_up(most);
    let (inner_width, inner_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let step = inner_width / bars.len().max(1) as f64;
    let y = |share: f64| TOP + inner_height * (1.0 - share);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(what)
    );
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" class=\"left\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.0}&#8239;%</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(share) + 4.0,
            top * share,
            WIDTH - RIGHT + 6.0,
            y(share) + 4.0,
            share * 100.0,
            y = y(share),
        );
    }
    let every = bars.len().div_ceil(LABELS_MAX).max(1);
    for (place, bar) in bars.iter().enumerate() {
        let x = LEFT + step * place as f64;
        let _ = write!(svg, "<g><title>{}</title>", escaped(&bar.title));
        let mut below = 0.0;
        for (part, colour) in bar.parts.iter().zip(COLOURS) {
            let height = if top > 0.0 {
                inner_height * part / top
            } else {
                0.0
            };
            let _ = write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                x + step * 0.1,
                TOP + inner_height - below - height,
                step * 0.8,
            );
            below += height;
        }
        svg.push_str("</g>");
        if place % every == 0 {
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                HEIGHT - 8.0,
                escaped(&bar.label)
            );
        }
    }
    let mut pen = "M";
    let mut path = String::new();
    for (place, bar) in bars.iter().enumerate() {
        match bar.line {
            Some(share) => {
                let x = LEFT + step * (place as f64 + 0.5);
                let _ = write!(path, "{pen}{x:.1},{:.1} ", y(share));
                pen = "L";
            }
            None => pen = "M",
        }
    }
    let _ = write!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.5\"/></svg>"
    );
    svg.push_str("<p class=\"key\">");
    for (name, colour) in names.iter().zip(COLOURS) {
        let _ = write!(
            svg,
            "<span style=\"color:{colour}\">&#9632;</span> {} ",
            escaped(name)
        );
    }
    let _ = write!(
        svg,
        "<span style=\"color:{LINE}\">&#8213;</span> {}</p>",
        escaped(line_name)
    );
    svg
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
        assert!(bars(&[], &[], "", "").contains("</svg>"));
    }
}
