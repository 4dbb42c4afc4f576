#!/usr/bin/env bash
# A store that speaks S3, with conditional writes, for tests: S3Mock from its Maven artifacts, on Java 17. It asks for no key.
#   s3.sh fetch                      gets the jars into the cache, once
#   s3.sh run PORT FOLDER BUCKET     keeps BUCKET in FOLDER and answers in the foreground on 127.0.0.1:PORT
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jars=${HONGNIANG_S3:-$HOME/.cache/hongniang/s3}

fetch() {
  [ -f "$jars/.complete" ] && return
  command -v mvn >/dev/null || { echo "s3: needs maven" >&2; exit 1; }
  mkdir -p "$jars"
  echo "s3: fetching S3Mock into $jars"
  mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$jars" -DincludeScope=runtime
  touch "$jars/.complete"
}

run() {
  local port=$1 folder=$2 bucket=$3 store=com.adobe.testing.s3mock.store
  mkdir -p "$folder"
  exec java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$jars/*" -D$store.root="$folder/data" -D$store.retainFilesOnExit=true \
    -D$store.initialBuckets="$bucket" -Dhttp.port="$port" -Dserver.port=0 -Dserver.address=127.0.0.1 \
    com.adobe.testing.s3mock.S3MockApplication >"$folder/s3.log" 2>&1
}

case "${1:-}" in
  fetch) fetch ;;
  run) fetch; run "${2:?port}" "${3:?folder}" "${4:?bucket}" ;;
  *) echo "usage: s3.sh fetch | run PORT FOLDER BUCKET" >&2; exit 2 ;;
esac
