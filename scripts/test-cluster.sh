#!/usr/bin/env bash
# Builds and tests ascribe-cluster, in debug: a workspace of its own, which what is built every day does without.
# Its dependencies are most of the time: about ten minutes of one core, once.
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")/cluster"
workspace=(--locked --manifest-path cluster/Cargo.toml --target-dir "$target")

cargo fmt --manifest-path cluster/Cargo.toml --check
cargo clippy "${workspace[@]}" --all-targets -- -D warnings
cargo test "${workspace[@]}"
