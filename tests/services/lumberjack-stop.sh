#!/usr/bin/env bash
# Usage: lumberjack-stop.sh DATA_DIR
#
# Stops what lumberjack-start.sh started with this DATA_DIR, if it still runs; keeps its events.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

stop "${1:?usage: lumberjack-stop.sh DATA_DIR}/pid" 5
