#!/usr/bin/env bash
# Usage: kafka-stop.sh DATA_DIR [NODE...]
#
# Stops what kafka-start.sh started with this DATA_DIR, all nodes or those that are named; keeps their data.
set -euo pipefail

# shellcheck source=tests/services/process.sh
. "$(dirname "${BASH_SOURCE[0]}")/process.sh"

data_dir=${1:?usage: kafka-stop.sh DATA_DIR [NODE...]}
shift
pid_files=("$data_dir"/n*.pid)
if (($# > 0)); then
    pid_files=("${@/#/$data_dir/n}")
    pid_files=("${pid_files[@]/%/.pid}")
fi
# All are told before any is waited for: a node that leaves in order waits for the others.
for pid_file in "${pid_files[@]}"; do
    [[ ! -s $pid_file ]] || kill "$(<"$pid_file")" 2>/dev/null || true
done
for pid_file in "${pid_files[@]}"; do
    stop "$pid_file" 15
done
