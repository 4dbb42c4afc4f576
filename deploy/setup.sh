#!/usr/bin/env bash
# Installs what the system lacks. `setup.sh build` for building and running, `setup.sh test` for the tests as well.
# On systems without apt-get it names what is missing and stops.
set -euo pipefail

what=${1:?usage: setup.sh build|test}

# command=debian package
build_parts=(cc=gcc c++=g++ make=make cmake=cmake pkg-config=pkg-config protoc=protobuf-compiler python3=python3 curl=curl)
test_parts=(kcat=kcat java=openjdk-17-jre-headless mvn=maven chromium=chromium chromedriver=chromium-driver mariadb-install-db=mariadb-server)

parts=("${build_parts[@]}")
[ "$what" = test ] && parts=("${test_parts[@]}")

missing=()
for part in "${parts[@]}"; do
  command -v "${part%%=*}" >/dev/null || missing+=("${part#*=}")
done
if [ "$what" = build ]; then
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  if ! command -v cargo >/dev/null || ! command -v clippy-driver >/dev/null; then
    echo "setup: needs Rust 1.95 or newer with clippy and rustfmt: install rustup, then 'rustup component add clippy rustfmt'" >&2
    exit 1
  fi
else
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  # A font with Chinese characters, for figures; another one will do.
  [ -e /usr/share/fonts/truetype/wqy/wqy-microhei.ttc ] || { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh family)" ]; } || missing+=(fonts-wqy-microhei)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: please install: ${missing[*]} (names of Debian packages)" >&2
  exit 1
fi
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
