#!/usr/bin/env bash
# Installs what the interoperability tests of a crate compare with, into the target directory, and prints the
# Python interpreter to run those tests with; the crate is `reports` unless another is named:
#   ASCRIBE_INTEROP_PYTHON="$(scripts/interop-venv.sh)" cargo test -p ascribe-reports --test interop_hpke
#   ASCRIBE_COLLECTOR_PYTHON="$(scripts/interop-venv.sh collector)" cargo test -p ascribe --test collector_s3
set -euo pipefail
cd "$(dirname "$0")/.."

crate="${1:-reports}"
venv="$(realpath -m "${CARGO_TARGET_DIR:-target}")/interop-venv"
[[ $crate == reports ]] || venv+="-$crate"
requirements="crates/$crate/tests/interop/requirements.txt"
# Whole only when the requirements that it was made from are in it, and unchanged.
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
