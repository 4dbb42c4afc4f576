use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use ranker::eval::{Row, reliability};

use super::axis::Axis;
use super::html::page;
use super::*;

fn row(strategy: &str, slice: &str, metric: &str, value: f64, interval: Option<(f64, f64)>) -> Row {
    let (low, high) = interval.unzip();
    Row { strategy: strategy.to_owned(), slice: slice.to_owned(), metric: metric.to_owned(), value, low, high }
}

fn rows() -> Vec<Row> {
    vec![
        row("sides <product>", "warm", "auc", 0.74, Some((0.70, 0.78))),
        row("random", "warm", "auc", 0.51, None),
        row("random", "cold", "auc", 0.49, None),
        row("random", "warm", "ndcg@10", 0.25, None),
        row("sides", "warm bin=1/2", "reliability_observed", 0.25, Some((0.1, 0.4))),
    ]
}

#[test]
fn the_page_stands_alone_and_says_every_row() {
    let rows = rows();
    let plots = Plot::per_metric(&rows);
    assert_eq!(plots.len(), 2, "auc and ndcg; reliability has a picture of its own");
    let Plot::Dots(auc) = &plots[0] else { panic!("dots") };
    assert_eq!(auc.dots.iter().map(|d| d.group.as_str()).collect::<Vec<_>>(), ["warm", "warm", "cold"]);
    let html = page("Matches & more", &rows, &plots);
    assert!(html.contains("Matches &amp; more") && html.contains("sides &lt;product&gt;") && !html.contains("<product>"));
    for words in ["0.740", "(0.700 – 0.780)", "chance 随机", "ndcg@10", "正确的人排得多靠前", "Reliability table"] {
        assert!(html.contains(words), "{words}");
    }
    for outside in ["http", "<script", "src=", "href=", "@import", "NaN"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for tag in ["svg", "g", "section", "table", "tr", "details", "main", "dl"] {
        let (open, close) = (
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count(),
            html.matches(&format!("</{tag}>")).count(),
        );
        assert_eq!(open, close, "{tag}");
    }
}

#[test]
fn what_is_better_stands_further_right() {
    let rows = rows();
    let html = page("t", &rows, &Plot::per_metric(&rows));
    let places: Vec<f64> = html.split("class=\"dot\" cx=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
    assert!(places[0] > places[1] && places[1] > places[2], "{places:?}");
}

#[test]
fn a_calibrated_curve_lies_on_the_diagonal() {
    let outcomes: Vec<(f64, bool)> = (0..100).flat_map(|i| [(0.25, i % 4 == 0), (0.75, i % 4 != 0)]).collect();
    let table = reliability(&outcomes, 2).unwrap();
    let plot = Plot::reliability("r", &[("p", &table)]);
    let Plot::Curves(curves) = &plot else { panic!("curves") };
    assert!(curves.series[0].points.iter().all(|p| (p.x - p.y).abs() < 1e-9));
    let html = page("t", &[], std::slice::from_ref(&plot));
    assert!(html.contains("predicted 0.250, observed 0.250 of 100 rows"), "{html}");
    let curve = page("t", &[], &[Plot::Curves(Curves { diagonal: false, ..curves.clone() })]);
    assert!(!curve.contains("class=\"mark\""));
}

#[test]
fn axes_hold_their_values_and_have_round_lines() {
    for (low, high) in [(0.0, 1.0), (0.4812, 0.7611), (-3.0, 12_000.0), (5.0, 5.0), (0.0, 0.0), (1e-6, 2e-6)] {
        let axis = Axis::around([low, high, f64::NAN].into_iter(), 0.0, 100.0);
        assert!((0.0..=100.0).contains(&axis.at(low)) && (0.0..=100.0).contains(&axis.at(high)), "{low} {high}");
        let (ticks, digits) = axis.ticks(6.0);
        assert!((2..=10).contains(&ticks.len()), "{low} {high}: {ticks:?}");
        for tick in &ticks {
            let read: f64 = format!("{tick:.digits$}").parse().unwrap();
            assert!((read - tick).abs() < (high - low).max(high.abs() * 0.1 + 0.1) * 1e-3, "{tick} is told as {read}");
        }
    }
    let (ticks, digits) = Axis::around(std::iter::empty(), 0.0, 1.0).ticks(5.0);
    assert!(!ticks.is_empty() && digits < 3);
}

#[test]
fn parquet_gives_the_rows_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.parquet");
    write_parquet(&file, &rows()).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&file).unwrap()).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(
        batch.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(),
        ["strategy", "slice", "metric", "value", "low", "high"]
    );
    assert_eq!(batch["metric"].as_string::<i32>().value(3), "ndcg@10");
    let (value, low) = (batch["value"].as_primitive::<Float64Type>(), batch["low"].as_primitive::<Float64Type>());
    assert_eq!((value.value(0), low.value(0), low.iter().nth(1)), (0.74, 0.70, Some(None)));
    assert!(write_parquet(&dir.path().join("no/such"), &rows()).unwrap_err().to_string().contains("cannot be written"));
}
