#!/usr/bin/env bash
# Usage: lumberjack-start.sh DATA_DIR [PORT] [SWITCH...]
#
# Starts a Lumberjack receiver on 127.0.0.1, building it first if need be; returns when it listens,
# with its address as the last line on stdout. Without PORT, or with 0, the system picks a free one.
# A second start with the same DATA_DIR brings back the same address and the events. SWITCH is one of
# the program's own, as `-ack-delay 5s`, `-never-ack`, `-keepalive 1s`, `-lose-ack-every 3`.
#
# Written to DATA_DIR: `address`, `pid`, `log`, `events.ndjson` (each event that arrived, before it is
# acknowledged); with TLS also `ca.crt`, `client.crt`, `client.key`.
#
# Environment:
#   LUMBERJACK_TLS=1|mutual     TLS; `mutual` refuses clients without a certificate
#   LUMBERJACK_CERTIFICATE      another PEM certificate than the one that is made, and
#   LUMBERJACK_KEY              its key
#   LUMBERJACK_DISCARD=1        keep no events
#   LUMBERJACK_OWNER_PID        stop the receiver once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

data_dir=$(realpath -m "${1:?usage: lumberjack-start.sh DATA_DIR [PORT] [SWITCH...]}")
port=${2:-0}
shift $(($# > 1 ? 2 : 1))
tls=${LUMBERJACK_TLS:-0}

listens() { grep -qs '^listening at ' "$data_dir/log"; }

give_up() {
    stop "$data_dir/pid" 5
    exit "$1"
}

installed=$("$here/lumberjack-install.sh")
mkdir -p "$data_dir"
if is_running "$data_dir/pid"; then
    fail "a receiver already runs in $data_dir"
fi
if [[ $port == 0 && -s $data_dir/address ]]; then
    port=$(sed 's/.*://' "$data_dir/address")
fi
options=(-listen "127.0.0.1:$port")
if [[ ${LUMBERJACK_DISCARD:-0} != 1 ]]; then
    options+=(-out "$data_dir/events.ndjson")
fi
if [[ $tls != 0 ]]; then
    certificates=$data_dir/certificates
    "$here/certificates.sh" "$certificates"
    cp "$certificates"/{ca.crt,client.crt,client.key} "$data_dir/"
    options+=(-certificate "${LUMBERJACK_CERTIFICATE:-$certificates/server.crt}"
        -key "${LUMBERJACK_KEY:-$certificates/server.key}")
fi
if [[ $tls == mutual ]]; then
    options+=(-client-ca "$certificates/ca.crt")
fi

trap 'give_up $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# It runs as whoever runs the tests: unlike other servers it does not mind root.
# shellcheck disable=SC2034 # read by `launch`
become_service=()
# What an earlier start said must not count for this one.
rm -f "$data_dir/log"
launch "$data_dir/pid" "$data_dir/log" "$installed/receive" "${options[@]}" "$@"
if [[ -n ${LUMBERJACK_OWNER_PID:-} ]]; then
    after_owner "$LUMBERJACK_OWNER_PID" "$here/lumberjack-stop.sh" "$data_dir"
fi
wait_until 30 "$data_dir/pid" "$data_dir/log" listens
trap - EXIT
sed -n 's/^listening at //p' "$data_dir/log" >"$data_dir/address"
cat "$data_dir/address"
