//! Draws values with their intervals.

use std::fmt::Write as _;

use super::axis::{Axis, escaped, told};
use super::plot::{Dot, Dots};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 290.0;
const RIGHT: f64 = 690.0;
const LINE: f64 = 22.0;

/// The picture as SVG.
pub(super) fn draw(plot: &Dots) -> String {
    let ends = |dot: &Dot| [Some(dot.value), dot.interval.map(|i| i.0), dot.interval.map(|i| i.1)];
    let mark = plot.mark.as_ref().map(|(value, _)| *value);
    let axis = Axis::around(plot.dots.iter().flat_map(ends).flatten().chain(mark), LEFT, RIGHT);
    let mut body = String::new();
    // The name of the mark stands above the lines.
    let top = if mark.is_some() { 26.0 } else { 4.0 };
    let (mut y, mut group) = (top, None);
    for dot in &plot.dots {
        if group != Some(&dot.group) {
            y += LINE;
            let _ = write!(body, "<text class=\"group\" x=\"8\" y=\"{y:.1}\">{}</text>", escaped(&dot.group));
            group = Some(&dot.group);
        }
        y += LINE;
        body.push_str(&line(dot, &axis, y - 4.0));
    }
    let bottom = y + 10.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">",
        bottom + 30.0,
        escaped(&format!("{}: {}", plot.title, plot.axis))
    );
    let (ticks, digits) = axis.ticks(6.0);
    for tick in ticks {
        let x = axis.at(tick);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom:.1}\"/>");
        let _ = write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick:.digits$}</text>", bottom + 18.0);
    }
    let _ = write!(svg, "<text class=\"tick\" x=\"8\" y=\"{:.1}\">{}</text>", bottom + 18.0, escaped(&plot.axis));
    if let Some((value, name)) = &plot.mark {
        let x = axis.at(*value);
        let _ = write!(svg, "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom:.1}\"/>");
        let _ = write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", top - 8.0, escaped(name));
    }
    svg + &body + "</svg>"
}

fn line(dot: &Dot, axis: &Axis, y: f64) -> String {
    let (x, value) = (axis.at(dot.value), told(dot.value));
    let mut out = format!("<g><title>{} {value}</title>", escaped(&dot.name));
    let _ = write!(out, "<text x=\"20\" y=\"{:.1}\">{}</text>", y + 4.0, escaped(&dot.name));
    let mut words = value;
    if let Some((low, high)) = dot.interval {
        let (from, to) = (axis.at(low), axis.at(high));
        let _ = write!(out, "<line class=\"whisker\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ = write!(words, "  ({} – {})", told(low), told(high));
    }
    let _ = write!(out, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>");
    let _ = write!(out, "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{words}</text></g>", RIGHT + 14.0, y + 4.0);
    out
}
