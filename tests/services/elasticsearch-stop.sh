#!/usr/bin/env bash
# Usage: elasticsearch-stop.sh DATA_DIR
#
# Stops what elasticsearch-start.sh started with this DATA_DIR, if it still runs; keeps its data.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

# The process is Elasticsearch's launcher, which passes the signal to the server and waits for it.
stop "${1:?usage: elasticsearch-stop.sh DATA_DIR}/pid" 30
