#!/usr/bin/env bash
# What a team would do instead: filters, distance and a scoring function in PostgreSQL with PostGIS, on the same synthetic people.
#
#   deploy/compare/postgis.sh PEOPLE.csv [RPS] [SECONDS]
#
# PEOPLE.csv is what `hongniang bench crowd --users N --csv PEOPLE.csv` writes. The database is a cluster of its own in a temporary folder, on a
# Unix socket, removed afterwards. Not part of `make test`.
set -euo pipefail

people=${1:?usage: postgis.sh PEOPLE.csv [RPS] [SECONDS]}
rps=${2:-200}
seconds=${3:-10}
here=$(cd "$(dirname "$0")" && pwd)

root=()
[ "$(id -u)" = 0 ] || root=(sudo)
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || ! ls /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1; then
  command -v apt-get >/dev/null || { echo "postgis: please install PostgreSQL with PostGIS and pgbench" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  "${root[@]}" apt-get update -qq
  version=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | sed -E 's/postgresql-([0-9]+).*/\1/' | sort -n | tail -1)
  "${root[@]}" apt-get install -y -qq --no-install-recommends "postgresql-$version" "postgresql-$version-postgis-3" >/dev/null
fi
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)

work=$(mktemp -d)
run=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
  chown postgres "$work"
  run=(setpriv --reuid postgres --regid postgres --clear-groups env HOME="$work")
fi
stop() {
  "${run[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap stop EXIT

"${run[@]}" "$bin/initdb" -D "$work/data" -A trust -U postgres >/dev/null
cat >> "$work/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
shared_buffers = 2GB
effective_cache_size = 6GB
work_mem = 64MB
maintenance_work_mem = 1GB
max_wal_size = 8GB
max_parallel_workers_per_gather = 0
jit = off
random_page_cost = 1.1
CONF
"${run[@]}" "$bin/pg_ctl" -D "$work/data" -w -l "$work/log" start >/dev/null
psql() { "${run[@]}" "$bin/psql" -h "$work" -U postgres -d postgres -q -v ON_ERROR_STOP=1 "$@"; }

echo "loading $(wc -l < "$people") people" >&2
psql -f - < "$here/postgis_schema.sql"
psql -c "\\copy staging FROM STDIN WITH (FORMAT csv, HEADER)" < "$people"
begun=$(date +%s)
psql -f - < "$here/postgis_load.sql"
echo "loaded and indexed in $(($(date +%s) - begun)) s"
psql -At -c "SELECT 'on disk: people ' || pg_size_pretty(pg_total_relation_size('people')) || ', shown ' || pg_size_pretty(pg_total_relation_size('shown'))"
users=$(psql -At -c "SELECT max(id) FROM people")

cp "$here/postgis_deck.sql" "$work/deck.sql"
bench() { # name, pgbench flags
  local name=$1; shift
  local before after
  before=$(cpu)
  "${run[@]}" "$bin/pgbench" -h "$work" -U postgres -n -M prepared -f "$work/deck.sql" -D users="$users" -T "$seconds" -c 8 -j 2 -l \
    --log-prefix="$work/times" "$@" postgres > "$work/out" 2>&1 || cat "$work/out" >&2
  after=$(cpu)
  # pgbench writes client, transaction, microseconds, ...; with a rate they count from when a transaction was due.
  cat "$work"/times.* | awk '$3 != "skipped" { print $3 / 1000 }' | sort -n > "$work/sorted"
  awk -v name="$name" -v span="$seconds" -v used="$((after - before))" '
    { times[NR] = $1 }
    END {
      if (NR == 0) { print name ": no transaction ended"; exit }
      printf "%s: ops %d, %.1f/s, p50 %.1f ms, p99 %.1f ms, CPU %.1f ms an op\n", name, NR, NR / span, times[int(NR / 2) + 1], times[int(NR * 0.99) + 1], used * 10 / NR
    }' "$work/sorted"
  grep -E "skipped|above|failed" "$work/out" || true
  rm -f "$work"/times.*
}
cpu() { # CPU of the whole cluster, in ticks of 10 ms; backends that have ended count with their parent
  local pid total=0 parent
  parent=$(head -1 "$work/data/postmaster.pid")
  for pid in "$parent" $(pgrep -P "$parent"); do
    total=$((total + $(awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/$pid/stat" 2>/dev/null || echo 0)))
  done
  echo "$total"
}

"${run[@]}" "$bin/pgbench" -h "$work" -U postgres -n -M prepared -f "$work/deck.sql" -D users="$users" -T 3 -c 4 -j 2 postgres >/dev/null 2>&1 || true
bench "open loop $rps/s" -R "$rps"
bench "as fast as it goes, 8 clients"
