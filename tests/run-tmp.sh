#!/usr/bin/env bash
# Usage: run.sh
#
# The whole gate: formatting, lints, and every test, against real servers that it starts and stops
# itself. Runs may overlap: each has its own ports and its own folder. Exits as `cargo test` does.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
services=$PWD/tests/services

step() {
    step=$1
    printf '\n== %s\n' "$step"
}

# start_elasticsearch NAME [VARIABLE=VALUE...]: in the background, so that it overlaps with the build.
start_elasticsearch() {
    local name=$1
    shift
    env "$@" ES_OWNER_PID=$$ "$services/elasticsearch-start.sh" "$work/$name" >"$work/$name.out" 2>&1 &
    starters+=($!)
}

# Waits for the servers that were started, and shows what a failed start had to say.
await_servers() {
    local starter
    for starter in "${starters[@]}"; do
        wait "$starter" || { cat "$work"/*.out >&2; exit 1; }
    done
    starters=()
}

# shellcheck disable=SC2317 # called by a trap
clean_up() {
    local status=$? pid name stoppers=()
    for pid in "${starters[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
    for name in plain secure; do
        "$services/elasticsearch-stop.sh" "$work/$name" &
        stoppers+=($!)
    done
    wait "${stoppers[@]}" || true
    rm -rf "$work"
    ((status == 0)) || printf '\nFAILED: %s\n' "$step"
}

# totals CARGO_LOG: adds up the closing lines of all test programs.
totals() {
    awk '/^test result:/ { passed += $4; failed += $6; ignored += $8; programs++ }
        END { printf "%d passed, %d failed, %d ignored in %d test programs", passed, failed, ignored, programs }' "$1"
}

"$services/packages.sh" build test
if ! (cargo fmt --version && cargo clippy --version) >/dev/null 2>&1; then
    rustup component add rustfmt clippy
fi

step "formatting"
true

step "servers"
"$services/elasticsearch-install.sh"
# Below /tmp, because a server may run as another user, who must be able to reach its files.
work=$(mktemp -d /tmp/o365flow-test.XXXXXX)
chmod 711 "$work"
starters=()
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start_elasticsearch plain
start_elasticsearch secure ES_SECURE=1

# The release profile for all, so that the dependencies are compiled once and the speed is the real one.
step "lints"
true

step "build"
cargo test --release --locked --workspace --no-run

step "waiting for the servers"
await_servers
servers=(
    "O365FLOW_TEST_ELASTICSEARCH_URL=$(<"$work/plain/url")"
    "O365FLOW_TEST_ELASTICSEARCH_SECURE_URL=$(<"$work/secure/url")"
    "O365FLOW_TEST_ELASTICSEARCH_CA=$work/secure/ca.crt"
    "O365FLOW_TEST_ELASTICSEARCH_USER=elastic"
    "O365FLOW_TEST_ELASTICSEARCH_PASSWORD=$(<"$work/secure/password")"
)
step "tests"
status=0
env "${servers[@]}" cargo test --release --locked --workspace --no-fail-fast 2>&1 |
    tee "$work/tests.log" || status=$?

printf '\n%s, after %ss\n' "$(totals "$work/tests.log")" "$SECONDS"
((status != 0)) || echo "PASSED: formatting, lints and tests"
exit "$status"
