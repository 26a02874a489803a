#!/usr/bin/env bash
# Usage: toxiproxy-install.sh
#
# Builds Toxiproxy's server into the cache, unless it is there, and prints the program's path. Its
# source and all that it needs come from the Go module proxy; toxiproxy/go.sum says what must come.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

readonly package=github.com/Shopify/toxiproxy/v2/cmd/server

# Another version, or a change of this script, makes another file.
recipe=$(cat "${BASH_SOURCE[0]}" "$here"/toxiproxy/go.* | sha256sum | cut -c 1-12)
installed=$cache_dir/toxiproxy-server-$recipe

# build PROGRAM: a few times if need be, as the network may fail.
build() {
    local attempt
    for attempt in 1 2 3; do
        # The Go that is here must do: a newer one would be fetched otherwise.
        if (cd "$here/toxiproxy" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off \
            go build -mod=readonly -trimpath -ldflags="-s -w" -o "$1" "$package" >&2); then
            return
        fi
        ((attempt < 3)) || fail "Go could not build $package"
        sleep 5
    done
}

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/toxiproxy.lock"
flock "$lock"
if [[ ! -x $installed ]]; then
    command -v go >/dev/null || fail "found no Go (run $here/packages.sh test)"
    echo "building Toxiproxy" >&2
    staging=$(mktemp -d "$cache_dir/toxiproxy.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    build "$staging/server"
    chmod 755 "$staging/server"
    # The rename comes last, so that the program either does not exist or is complete.
    mv -T "$staging/server" "$installed"
fi
echo "$installed"
