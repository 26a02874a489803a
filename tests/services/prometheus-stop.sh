#!/usr/bin/env bash
# Usage: prometheus-stop.sh DATA_DIR
#
# Stops what prometheus-start.sh started with this DATA_DIR, if it still runs.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

stop "${1:?usage: prometheus-stop.sh DATA_DIR}/pid" 5
