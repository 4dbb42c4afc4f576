//! Flight SQL, spoken with the client of arrow-flight.

use std::net::SocketAddr;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo};
use futures::TryStreamExt;
use serving::config::Config;
use serving::flight;
use tests::KEY;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::town;

type Client = FlightSqlServiceClient<Channel>;

/// Serves the lake of a configuration on a free port until the guard goes.
async fn served(mut config: Config) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let stop = CancellationToken::new();
    config.flight.listen = "127.0.0.1:0".to_owned();
    let address = flight::start(&config, stop.clone()).await.unwrap().unwrap();
    (address, stop.drop_guard())
}

async fn stranger(address: SocketAddr) -> Client {
    let channel = Endpoint::new(format!("http://{address}")).unwrap().connect().await.unwrap();
    Client::new(channel)
}

async fn friend(address: SocketAddr) -> Client {
    let mut client = stranger(address).await;
    client.set_token(KEY.to_owned());
    client
}

async fn rows(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    client.do_get(ticket).await?.try_collect().await
}

async fn ask(client: &mut Client, sql: &str) -> Vec<RecordBatch> {
    let info = client.execute(sql.to_owned(), None).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let schema = info.clone().try_decode_schema().unwrap();
    let rows = rows(client, info).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert!(rows.iter().all(|batch| *batch.schema() == schema), "{sql}: what was announced comes");
    rows
}

fn number(rows: &[RecordBatch]) -> i64 {
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

fn texts(rows: &[RecordBatch], column: &str) -> Vec<String> {
    rows.iter().flat_map(|batch| batch[column].as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn statements_are_answered_and_only_reading_ones() {
    let (_folder, config, interactions) = town().await;
    let (address, _serving) = served(config).await;
    let mut client = friend(address).await;
    assert_eq!(number(&ask(&mut client, "SELECT COUNT(*) FROM interactions").await), interactions as i64);
    let all = ask(&mut client, "SELECT * FROM interactions").await;
    assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), interactions, "with lists, times and NULLs");
    ask(&mut client, "SELECT user_id, profile FROM profiles LIMIT 3;").await;
    ask(&mut client, "SELECT user_id, decay(likes_d14, landmark(), INTERVAL '14 days') AS likes FROM features.popularity LIMIT 3").await;
    for (sql, word) in [
        ("INSERT INTO presence SELECT * FROM presence", "INSERT INTO is refused"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", "COPY is refused"),
        ("CREATE VIEW v AS SELECT 1", "refused"),
        ("SET datafusion.execution.batch_size = 1", "refused"),
        ("SELECT * FROM likes", "no table `likes`"),
        ("SELEKT", "SELEKT"),
    ] {
        let told = client.execute(sql.to_owned(), None).await.unwrap_err().to_string();
        assert!(told.contains(word), "{sql}: {told}");
        assert!(client.prepare(sql.to_owned(), None).await.is_err(), "{sql}");
    }
    assert!(client.execute_update("DELETE FROM presence".to_owned(), None).await.unwrap_err().to_string().contains("only read"));
}

#[tokio::test]
async fn nobody_is_answered_without_a_key() {
    let (_folder, config, _) = town().await;
    let (address, _serving) = served(config).await;
    let mut client = stranger(address).await;
    for token in [None, Some("another-key"), Some("")] {
        match token {
            Some(token) => client.set_token(token.to_owned()),
            None => client.clear_token(),
        }
        let refused = [
            client.execute("SELECT 1".to_owned(), None).await.map(drop),
            client.prepare("SELECT 1".to_owned(), None).await.map(drop),
            client.get_catalogs().await.map(drop),
            client.get_sql_info(vec![]).await.map(drop),
        ];
        for told in refused {
            let told = told.unwrap_err().to_string();
            assert!(told.contains("Unauthenticated") || told.contains("service key"), "{token:?}: {told}");
        }
    }
    assert!(client.handshake("me", "wrong").await.is_err());
    client.clear_token();
    client.handshake("me", KEY).await.unwrap();
    assert_eq!(number(&ask(&mut client, "SELECT 1").await), 1, "the token of the handshake is taken");
}

#[tokio::test]
async fn prepared_statements_take_parameters() {
    let (_folder, config, _) = town().await;
    let (address, _serving) = served(config).await;
    let mut client = friend(address).await;
    let sql = "SELECT COUNT(*) AS n FROM interactions WHERE kind = ? AND position < ? AND '?' = '?'";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    let parameters: Vec<String> = prepared.parameter_schema().unwrap().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(parameters, ["Utf8", "Int64"]);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "n");
    for (kind, below) in [("impression", 3), ("like", 5), ("nothing", 9)] {
        let columns: [(&str, ArrayRef); 2] =
            [("a", Arc::new(StringArray::from(vec![kind]))), ("b", Arc::new(Int64Array::from(vec![below])))];
        prepared.set_parameters(RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let info = prepared.execute().await.unwrap();
        let found = number(&rows(&mut client, info).await.unwrap());
        let plain = format!("SELECT COUNT(*) FROM interactions WHERE kind = '{kind}' AND position < {below}");
        assert_eq!(found, number(&ask(&mut client, &plain).await), "{kind} {below}");
        assert_eq!(found > 0, kind != "nothing");
    }
    let one: [(&str, ArrayRef); 1] = [("a", Arc::new(StringArray::from(vec!["like"])))];
    prepared.set_parameters(RecordBatch::try_from_iter(one).unwrap()).unwrap();
    assert!(prepared.execute().await.unwrap_err().to_string().contains("2 parameters"));
    prepared.close().await.unwrap();
}

#[tokio::test]
async fn drivers_find_out_what_there_is() {
    let (_folder, config, _) = town().await;
    let (address, _serving) = served(config).await;
    let mut client = friend(address).await;
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap(), "catalog_name"), ["hongniang"]);
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap(), "db_schema_name"), ["features", "lake"]);
    let info = client.get_table_types().await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap(), "table_type"), ["TABLE", "VIEW"]);
    let command = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
    let info = client.get_tables(command).await.unwrap();
    let tables = texts(&rows(&mut client, info).await.unwrap(), "table_name");
    assert!(tables.contains(&"interactions".to_owned()) && tables.contains(&"popularity".to_owned()), "{tables:?}");
    let some = CommandGetTables { table_name_filter_pattern: Some("mess%".to_owned()), ..CommandGetTables::default() };
    let info = client.get_tables(some).await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap(), "table_name"), ["messages"]);
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly]).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].num_rows(), 2);
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None }).await.unwrap();
    assert!(texts(&rows(&mut client, info).await.unwrap(), "type_name").contains(&"VARCHAR".to_owned()));
    let info = client.get_primary_keys(CommandGetPrimaryKeys { table: "interactions".to_owned(), ..Default::default() }).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

const ENDLESS: &str = "SELECT COUNT(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3";

fn code(error: FlightError) -> Code {
    match error {
        FlightError::Tonic(status) => status.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_take_too_long_or_too_much_are_given_up() {
    let (_folder, mut config, _) = town().await;
    (config.flight.queries, config.query.memory_mb, config.query.spill_mb) = (1, 16, 0);
    // With room for what waits between its operators, or that would be what ends it.
    let mut hasty = config.clone();
    (hasty.flight.timeout_s, hasty.query.memory_mb) = (2, 512);
    let (address, _serving) = served(hasty).await;
    let mut client = friend(address).await;
    let info = client.execute(ENDLESS.to_owned(), None).await.unwrap();
    assert_eq!(code(rows(&mut client, info).await.unwrap_err()), Code::DeadlineExceeded);

    let (address, _serving) = served(config).await;
    let mut client = friend(address).await;
    let much =
        "SELECT COUNT(*) FROM (SELECT value % 1000000 AS k, COUNT(*) AS n FROM generate_series(1, 3000000) GROUP BY 1 ORDER BY n, k)";
    let info = client.execute(much.to_owned(), None).await.unwrap();
    assert_eq!(code(rows(&mut client, info).await.unwrap_err()), Code::ResourceExhausted);
    assert_eq!(number(&ask(&mut client, "SELECT 2").await), 2, "the place is free for the next one");
}
