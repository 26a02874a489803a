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

program=$("$here/toxiproxy-install.sh")
mkdir -p "$data_dir"
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
# It needs no user of its own: it reads and writes no file.
# shellcheck disable=SC2034 # `launch` reads it
become_service=()
LOG_LEVEL=warn serve_on_free_port "$data_dir" Toxiproxy /version "$program" -host 127.0.0.1 -port "{port}"
if [[ -n ${TOXIPROXY_OWNER_PID:-} ]]; then
    after_owner "$TOXIPROXY_OWNER_PID" "$here/toxiproxy-stop.sh" "$data_dir"
fi
cat "$data_dir/url"
