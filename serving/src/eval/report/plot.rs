//! What a picture shows, before it is drawn.

use ranker::eval::{Reliability, Row};

use super::RELIABILITY;
use super::words::{chance_of, meaning};

/// A picture of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    /// Numbers beside each other.
    Dots(Dots),
    /// One number against another.
    Curves(Curves),
}

/// Values with their intervals, one line each, in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// Heading.
    pub title: String,
    /// What the axis measures.
    pub axis: String,
    /// A value to compare with, and its name.
    pub mark: Option<(f64, String)>,
    /// The lines; neighbours of the same group stand below one heading.
    pub dots: Vec<Dot>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// Heading that it stands below.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Lower and upper end, where there is an interval.
    pub interval: Option<(f64, f64)>,
}

/// Series of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Heading.
    pub title: String,
    /// What the axes measure: across, up.
    pub axes: [String; 2],
    /// Draws the line on which both are equal.
    pub diagonal: bool,
    /// The series, at most six are told apart by colour and mark.
    pub series: Vec<Series>,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Whether a line goes from each point to the next.
    pub joined: bool,
    /// The points.
    pub points: Vec<Point>,
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Lower and upper end of `y`, where there is an interval.
    pub interval: Option<(f64, f64)>,
    /// What is told when the pointer rests on it.
    pub label: String,
}

impl Plot {
    /// One picture for each metric of the rows, slices as groups; the rows of reliability tables are left out.
    pub fn per_metric(rows: &[Row]) -> Vec<Self> {
        let mut metrics: Vec<&str> = Vec::new();
        for row in rows.iter().filter(|row| !row.metric.starts_with(RELIABILITY)) {
            if !metrics.contains(&row.metric.as_str()) {
                metrics.push(&row.metric);
            }
        }
        let one = |metric: &str| {
            let mut dots: Vec<Dot> = rows.iter().filter(|row| row.metric == metric).map(Dot::of).collect();
            let mut slices: Vec<String> = Vec::new();
            for dot in &dots {
                if !slices.contains(&dot.group) {
                    slices.push(dot.group.clone());
                }
            }
            dots.sort_by_key(|dot| slices.iter().position(|slice| *slice == dot.group));
            let title = meaning(metric).map_or_else(|| metric.to_owned(), |(english, chinese)| format!("{english} {chinese}"));
            Self::Dots(Dots { title, axis: metric.to_owned(), mark: chance_of(metric), dots })
        };
        metrics.into_iter().map(one).collect()
    }

    /// What was predicted against what happened, one series for each strategy.
    pub fn reliability(title: &str, series: &[(&str, &Reliability)]) -> Self {
        let one = |(name, table): &(&str, &Reliability)| Series {
            name: (*name).to_owned(),
            joined: true,
            points: table
                .bins
                .iter()
                .map(|bin| Point {
                    x: bin.predicted,
                    y: bin.observed,
                    interval: Some((bin.low, bin.high)),
                    label: format!("{name}: predicted {:.3}, observed {:.3} of {} rows", bin.predicted, bin.observed, bin.count),
                })
                .collect(),
        };
        Self::Curves(Curves {
            title: title.to_owned(),
            axes: ["predicted 预测概率".to_owned(), "observed 实际比例".to_owned()],
            diagonal: true,
            series: series.iter().map(one).collect(),
        })
    }
}

impl Dot {
    fn of(row: &Row) -> Self {
        Self { group: row.slice.clone(), name: row.strategy.clone(), value: row.value, interval: row.low.zip(row.high) }
    }
}
