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

command -v chromedriver >/dev/null || fail "found no chromedriver (run $here/packages.sh test)"
mkdir -p "$data_dir/home"
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
# It runs as whoever starts it: a browser writes where it is told to, and reads one page of this machine.
# shellcheck disable=SC2034 # `launch` reads it
become_service=()
HOME=$data_dir/home serve_on_free_port "$data_dir" chromedriver /status chromedriver "--port={port}"
if [[ -n ${CHROMIUM_OWNER_PID:-} ]]; then
    after_owner "$CHROMIUM_OWNER_PID" "$here/chromium-stop.sh" "$data_dir"
fi
cat "$data_dir/url"
