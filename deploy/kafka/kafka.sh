#!/usr/bin/env bash
# A real Apache Kafka for tests, from its Maven artifacts, in KRaft mode on Java 17.
#   kafka.sh fetch              gets the jars into the cache, once
#   kafka.sh run PORT FOLDER    formats FOLDER and runs a broker in the foreground on 127.0.0.1:PORT
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jars=${HONGNIANG_KAFKA:-$HOME/.cache/hongniang/kafka}

fetch() {
  [ -f "$jars/.complete" ] && return
  command -v mvn >/dev/null || { echo "kafka: needs maven" >&2; exit 1; }
  mkdir -p "$jars"
  echo "kafka: fetching Apache Kafka into $jars"
  mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$jars" -DincludeScope=runtime
  touch "$jars/.complete"
}

run() {
  local port=$1 folder=$2
  mkdir -p "$folder"
  cat > "$folder/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/data
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
log.initial.task.delay.ms=100
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=300
PROPERTIES
  local java=(java -Xmx512m -cp "$jars/*")
  "${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t 5L6g3nShT-eMCtK--X86sw -c "$folder/server.properties" >"$folder/format.log" 2>&1
  exec "${java[@]}" kafka.Kafka "$folder/server.properties" >"$folder/kafka.log" 2>&1
}

case "${1:-}" in
  fetch) fetch ;;
  run) fetch; run "${2:?port}" "${3:?folder}" ;;
  *) echo "usage: kafka.sh fetch | run PORT FOLDER" >&2; exit 2 ;;
esac
