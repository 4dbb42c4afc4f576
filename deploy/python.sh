#!/usr/bin/env bash
# A Python of its own for the notebooks and for tests that speak to hongniang as Python does: a virtual environment outside the clone.
#   python.sh         makes it, or brings it up to date, from notebooks/requirements.txt; does nothing when nothing changed
#   python.sh lab     the same with JupyterLab
#   python.sh where   prints its interpreter
# It lies in ~/.cache/hongniang/python, or where HONGNIANG_PYTHON says.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)/notebooks
folder=${HONGNIANG_PYTHON:-$HOME/.cache/hongniang/python}
python=$folder/bin/python

if [ "${1:-}" = where ]; then
  echo "$python"
  exit 0
fi

files=("$here/requirements.txt")
[ "${1:-}" != lab ] || files+=("$here/requirements-lab.txt")

system=${PYTHON:-python3}
command -v "$system" >/dev/null || { echo "python: needs python3: deploy/setup.sh test installs it" >&2; exit 1; }
"$system" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "python: needs Python 3.11 or newer, $("$system" --version) is what $system is; PYTHON names another" >&2; exit 1; }
"$system" -c 'import venv, ensurepip' 2>/dev/null ||
  { echo "python: $system cannot make virtual environments: install python3-venv (deploy/setup.sh test does)" >&2; exit 1; }

# What it was made of: the files and the interpreter.
made=$({ cat "${files[@]}" "$here/constraints.txt"; "$system" --version; } | sha256sum | cut -c1-64)
stamp=$folder/made-of-${1:-test}
[ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made" ] && exit 0

echo "python: making $folder"
# Packages of another Python cannot be imported.
clear=()
[ ! -x "$python" ] || [ "$("$python" --version 2>&1)" = "$("$system" --version)" ] || clear=(--clear)
"$system" -m venv "${clear[@]}" "$folder"
wanted=()
for file in "${files[@]}"; do wanted+=(--requirement "$file"); done
"$python" -m pip install --quiet --disable-pip-version-check --constraint "$here/constraints.txt" "${wanted[@]}"
echo "$made" >"$stamp"
