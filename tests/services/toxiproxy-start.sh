#!/usr/bin/env bash
# Usage: toxiproxy-start.sh DATA_DIR
#
# Starts Toxiproxy on 127.0.0.1 and a free port, building it first if need be; returns when it is
# ready, with the URL of its control API as the last line on stdout. It proxies nothing until it is told
# to over that API.
#
# Written to DATA_DIR: `url`, `pid`, `log`.
#
# Environment:
#   TOXIPROXY_OWNER_PID    stop it once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

data_dir=$(realpath -m "${1:?usage: toxiproxy-start.sh DATA_DIR}")

# Below the range from which the system takes the ports of outgoing connections.
readonly port_min=20000 port_max=32000 attempts=20

answers() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$url/version"; }

# is_up: whether the server, just started, got its port and answers.
is_up() {
    local deadline=$((SECONDS + 20))
    while is_running "$data_dir/pid" && ((SECONDS <= deadline)); do
        # Whoever had the port before may answer: the server that lost ends at once.
        if answers && sleep 0.2 && is_running "$data_dir/pid"; then
            return
        fi
        sleep 0.1
    done
    return 1
}

program=$("$here/toxiproxy-install.sh")
mkdir -p "$data_dir"
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
trap 'stop "$data_dir/pid" 5' EXIT
for ((attempt = 1; attempt <= attempts; attempt++)); do
    port=$((port_min + (RANDOM * 32768 + RANDOM) % (port_max - port_min)))
    url=http://127.0.0.1:$port
    # It needs no user of its own: it reads and writes no file.
    become_service=()
    LOG_LEVEL=warn launch "$data_dir/pid" "$data_dir/log" "$program" -host 127.0.0.1 -port "$port"
    if is_up; then
        break
    fi
    stop "$data_dir/pid" 5
done
if ! is_running "$data_dir/pid"; then
    tail -n 30 "$data_dir/log" >&2
    fail "Toxiproxy did not start (log: $data_dir/log)"
fi
trap - EXIT
if [[ -n ${TOXIPROXY_OWNER_PID:-} ]]; then
    after_owner "$TOXIPROXY_OWNER_PID" "$here/toxiproxy-stop.sh" "$data_dir"
fi
echo "$url" >"$data_dir/url"
cat "$data_dir/url"
