#!/usr/bin/env bash
# Usage: toxiproxy-stop.sh DATA_DIR
#
# Stops what toxiproxy-start.sh started with this DATA_DIR, if it still runs.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

stop "${1:?usage: toxiproxy-stop.sh DATA_DIR}/pid" 5
