#!/usr/bin/env bash
# An Arroyo cluster on loopback, for trying things and for the tests that HONGNIANG_TEST_ARROYO_URL names a cluster for.
#   arroyo.sh run FOLDER     runs a cluster in the foreground, API on http://127.0.0.1:5115, state in FOLDER
#   arroyo.sh kill FOLDER    kills it with all its workers, as a crash of the machine would; `run` goes on from the last checkpoints
# The binary is `arroyo` on the PATH, or the one that HONGNIANG_ARROYO names.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=${HONGNIANG_ARROYO:-arroyo}

run() {
  command -v "$binary" >/dev/null || { echo "arroyo: there is no '$binary'; HONGNIANG_ARROYO names one" >&2; exit 1; }
  mkdir -p "$1"
  local folder
  folder=$(cd "$1" && pwd)
  # In a group of its own: workers are processes, and one that is left behind would write beside its successor.
  ARROYO__CHECKPOINT_URL="file://$folder/checkpoints" \
    ARROYO__COMPILER__ARTIFACT_URL="file://$folder/artifacts" \
    ARROYO__COMPILER__BUILD_DIR="$folder/build" \
    ARROYO__DATABASE__SQLITE__PATH="$folder/config.sqlite" \
    exec setsid --wait bash -c 'echo $$ >"$0/group"; exec "$@"' "$folder" "$binary" --config "$here/loopback.toml" cluster
}

case "${1:-}" in
  run) run "${2:?folder}" ;;
  kill) kill -KILL -- "-$(cat "${2:?folder}/group")" ;;
  *) echo "usage: arroyo.sh run|kill FOLDER" >&2; exit 2 ;;
esac
