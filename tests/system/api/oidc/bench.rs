//! The measurement of logins.

use serving::bench::{Logins, machine};

/// Small here; `HONGNIANG_TEST_LOGINS=20000` with `--nocapture` measures.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_measured_has_logged_in() {
    let logins = std::env::var("HONGNIANG_TEST_LOGINS").map_or(60, |n| n.parse().unwrap());
    let clients = (logins / 6).min(128);
    let rows = Logins { logins, clients, folder: None }.measure().await.unwrap();
    println!("{}", machine());
    for row in &rows {
        println!("{row:?}");
        assert!(row.ops == logins - clients && row.throughput_per_s > 0.0 && row.p99_ms >= row.p50_ms, "{row:?}");
    }
    assert_eq!(rows.len(), 3);
}
