//! Draws one number against another.

use std::fmt::Write as _;

use super::axis::{Axis, escaped};
use super::plot::{Curves, Point, Series};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 360.0;
/// Colours (classes of the style sheet) and marks that are told apart.
const KINDS: usize = 6;

/// The picture as SVG.
pub(super) fn draw(plot: &Curves) -> String {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let (xs, ys) = (points().map(|p| p.x), points().flat_map(|p| [Some(p.y), p.interval.map(|i| i.0), p.interval.map(|i| i.1)]).flatten());
    let (across, up) = if plot.diagonal {
        // Both axes are the same, so that the diagonal is one.
        let both = Axis::around(xs.chain(ys), LEFT, RIGHT);
        (both, both.placed(BOTTOM, TOP))
    } else {
        (Axis::around(xs, LEFT, RIGHT), Axis::around(ys, BOTTOM, TOP))
    };
    let label = escaped(&format!("{}: {}, {}", plot.title, plot.axes[0], plot.axes[1]));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    frame(&mut svg, plot, &across, &up);
    for (at, series) in plot.series.iter().enumerate() {
        one(&mut svg, series, at % KINDS, [&across, &up]);
        let y = TOP + 16.0 + 24.0 * ranker::eval::real(at);
        let _ = write!(svg, "<g class=\"s{}\">{}</g>", at % KINDS, mark(at % KINDS, RIGHT + 30.0, y - 4.0));
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", RIGHT + 44.0, escaped(&series.name));
    }
    svg + "</svg>"
}

fn frame(svg: &mut String, plot: &Curves, across: &Axis, up: &Axis) {
    let (ticks, digits) = across.ticks(6.0);
    for tick in ticks {
        let x = across.at(tick);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>");
        let _ = write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick:.digits$}</text>", BOTTOM + 18.0);
    }
    let (ticks, digits) = up.ticks(6.0);
    for tick in ticks {
        let y = up.at(tick);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ = write!(svg, "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick:.digits$}</text>", LEFT - 8.0, y + 4.0);
    }
    if plot.diagonal {
        let (low, high) = across.ends();
        let (x1, x2, y1, y2) = (across.at(low), across.at(high), up.at(low), up.at(high));
        let _ = write!(svg, "<line class=\"mark\" x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>");
    }
    let (middle, height) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
    let _ = write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", BOTTOM + 42.0, escaped(&plot.axes[0]));
    let _ = write!(
        svg,
        "<text x=\"14\" y=\"{height}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {height})\">{}</text>",
        escaped(&plot.axes[1])
    );
}

fn one(svg: &mut String, series: &Series, kind: usize, [across, up]: [&Axis; 2]) {
    let place = |point: &Point| (across.at(point.x), up.at(point.y));
    let _ = write!(svg, "<g class=\"s{kind}\">");
    if series.joined {
        let path: Vec<String> = series.points.iter().map(|p| format!("{:.1},{:.1}", place(p).0, place(p).1)).collect();
        let _ = write!(svg, "<polyline points=\"{}\"/>", path.join(" "));
    }
    for point in &series.points {
        let (x, y) = place(point);
        let _ = write!(svg, "<g><title>{}</title>", escaped(&point.label));
        if let Some((low, high)) = point.interval {
            let _ = write!(svg, "<line class=\"bar\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>", up.at(low), up.at(high));
        }
        let _ = write!(svg, "{}</g>", mark(kind, x, y));
    }
    svg.push_str("</g>");
}

/// A mark of its own for each kind, for those who do not see the colours.
fn mark(kind: usize, x: f64, y: f64) -> String {
    match kind {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"),
        1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>", x - 4.0, y - 4.0),
        2 => format!("<path d=\"M{x:.1} {:.1}l5.5 5.5l-5.5 5.5l-5.5 -5.5z\"/>", y - 5.5),
        3 => format!("<path d=\"M{x:.1} {:.1}l5.5 9.5h-11z\"/>", y - 6.0),
        4 => format!("<path d=\"M{x:.1} {:.1}l5.5 -9.5h-11z\"/>", y + 6.0),
        _ => format!("<path class=\"open\" d=\"M{:.1} {:.1}l9 9m0 -9l-9 9\"/>", x - 4.5, y - 4.5),
    }
}
