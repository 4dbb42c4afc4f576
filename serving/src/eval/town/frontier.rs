//! The picture of what fairness costs: matches against the Gini of received likes.

use std::collections::BTreeMap;

use ranker::eval::Row;

use super::fairness::{CONFIGURED, GREEDY, JOINT, POPULARITY, RANDOM};
use crate::eval::report::{Curves, Point, Series};

/// Matches as a share of greedy's, by how unevenly expected likes fall: one point a setting, the frontier (no other setting has more matches at a lower Gini)
/// joined, the configuration marked, with its interval. Popularity lies so far off that the rest would shrink to a dot: it is in the rows only.
pub fn frontier(rows: &[Row]) -> Curves {
    let mut settings: BTreeMap<&str, (Option<f64>, Option<&Row>)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.slice == "all") {
        let entry = settings.entry(&row.strategy).or_default();
        match row.metric.as_str() {
            "gini_likes" => entry.0 = Some(row.value),
            "matches_of_greedy" => entry.1 = Some(row),
            _ => {}
        }
    }
    let points = settings.into_iter().filter_map(|(name, (x, row))| {
        let (x, row) = (x?, row?);
        let label = format!("{name}: Gini {x:.3}, matches {:.3} of greedy", row.value);
        Some((name, Point { x, y: row.value, interval: row.low.zip(row.high), label }))
    });
    let points: Vec<(&str, Point)> = points.filter(|(name, _)| *name != POPULARITY).collect();
    let plain = |point: &Point| Point { interval: None, ..point.clone() };
    let series = |name: &str, wanted: &dyn Fn(&str) -> bool| Series {
        name: name.to_owned(),
        joined: false,
        points: points.iter().filter(|(setting, _)| wanted(setting)).map(|(_, point)| plain(point)).collect(),
    };
    let configured = points.iter().filter(|(name, _)| *name == CONFIGURED).map(|(_, point)| point.clone()).collect();
    let single = |name: &str| name.contains('=') && !name.starts_with(JOINT);
    let best = best(points.iter().map(|(_, point)| plain(point)).collect());
    Curves {
        title: "What fairness costs 公平的代价".to_owned(),
        axes: ["Gini of received likes 收到喜欢的基尼系数".to_owned(), "matches, greedy = 1 互相喜欢数（贪心为 1）".to_owned()],
        diagonal: false,
        series: vec![
            series("one knob 单项调节", &single),
            series("several knobs 联合调节", &|name| name.starts_with(JOINT)),
            series("greedy 只看匹配", &|name| name == GREEDY),
            series("random 随机", &|name| name == RANDOM),
            Series { name: "frontier 前沿".to_owned(), joined: true, points: best },
            // Last, so that nothing lies on it.
            Series { name: "configured 当前配置".to_owned(), joined: false, points: configured },
        ],
    }
}

/// Points that no other beats in both, from the lowest Gini to the most matches.
fn best(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
    let mut best: Vec<Point> = Vec::new();
    for point in points {
        if best.last().is_none_or(|last| point.y > last.y) {
            best.push(point);
        }
    }
    best
}
