#!/usr/bin/env bash
# A MariaDB for tests: Debian's server, as this user, in a folder of its own, on loopback, with little memory. Nothing of the system's own
# MariaDB is read or changed.
#   mariadb.sh check               whether the server is installed
#   mariadb.sh run PORT FOLDER     keeps its data in FOLDER and answers in the foreground on 127.0.0.1:PORT: mysql://hongniang:hongniang@127.0.0.1:PORT/hongniang
set -euo pipefail

server=$(PATH=$PATH:/usr/sbin command -v mariadbd || true)

check() {
  [ -n "$server" ] && command -v mariadb-install-db >/dev/null && return
  echo "mariadb: needs the Debian package mariadb-server (deploy/setup.sh test installs it)" >&2
  exit 1
}

run() {
  local port=$1 folder=$2 user
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  user=$(id -un)
  if [ ! -d "$folder/data/mysql" ]; then
    mariadb-install-db --no-defaults --datadir="$folder/data" --user="$user" --skip-test-db --auth-root-authentication-method=normal >"$folder/install.log" 2>&1
  fi
  cat >"$folder/init.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS hongniang CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS hongniang@'127.0.0.1' IDENTIFIED BY 'hongniang';
GRANT ALL ON *.* TO hongniang@'127.0.0.1';
SQL
  exec "$server" --no-defaults --user="$user" --datadir="$folder/data" --init-file="$folder/init.sql" --bind-address=127.0.0.1 --port="$port" \
    --socket="$folder/socket" --pid-file="$folder/pid" --skip-name-resolve --innodb-buffer-pool-size=32M --innodb-log-file-size=16M \
    --key-buffer-size=1M --max-connections=64 --performance-schema=OFF --table-open-cache=64 --thread-cache-size=4 >"$folder/mariadb.log" 2>&1
}

case "${1:-}" in
  check) check ;;
  run) check; run "${2:?port}" "${3:?folder}" ;;
  *) echo "usage: mariadb.sh check | run PORT FOLDER" >&2; exit 2 ;;
esac
