#!/usr/bin/env bash
# Usage: chromium-start.sh DATA_DIR
#
# Starts chromedriver on 127.0.0.1 and a free port; returns when it is ready, with its URL as the last
# line on stdout. It starts a Chromium for each session that is asked of it.
#
# Written to DATA_DIR: `url`, `pid`, `log`, and `home`, where the browsers keep their profiles.
#
# Environment:
#   CHROMIUM_OWNER_PID    stop it, and its browsers, once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

data_dir=$(realpath -m "${1:?usage: chromium-start.sh DATA_DIR}")

# Below the range from which the system takes the ports of outgoing connections.
readonly port_min=20000 port_max=32000 attempts=20

answers() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$url/status"; }

# is_up: whether the server, just started, got its port and answers.
is_up() {
    local deadline=$((SECONDS + 30))
    while is_running "$data_dir/pid" && ((SECONDS <= deadline)); do
        # Whoever had the port before may answer: the server that lost ends at once.
        if answers && sleep 0.2 && is_running "$data_dir/pid"; then
            return
        fi
        sleep 0.1
    done
    return 1
}

command -v chromedriver >/dev/null || fail "found no chromedriver (run $here/packages.sh test)"
mkdir -p "$data_dir/home"
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
trap 'stop "$data_dir/pid" 5' EXIT
# It runs as whoever starts it: a browser writes where it is told to, and reads one page of this machine.
become_service=()
for ((attempt = 1; attempt <= attempts; attempt++)); do
    port=$((port_min + (RANDOM * 32768 + RANDOM) % (port_max - port_min)))
    url=http://127.0.0.1:$port
    HOME=$data_dir/home launch "$data_dir/pid" "$data_dir/log" chromedriver "--port=$port"
    if is_up; then
        break
    fi
    stop "$data_dir/pid" 5
done
if ! is_running "$data_dir/pid"; then
    tail -n 30 "$data_dir/log" >&2
    fail "chromedriver did not start (log: $data_dir/log)"
fi
trap - EXIT
if [[ -n ${CHROMIUM_OWNER_PID:-} ]]; then
    after_owner "$CHROMIUM_OWNER_PID" "$here/chromium-stop.sh" "$data_dir"
fi
echo "$url" >"$data_dir/url"
cat "$data_dir/url"
