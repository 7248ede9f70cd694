#!/usr/bin/env bash
# Makes sure that what the tests in a real browser need is there: Chromium, certutil (which makes it trust the
# certificates of the made-up sites) and Node.js from the distribution's packages, playwright-core from npm in the
# target directory. Installs only what is missing; with apt-get, as root or with sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

# has COMMAND...: whether one of them is there
has() { type -P "$@" >/dev/null; }

packages=()
has chromium || has chromium-browser || has google-chrome || packages+=(chromium)
has certutil || packages+=(libnss3-tools)
has node || packages+=(nodejs)
has npm || packages+=(npm)

if ((${#packages[@]} > 0)); then
    as_root=()
    ((EUID == 0)) || as_root=(sudo --non-interactive)
    if ! has apt-get || { ((EUID != 0)) && ! sudo --non-interactive true 2>/dev/null; }; then
        echo "Not installed: ${packages[*]} (names of Debian packages). Without apt-get and the right to use it," >&2
        echo "this script cannot install them; with it:  sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
    "${as_root[@]}" apt-get update --quiet --quiet
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}"
fi

# Whole only when the lock file that it was made from is in it, and unchanged.
playwright="$(realpath -m "${CARGO_TARGET_DIR:-target}")/playwright"
if ! cmp --silent crates/browser/tests/playwright/package-lock.json "$playwright/package-lock.json"; then
    rm -rf "$playwright" "$playwright.partial"
    mkdir -p "$playwright.partial"
    cp crates/browser/tests/playwright/package*.json "$playwright.partial"
    npm ci --prefix "$playwright.partial" --ignore-scripts --no-audit --no-fund --silent
    mv "$playwright.partial" "$playwright"
fi
