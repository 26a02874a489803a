#!/usr/bin/env bash
# Usage: chromium-stop.sh DATA_DIR
#
# Stops what chromium-start.sh started with this DATA_DIR, browsers included, if it still runs.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

data_dir=${1:?usage: chromium-stop.sh DATA_DIR}
stop "$data_dir/pid" 5
rm -rf "${data_dir:?}/home"
