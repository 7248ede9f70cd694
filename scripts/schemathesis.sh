#!/usr/bin/env bash
# Asks the collector, the real program, whatever its OpenAPI description allows, and much that it does not;
# fails when an answer is not as described. Needs the program built; installs schemathesis into the target
# directory. Takes about a minute.
#   scripts/schemathesis.sh [EXAMPLES]    how many requests for each operation and kind, 40 by default
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
python="$(scripts/interop-venv.sh collector)"

folder="$(mktemp -d)"
cp crates/collector/examples/campaigns.toml "$folder"
"$target/debug/ascribe" collector serve "$folder/campaigns.toml" --store "$folder/reports.db" \
    --listen 127.0.0.1:0 --operations 127.0.0.1:0 --reports-per-second 1000000 \
    >"$folder/serving" 2>"$folder/log" &
collector=$!
trap 'kill "$collector"; wait "$collector" || true; rm -rf "$folder"' EXIT
for _ in {1..100}; do
    [[ -s "$folder/serving" ]] && break
    sleep 0.1
done
# serving on PUBLIC, operations on OPERATIONS
read -r _ _ public _ _ operations <"$folder/serving"

"${python%/*}/schemathesis" --config-file crates/collector/schemathesis.toml run \
    "http://$operations/openapi.json" --url "http://${public%,}" --max-examples "${1:-40}" --seed 1 --no-color
kill -0 "$collector"
