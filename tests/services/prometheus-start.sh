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

for program in prometheus promtool; do
    command -v "$program" >/dev/null || fail "found no $program (run $here/packages.sh test)"
done
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
promtool check config "$data_dir/prometheus.yml" >&2
own_dir "$data_dir"
serve_on_free_port "$data_dir" Prometheus /-/ready \
    prometheus --config.file="$data_dir/prometheus.yml" --storage.tsdb.path="$data_dir/tsdb" \
    --web.listen-address="127.0.0.1:{port}" --log.level=warn
if [[ -n ${PROMETHEUS_OWNER_PID:-} ]]; then
    after_owner "$PROMETHEUS_OWNER_PID" "$here/prometheus-stop.sh" "$data_dir"
fi
cat "$data_dir/url"
