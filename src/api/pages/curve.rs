//! Lines, and bands of what may be, over an axis; told apart by dashes too, for print and for the colour-blind.

use crate::report::escaped;
use std::fmt::Write;

/// A line over the axis.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// By place on the axis; `None` leaves a gap.
    pub(super) heights: Vec<Option<f64>>,
    /// Between what it may lie, by place.
    pub(super) band: Vec<Option<(f64, f64)>>,
}

/// What is drawn.
pub(super) struct Curve<'a> {
    /// Read aloud.
    pub(super) what: &'a str,
    /// Below the axis, by place; nothing where it is empty.
    pub(super) labels: Vec<String>,
    /// In units of the left axis, whose upper end is `top`.
    pub(super) lines: Vec<Line<'a>>,
    pub(super) top: f64,
    /// How the left axis is told.
    pub(super) unit: Unit,
    /// A place that is marked, with its name.
    pub(super) marks: Vec<(usize, String)>,
}

/// How heights are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Number,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 26.0;
const LABELS_MAX: usize = 14;

/// Colour and dashes of each line.
const PENS: [(&str, &str); 4] = [
    ("#1f5c99", ""),
    ("#a4262c", "7 3"),
    ("#4d7a2c", "2 3"),
    ("#222222", "9 3 2 3"),
];

impl Curve<'_> {
    /// Draws it. Writing to a string cannot fail.
    pub(super) fn to_svg(&self) -> String {
        let mut svg = format!(
            "<div class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.what)
        );
        for quarter in 0..=4 {
            let height = self.top * f64::from(quarter) / 4.0;
            let told = match self.unit {
                Unit::Percent => format!("{:.0} %", height * 100.0),
                Unit::Number if self.top < 4.0 => format!("{height:.1}"),
                Unit::Number => format!("{height:.0}"),
            };
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" class=\"left\">{told}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                self.y(height) + 4.0,
                y = self.y(height),
            );
        }
        let told: Vec<(usize, &String)> = self
            .labels
            .iter()
            .enumerate()
            .filter(|(_, label)| !label.is_empty())
            .collect();
        let every = told.len().div_ceil(LABELS_MAX).max(1);
        for (place, label) in told.into_iter().step_by(every) {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                self.x(place),
                HEIGHT - 8.0,
                escaped(label)
            );
        }
        for (place, name) in &self.marks {
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#888\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM,
                TOP - 8.0,
                escaped(name),
                x = self.x(*place),
            );
        }
        for (line, pen) in self.lines.iter().zip(PENS) {
            self.draw(line, pen, &mut svg);
        }
        svg.push_str("</svg><p class=\"key\">");
        for (line, (colour, dashes)) in self.lines.iter().zip(PENS) {
            let _ = write!(
                svg,
                "<svg viewBox=\"0 0 30 8\" style=\"width:30px;height:8px;display:inline-block\" aria-hidden=\"true\">\
                 <line x1=\"0\" x2=\"30\" y1=\"4\" y2=\"4\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/></svg> {} &#8195;",
                escaped(line.name)
            );
        }
        svg.push_str("</p></div>");
        svg
    }

    fn draw(&self, line: &Line<'_>, (colour, dashes): (&str, &str), svg: &mut String) {
        // A band with a gap in it is as many bands as there are pieces.
        let places: Vec<usize> = (0..line.band.len()).collect();
        let is_known = |place: &usize| line.band.get(*place).copied().flatten();
        for piece in places.chunk_by(|a, b| is_known(a).is_some() == is_known(b).is_some()) {
            let known: Vec<(usize, (f64, f64))> = piece
                .iter()
                .filter_map(|place| Some((*place, is_known(place)?)))
                .collect();
            let point =
                |place: usize, height: f64| format!("{:.1},{:.1} ", self.x(place), self.y(height));
            let over = known.iter().map(|(place, (_, high))| point(*place, *high));
            let under = known
                .iter()
                .rev()
                .map(|(place, (low, _))| point(*place, *low));
            let points: String = over.chain(under).collect();
            if !points.is_empty() {
                let _ = write!(
                    svg,
                    "<polygon points=\"{points}\" fill=\"{colour}\" fill-opacity=\"0.18\"/>"
                );
            }
        }
        let mut path = String::new();
        let mut is_down = false;
        for (place, height) in line.heights.iter().enumerate() {
            if let Some(height) = height {
                let pen = if is_down { "L" } else { "M" };
                let _ = write!(path, "{pen}{:.1},{:.1} ", self.x(place), self.y(*height));
            }
            is_down = height.is_some();
        }
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>"
        );
    }

    fn x(&self, place: usize) -> f64 {
        let last = self.labels.len().saturating_sub(1).max(1);
        LEFT + (WIDTH - LEFT - RIGHT) * place as f64 / last as f64
    }

    fn y(&self, height: f64) -> f64 {
        let share = (height / self.top).clamp(0.0, 1.0);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
    }
}

/// The next of 1, 2, 4, 8, 10, 20, ... that is no less.
pub(super) fn round_up(most: f64) -> f64 {
    let mut ten = 1.0;
    while ten < f64::MAX / 100.0 {
        for step in [1.0, 2.0, 4.0, 8.0] {
            if step * ten >= most {
                return step * ten;
            }
        }
        ten *= 10.0;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_cut_lines_and_bands_and_names_stay_text() {
        let curve = Curve {
            what: "<b>",
            labels: vec!["<i>".to_owned(), String::new(), String::new()],
            lines: vec![Line {
                name: "<u>",
                heights: vec![Some(1.0), None, Some(2.0)],
                band: vec![Some((0.5, 1.5)), None, Some((1.0, 3.0))],
            }],
            top: 4.0,
            unit: Unit::Number,
            marks: vec![(0, "<s>".to_owned())],
        };
        let svg = curve.to_svg();
        assert_eq!(svg.matches("<polygon").count(), 2);
        assert_eq!(svg.split("<path").nth(1).unwrap().matches('M').count(), 2);
        for tag in ["<b>", "<i>", "<u>", "<s>"] {
            assert!(!svg.contains(tag), "{tag}");
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (3.0, 4.0),
            (81.0, 100.0),
            (900.0, 1_000.0),
        ] {
            assert_eq!(round_up(most), top);
        }
    }
}
