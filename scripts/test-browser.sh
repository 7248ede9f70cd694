#!/usr/bin/env bash
# The tests in a real browser, again and again, up to the first failure: what fails now and then is a bug.
#   scripts/test-browser.sh [RUNS [FILTER]]      20 runs of all tests without arguments
set -euo pipefail
cd "$(dirname "$0")/.."

runs="${1:-20}"
scripts/install-chromium.sh
for ((run = 1; run <= runs; run++)); do
    printf '\n==> run %d of %d\n' "$run" "$runs"
    cargo test --locked --quiet --package ascribe-browser --test e2e -- "${@:2}"
done
