#!/usr/bin/env python3
"""Asks the queries of deploy/compare/queries of DuckDB and of hongniang, on the same files of a lake, and compares answers and times.

    pip install duckdb
    deploy/compare/duckdb.py DATA_DIR/lake [--rounds 10] [--hongniang PATH]

Answers must be equal: the same rows in the same order, numbers to nine digits. Both run in one process with warm files, on as many threads as
there are cores; a time is from the text of the query to its last row. Ends with 1 when an answer differs.
"""

import argparse
import csv
import json
import math
import subprocess
import sys
import time
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]  # this file is named as the package
import duckdb  # noqa: E402

QUERIES = Path(__file__).resolve().parent / "queries"


def connect(lake: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table in ["interactions", "profiles", "messages", "moments", "presence"]:
        if any((lake / table).glob("dt=*/*.parquet")):
            files = f"{lake}/{table}/dt=*/*.parquet"
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true)")
    return connection


def of_duckdb(connection, sql: str, rounds: int) -> tuple[list, list]:
    rows, times = connection.execute(sql).fetchall(), []
    for _ in range(rounds):
        begun = time.perf_counter()
        connection.execute(sql).fetchall()
        times.append((time.perf_counter() - begun) * 1000)
    return rows, sorted(times)


def ask(hongniang: str, *words: str) -> str:
    return subprocess.run([hongniang, *words], check=True, capture_output=True, text=True).stdout


def same(ours: str, theirs) -> bool:
    if theirs is None:
        return ours == ""
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-9)
    except (TypeError, ValueError):
        return ours == str(theirs)


def differs(ours: list[list[str]], theirs: list[tuple]) -> str:
    if len(ours) != len(theirs):
        return f"{len(ours)} rows and {len(theirs)} rows"
    for mine, other in zip(ours, theirs):
        if not all(same(a, b) for a, b in zip(mine, other, strict=True)):
            return f"{mine} and {[str(value) for value in other]}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--hongniang", default="hongniang", help="the binary")
    arguments = parser.parse_args()
    connection = connect(arguments.lake)
    timed = ask(arguments.hongniang, "bench", "query", "--lake", str(arguments.lake), "--rounds", str(arguments.rounds), "--format", "json")
    times = {row["name"].removeprefix("query: ").split(",")[0]: row for row in json.loads(timed)}
    wrong = 0
    print(f"DuckDB {duckdb.__version__}, median and slowest of {arguments.rounds} rounds, ms")
    print(f"{'query':<10} {'rows':>6} {'answers':<8} {'hongniang':>18} {'DuckDB':>18}")
    for file in sorted(QUERIES.glob("*.sql")):
        theirs, ms = of_duckdb(connection, file.read_text(), arguments.rounds)
        output = ask(arguments.hongniang, "query", "--quiet", "--place", str(arguments.lake), "--format", "csv", "-f", str(file))
        difference = differs(list(csv.reader(output.splitlines()))[1:], theirs)
        wrong += bool(difference)
        ours = times[file.stem]
        print(
            f"{file.stem:<10} {len(theirs):>6} {'differ' if difference else 'equal':<8} {ours['p50_ms']:>8.1f} {ours['p99_ms']:>9.1f}"
            f" {ms[len(ms) // 2]:>8.1f} {ms[-1]:>9.1f}"
        )
        if difference:
            print(f"  {difference}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
