"""What an analyst does with ADBC: connect, look around, ask with and without parameters, make mistakes."""

import sys

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager

uri, key, interactions = sys.argv[1], sys.argv[2], int(sys.argv[3])


def connect(**options):
    return flightsql.connect(uri, db_kwargs=options, autocommit=True)


def refused(what, *words):
    try:
        what()
    except adbc_driver_manager.Error as error:
        for word in words:
            assert word in str(error), (word, str(error))
    else:
        raise AssertionError(f"not refused: {words}")


with connect(username="analyst", password=key) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT COUNT(*) AS n FROM interactions")
    assert cursor.fetchone() == (interactions,)

with connect(**{"adbc.flight.sql.authorization_header": f"Bearer {key}"}) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT * FROM interactions ORDER BY event_time")
    table = cursor.fetch_arrow_table()
    assert table.num_rows == interactions and str(table.schema.field("event_time").type) == "timestamp[us, tz=UTC]", table.schema
    kinds = set(table["kind"].to_pylist())
    cursor.execute("SELECT COUNT(*) FROM interactions WHERE kind = ? AND event_time >= ?", ("like", table["event_time"][0].as_py()))
    assert cursor.fetchone()[0] == table["kind"].to_pylist().count("like") > 0
    cursor.execute("SELECT user_id, decay(likes_d14, landmark(), INTERVAL '14 days', TIMESTAMP '2026-11-20') AS likes FROM features.popularity")
    assert all(likes >= 0 for likes in cursor.fetch_arrow_table()["likes"].to_pylist())
    catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    tables = {t["table_name"] for c in catalogs for s in c["catalog_db_schemas"] for t in s["db_schema_tables"]}
    assert {"interactions", "profiles", "popularity"} <= tables, tables
    assert connection.adbc_get_table_schema("messages").names[:2] == ["event_id", "event_time"]
    assert "VIEW" in connection.adbc_get_table_types()
    assert connection.adbc_get_info()["vendor_name"] == "hongniang"
    refused(lambda: cursor.execute("SELECT * FROM likes"), "no table `likes`")
    refused(lambda: cursor.execute("CREATE TABLE x AS SELECT 1"), "refused")
    refused(lambda: cursor.adbc_ingest("mine", table.slice(0, 1)), "only read")
    assert kinds > {"like", "impression"}

refused(lambda: connect(username="analyst", password="wrong").cursor().execute("SELECT 1"), "service key")
print("all is well")
