#!/usr/bin/env bash
# Installs what the interoperability tests compare with, into the target directory, and prints the
# Python interpreter to run those tests with:
#   ASCRIBE_INTEROP_PYTHON="$(scripts/interop-venv.sh)" cargo test -p ascribe-reports --test interop_hpke
set -euo pipefail
cd "$(dirname "$0")/.."

venv="$(realpath -m "${CARGO_TARGET_DIR:-target}")/interop-venv"
requirements=crates/reports/tests/interop/requirements.txt
# Whole only when the requirements that it was made from are in it, and unchanged.
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
