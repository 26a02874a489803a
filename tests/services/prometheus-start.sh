#!/usr/bin/env bash
# Usage: prometheus-start.sh DATA_DIR
#
# Starts Prometheus on 127.0.0.1 and a free port, with the DATA_DIR/prometheus.yml that lies there;
# returns when it is ready, with its URL as the last line on stdout.
#
# Written to DATA_DIR: `url`, `pid`, `log`, `tsdb`.
#
# Environment:
#   PROMETHEUS_OWNER_PID    stop it once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

data_dir=$(realpath -m "${1:?usage: prometheus-start.sh DATA_DIR}")

# Below the range from which the system takes the ports of outgoing connections.
readonly port_min=20000 port_max=32000 attempts=20

answers() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$url/-/ready"; }

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

for program in prometheus promtool; do
    command -v "$program" >/dev/null || fail "found no $program (run $here/packages.sh test)"
done
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
promtool check config "$data_dir/prometheus.yml" >&2
own_dir "$data_dir"
trap 'stop "$data_dir/pid" 5' EXIT
for ((attempt = 1; attempt <= attempts; attempt++)); do
    port=$((port_min + (RANDOM * 32768 + RANDOM) % (port_max - port_min)))
    url=http://127.0.0.1:$port
    launch "$data_dir/pid" "$data_dir/log" prometheus --config.file="$data_dir/prometheus.yml" \
        --storage.tsdb.path="$data_dir/tsdb" --web.listen-address="127.0.0.1:$port" --log.level=warn
    if is_up; then
        break
    fi
    stop "$data_dir/pid" 5
done
if ! is_running "$data_dir/pid"; then
    tail -n 30 "$data_dir/log" >&2
    fail "Prometheus did not start (log: $data_dir/log)"
fi
trap - EXIT
if [[ -n ${PROMETHEUS_OWNER_PID:-} ]]; then
    after_owner "$PROMETHEUS_OWNER_PID" "$here/prometheus-stop.sh" "$data_dir"
fi
echo "$url" >"$data_dir/url"
cat "$data_dir/url"
