#!/usr/bin/env bash
# What a team would do instead, the other way: filters, distance and a scoring function in OpenSearch, on the same synthetic people.
#
#   deploy/compare/opensearch.sh PEOPLE.csv [RPS] [SECONDS]
#
# PEOPLE.csv is what `hongniang bench crowd --users N --csv PEOPLE.csv` writes. One node from its Maven artifacts on Java 17, on a free loopback
# port, its data in a temporary folder (below TMPDIR) that is removed afterwards. HEAP is its heap, 4g when it is not set. Not part of `make test`.
set -euo pipefail

people=${1:?usage: opensearch.sh PEOPLE.csv [RPS] [SECONDS]}
rps=${2:-200}
seconds=${3:-10}
heap=${HEAP:-4g}
here=$(cd "$(dirname "$0")" && pwd)/opensearch
jars=${HONGNIANG_OPENSEARCH:-$HOME/.cache/hongniang/opensearch}

fail() {
  echo "opensearch: $*" >&2
  exit 1
}

[ -r "$people" ] || fail "$people cannot be read"
command -v python3 >/dev/null || fail "needs python3"

missing=()
command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || [ -f "$jars/.complete" ] || missing+=(maven)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "please install: ${missing[*]} (names of Debian packages)"
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${root[@]}" apt-get update -qq
  "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -f "$jars/.complete" ]; then
  mkdir -p "$jars"
  echo "opensearch: fetching OpenSearch into $jars" >&2
  mvn -q -B -Dstyle.color=never -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$jars" \
    -DincludeScope=runtime >&2 || fail "its jars could not be fetched"
  touch "$jars/.complete"
fi

work=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then
    kill -9 "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT

javac -d "$work/classes" -cp "$jars/*" "$here/Node.java" || fail "the node could not be compiled: is $jars whole, and javac of Java 17 or newer?"
# The collector and the settings of Netty are those of OpenSearch's own launcher.
java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:G1ReservePercent=25 -XX:InitiatingHeapOccupancyPercent=30 -Xss1m -Dio.netty.noUnsafe=true \
  -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 -Dio.netty.allocator.numDirectArenas=0 \
  -Dlog4j2.disable.jmx=true "-Djava.io.tmpdir=$work" -cp "$work/classes:$jars/*" Node "$work/node" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 240); do
  [ -f "$work/node/address" ] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.25
done
if [ ! -f "$work/node/address" ]; then
  tail -20 "$work/log" >&2
  fail "the node did not start"
fi
address=$(cat "$work/node/address")

users=$(($(wc -l < "$people") - 1))
echo "loading $users people" >&2
export PYTHONDONTWRITEBYTECODE=1
python3 "$here/load.py" "$address" "$people"
python3 "$here/drive.py" "$address" "$server" "$rps" "$seconds" "$users" || { tail -20 "$work/log" >&2; fail "it could not be measured"; }
