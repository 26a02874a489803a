#!/usr/bin/env bash
# Usage: lumberjack-install.sh
#
# Builds a Lumberjack receiver and a client around Elastic's own implementation (go-lumber) into the
# cache, unless they are there, and prints the folder with `receive` and `send`. Go checks what it
# downloads against the sums beside the sources.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

sources=$here/lumberjack
# A change of the sources, or of this script, makes another folder.
recipe=$(cat "${BASH_SOURCE[0]}" "$sources"/go.* "$sources"/*/*.go | sha256sum | cut -c 1-12)
installed=$cache_dir/lumberjack-$recipe

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/lumberjack.lock"
flock "$lock"
if [[ ! -d $installed ]]; then
    command -v go >/dev/null || fail "found no Go compiler (run ${here}/packages.sh test)"
    staging=$cache_dir/lumberjack.staging
    rm -rf "$staging"
    trap 'rm -rf "$staging"' EXIT
    mkdir -p "$staging"
    echo "building the Lumberjack receiver" >&2
    (cd "$sources" && GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o "$staging/" ./receive ./send) >&2
    # The rename comes last, so that the folder either does not exist or is complete.
    mv -T "$staging" "$installed"
fi
echo "$installed"
