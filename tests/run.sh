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

# start SERVER NAME [VARIABLE=VALUE...]: in the background, so that it overlaps with the build.
start() {
    local server=$1 name=$2
    shift 2
    started+=("$server $name")
    env "$@" {ES,KAFKA,OS,TOXIPROXY}_OWNER_PID=$$ "$services/$server-start.sh" "$work/$name" \
        >"$work/$name.out" 2>&1 &
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
    local status=$? pid server name stoppers=()
    for pid in "${starters[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
    for server in "${started[@]}"; do
        read -r server name <<<"$server"
        "$services/$server-stop.sh" "$work/$name" &
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
cargo fmt --all --check

step "servers"
# Below /tmp, because a server may run as another user, who must be able to reach its files.
work=$(mktemp -d /tmp/o365flow-test.XXXXXX)
chmod 711 "$work"
starters=()
started=()
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# One after the other, as Maven's own cache is no place for two; what is installed starts meanwhile.
"$services/elasticsearch-install.sh"
start elasticsearch plain
start elasticsearch secure ES_SECURE=1
"$services/kafka-install.sh"
start kafka kafka
"$services/opensearch-install.sh"
start opensearch opensearch
"$services/lumberjack-install.sh"
start toxiproxy toxiproxy

# The release profile for all, so that the dependencies are compiled once and the speed is the real one.
step "lints"
cargo clippy --release --locked --workspace --all-targets -- -D warnings

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
    "O365FLOW_TEST_KAFKA_DIR=$work/kafka"
    "O365FLOW_TEST_OPENSEARCH_URL=$(<"$work/opensearch/url")"
    "O365FLOW_TEST_TOXIPROXY_URL=$(<"$work/toxiproxy/url")"
    "O365FLOW_TEST_SOAK_EVENTS=1000000"
)
step "tests"
status=0
env "${servers[@]}" cargo test --release --locked --workspace --no-fail-fast 2>&1 |
    tee "$work/tests.log" || status=$?

printf '\n%s, after %ss\n' "$(totals "$work/tests.log")" "$SECONDS"
((status != 0)) || echo "PASSED: formatting, lints and tests"
exit "$status"
