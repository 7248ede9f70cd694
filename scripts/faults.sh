#!/usr/bin/env bash
# What the collector bears, for longer than scripts/test.sh asks: killed 50 times under load, its database gone
# for a minute, a full disk, slow clients, 10,000 idle connections. Takes about three minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

export ASCRIBE_KILL_CYCLES="${ASCRIBE_KILL_CYCLES:-50}"
export ASCRIBE_OUTAGE_SECONDS="${ASCRIBE_OUTAGE_SECONDS:-60}"
scripts/postgres.sh
ulimit -S -n "$(ulimit -H -n)"
cargo test --locked --package ascribe --test collector -- killed full_disk
cargo test --locked --package ascribe-collector --test faults
