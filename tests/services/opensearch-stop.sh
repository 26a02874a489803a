#!/usr/bin/env bash
# Usage: opensearch-stop.sh DATA_DIR
#
# Stops what opensearch-start.sh started with this DATA_DIR, if it still runs; keeps its data.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

stop "${1:?usage: opensearch-stop.sh DATA_DIR}/pid" 30
