use std::sync::OnceLock;

use arrow::array::{Array, AsArray, FixedSizeListArray, Float32Array, Float64Array, ListArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Float32Type, Float64Type};
use chrono::DateTime;
use datafusion::datasource::MemTable;
use features::decay::{LANDMARK, value_at, weight};
use features::vector::QVector;
use proptest::prelude::*;

use super::*;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}

/// Asks a session with our functions, in which `batch` is the table `t`; the first column of the answer.
fn try_ask(batch: Option<RecordBatch>, sql: &str) -> Result<ArrayRef> {
    let session = SessionContext::new();
    register(&session);
    runtime().block_on(async {
        if let Some(batch) = batch {
            session.register_table("t", Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))?;
        }
        let batches = session.sql(sql).await?.collect().await?;
        Ok(arrow::compute::concat(&batches.iter().map(|b| b.column(0).as_ref()).collect::<Vec<_>>())?)
    })
}

fn numbers(batch: Option<RecordBatch>, sql: &str) -> Vec<Option<f64>> {
    try_ask(batch, sql).unwrap_or_else(|e| panic!("{sql}: {e}")).as_primitive::<Float64Type>().iter().collect()
}

fn number(sql: &str) -> Option<f64> {
    numbers(None, sql)[0]
}

fn fails(sql: &str, word: &str) {
    let told = try_ask(None, sql).unwrap_err().to_string();
    assert!(told.contains(word), "{sql}: {told}");
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Option<RecordBatch> {
    Some(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap())
}

fn instants(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        // Nothing times infinity is no number, and infinities have no difference.
        (Some(a), Some(b)) => (a.is_nan() && b.is_nan()) || a.total_cmp(&b).is_eq() || (a - b).abs() <= 1e-9 * b.abs().max(1e-9),
        (a, b) => a == b,
    }
}

const NUMBERS: [&str; 12] =
    ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16", "Float32", "Float64", "Decimal128(10, 2)"];

#[test]
fn every_function_is_there_and_told() {
    let session = SessionContext::new();
    let before: Vec<String> = session.state().scalar_functions().keys().cloned().collect();
    register(&session);
    let mut ours: Vec<String> = session.state().scalar_functions().keys().filter(|name| !before.contains(name)).cloned().collect();
    let mut told: Vec<&str> = FUNCTIONS.iter().filter_map(|(call, _)| call.split('(').next()).collect();
    ours.sort();
    told.sort_unstable();
    assert_eq!(ours, told);
}

#[test]
fn decay_halves_and_takes_every_form_of_its_arguments() {
    let (at, later) = ("TIMESTAMP '2026-10-01 00:00:00'", "TIMESTAMP '2026-10-15 00:00:00'");
    let halves = [
        format!("SELECT decay(8, {at}, INTERVAL '14 days', {later})"),
        format!("SELECT decay(8.0, {at}, INTERVAL '336 hours', {later})"),
        format!("SELECT decay(8, {at}, 1209600, {later})"),
        "SELECT decay(8, '2026-10-01', INTERVAL '14' DAY, '2026-10-15T00:00:00Z')".to_owned(),
        "SELECT decay(8, DATE '2026-10-01', arrow_cast(1209600, 'Duration(Second)'), DATE '2026-10-15')".to_owned(),
        format!("SELECT decay(16, {later}, INTERVAL '14 days', {at}) / 8"),
    ];
    for sql in halves {
        assert!(close(number(&sql), Some(4.0)), "{sql}: {:?}", number(&sql));
    }
    for kind in NUMBERS {
        let sql = format!("SELECT decay(arrow_cast(8, '{kind}'), {at}, arrow_cast(100, '{kind}'), {at})");
        assert_eq!(number(&sql), Some(8.0), "{sql}");
    }
    let now = "SELECT decay(8, now() - INTERVAL '28 days', INTERVAL '14 days')";
    assert!(number(now).is_some_and(|value| (value - 2.0).abs() < 1e-6), "{:?}", number(now));
    for nothing in
        [format!("NULL, {at}, 1, {later}"), format!("1, NULL, 1, {later}"), format!("1, {at}, NULL, {later}"), format!("1, {at}, 1, NULL")]
    {
        assert_eq!(number(&format!("SELECT decay({nothing})")), None, "{nothing}");
    }
    fails(&format!("SELECT decay(1, {at}, 0, {later})"), "more than 0");
    fails(&format!("SELECT decay(1, {at}, INTERVAL '1 month', {later})"), "months");
    fails(&format!("SELECT decay(1, {at})"), "half_life");
    fails(&format!("SELECT decay('one', {at}, 1)"), "number");
    fails("SELECT decay(1, 2, 3)", "no time");
    assert_eq!(number("SELECT CAST(date_part('epoch', landmark()) AS DOUBLE)"), Some(LANDMARK));
}

#[test]
fn cosine_takes_lists_of_all_kinds() {
    for (a, b, expected) in [
        ("make_array(1, 0)", "make_array(2.0, 0.0)", Some(1.0)),
        ("make_array(1, 0)", "make_array(0, 3)", Some(0.0)),
        ("make_array(1.0, 1.0)", "make_array(-1.0, -1.0)", Some(-1.0)),
        ("arrow_cast(make_array(3, 4), 'FixedSizeList(2, Float32)')", "arrow_cast(make_array(4, 3), 'LargeList(Float64)')", Some(0.96)),
        ("make_array(1, 2)", "make_array(1, 2, 3)", None),
        ("make_array(0, 0)", "make_array(1, 2)", None),
        ("make_array(1, NULL)", "make_array(1, 2)", None),
        ("NULL", "make_array(1, 2)", None),
    ] {
        assert!(close(number(&format!("SELECT cosine({a}, {b})")), expected), "{a} {b}: {:?}", number(&format!("SELECT cosine({a}, {b})")));
    }
    for kind in &NUMBERS[..11] {
        let sql = format!("SELECT cosine(arrow_cast(make_array(3, 4), 'List({kind})'), make_array(4, 3))");
        assert!(close(number(&sql), Some(0.96)), "{sql}: {:?}", number(&sql));
    }
    fails("SELECT cosine(1, 2)", "no vector");
    fails("SELECT cosine(make_array('a'), make_array('b'))", "no vector");
    fails("SELECT cosine(make_array(1))", "two vectors");
}

#[test]
fn distances_are_those_of_the_index() {
    let expected =
        index::geo::km(features::profile::Position { lat: 31.0, lon: 121.0 }, features::profile::Position { lat: 39.0, lon: 116.0 });
    for kind in &NUMBERS {
        let degrees = [31, 121, 39, 116].map(|n| format!("arrow_cast({n}, '{kind}')")).join(", ");
        assert!(close(number(&format!("SELECT geo_km({degrees})")), Some(expected)), "{kind}");
    }
    for nowhere in ["NULL, 0, 0, 0", "0, 0, 0, NULL", "91, 0, 0, 0", "0, 0, 0, 181", "'NaN'::double, 0, 0, 0"] {
        assert_eq!(number(&format!("SELECT geo_km({nowhere})")), None, "{nowhere}");
    }
    fails("SELECT geo_km(1, 2, 3)", "lat, lon, lat, lon");
    fails("SELECT geo_km('a', 2, 3, 4)", "degrees");
}

#[test]
fn records_in_json_are_read() {
    let vector = QVector::from_f32(&[0.5, -1.0, 0.25]);
    let json = serde_json::json!({"content": vector, "taste": null, "profile": {"city": "上海", "n": 3, "none": null}, "counters": {"a.b/c": 1.5}});
    let text = format!("'{json}'");
    let of = |call: &str| try_ask(None, &format!("SELECT {call}")).unwrap();
    let content = of(&format!("vector({text}, 'content')"));
    assert_eq!(content.as_list::<i32>().value(0).as_primitive::<Float32Type>().values().to_vec(), vector.to_f32());
    assert!(
        of(&format!("vector({text}, 'taste')")).is_null(0)
            && of("vector('nonsense', 'taste')").is_null(0)
            && of("vector(NULL, 'taste')").is_null(0)
    );
    fails(&format!("SELECT vector({text}, 'soul')"), "soul");
    fails("SELECT vector(1, 'taste')", "two texts");
    for (path, expected) in [
        ("/profile/city", Some("上海")),
        ("/profile/n", Some("3")),
        ("/counters/a.b~1c", Some("1.5")),
        ("/profile/none", None),
        ("/x", None),
    ] {
        let found = of(&format!("json_text({text}, '{path}')"));
        assert_eq!(found.is_valid(0).then(|| found.as_string::<i32>().value(0)), expected, "{path}");
    }
    assert!(of("json_text('{', '/a')").is_null(0) && of("json_text(NULL, '/a')").is_null(0));
}

fn maybe<T: std::fmt::Debug + Clone>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.85, of)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn decay_is_the_formula(rows in prop::collection::vec((maybe(-1e6..1e6f64), maybe(1_700_000_000i64..1_900_000_000), maybe(3_600.0..1e8f64), maybe(1_700_000_000i64..1_900_000_000)), 1..30)) {
        let batch = table(vec![
            ("v", Arc::new(rows.iter().map(|r| r.0).collect::<Float64Array>())),
            ("at", instants(rows.iter().map(|r| r.1.map(|s| s * 1_000_000)).collect())),
            ("h", Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>())),
            ("asof", instants(rows.iter().map(|r| r.3.map(|s| s * 1_000_000)).collect())),
        ]);
        let found = numbers(batch, "SELECT decay(v, at, h, asof) FROM t");
        prop_assert_eq!(found.len(), rows.len());
        for (found, (v, at, h, asof)) in found.into_iter().zip(rows) {
            let plain = v.zip(at).zip(h.zip(asof)).map(|((v, at), (h, asof))| v * 2f64.powf(-((asof - at) as f64) / h));
            prop_assert!(close(found, plain), "{found:?} {plain:?}");
        }
    }

    #[test]
    fn a_forward_decayed_sum_is_read_by_its_landmark(times in prop::collection::vec(1_767_225_600i64..1_900_000_000, 1..20), asof in 1_767_225_600i64..1_900_000_000, days in 4u32..90) {
        let time = |s| DateTime::from_timestamp(s, 0).unwrap();
        let sum: f64 = times.iter().map(|t| weight(time(*t), days.into())).sum();
        let found = number(&format!("SELECT decay({sum:e}, landmark(), INTERVAL '{days} days', to_timestamp({asof}))"));
        prop_assert!(close(found, Some(value_at(sum, time(asof), days.into()))), "{found:?}");
    }

    #[test]
    fn cosine_is_the_formula(rows in prop::collection::vec(maybe(prop::collection::vec((-1e3..1e3f32, -1e3..1e3f32), 4)), 1..20)) {
        let side = |pick: fn(&(f32, f32)) -> f32| rows.iter().map(move |r| r.as_ref().map(|r| r.iter().map(|x| Some(pick(x))).collect::<Vec<_>>())).collect::<Vec<_>>();
        let (a, b) = (side(|x| x.0), side(|x| x.1));
        let fixed: FixedSizeListArray = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(a.clone(), 4);
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(b);
        let batch = table(vec![("a", Arc::new(fixed)), ("b", Arc::new(list))]);
        let found = numbers(batch, "SELECT cosine(a, b) FROM t");
        for (found, row) in found.into_iter().zip(&rows) {
            let plain = row.as_ref().and_then(|row| {
                let sum = |of: fn(f64, f64) -> f64| row.iter().map(|(x, y)| of(f64::from(*x), f64::from(*y))).sum::<f64>();
                let cosine = sum(|x, y| x * y) / (sum(|x, _| x * x).sqrt() * sum(|_, y| y * y).sqrt());
                (!cosine.is_nan()).then_some(cosine)
            });
            prop_assert!(close(found, plain), "{found:?} {plain:?}");
        }
    }

    #[test]
    fn distances_of_columns_and_constants(rows in prop::collection::vec((maybe(-100.0..100f64), maybe(-200.0..200f32)), 1..30), lat in -90.0..90f64, lon in -180.0..180f64) {
        let batch = table(vec![
            ("lat", Arc::new(rows.iter().map(|r| r.0).collect::<Float64Array>())),
            ("lon", Arc::new(rows.iter().map(|r| r.1).collect::<Float32Array>())),
        ]);
        let found = numbers(batch, &format!("SELECT geo_km(lat, lon, {lat}, {lon}) FROM t"));
        for (found, row) in found.into_iter().zip(&rows) {
            let on_earth = row.0.zip(row.1.map(f64::from)).filter(|(a, o)| a.abs() <= 90.0 && o.abs() <= 180.0);
            let at = |(lat, lon)| features::profile::Position { lat, lon };
            let plain = on_earth.map(|place| index::geo::km(at(place), at((lat, lon))));
            prop_assert!(close(found, plain), "{found:?} {plain:?}");
        }
    }
}
