#!/usr/bin/env bash
# Usage: axe-install.sh
#
# Puts axe-core, which finds what keeps people from using a page, into the cache, unless it is there, and
# prints the file. It comes with a Python package that carries it unchanged (MPL-2.0).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

# A change of this script makes another folder.
recipe=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c 1-12)
installed=$cache_dir/axe-$recipe

# download DIR: leaves the program at DIR/axe.min.js.
download() {
    cat >"$1/requirements.txt" <<REQUIREMENTS
axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8
REQUIREMENTS
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$1/requirements.txt" --dest "$1/wheel" >&2
    python3 -m zipfile --extract "$1"/wheel/axe_playwright_python-*.whl "$1/wheel"
    mv -T "$1/wheel/axe_playwright_python/axe.min.js" "$1/axe.min.js"
    rm -rf "$1/wheel"
}

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/axe.lock"
flock "$lock"
if [[ ! -d $installed ]]; then
    staging=$cache_dir/axe.staging
    # An install that was killed may have left something; whoever holds the lock is the only one.
    rm -rf "$staging"
    trap 'rm -rf "$staging"' EXIT
    mkdir "$staging"
    echo "fetching axe-core" >&2
    download "$staging"
    # The rename comes last, so that the folder either does not exist or is complete.
    mv -T "$staging" "$installed"
fi
echo "$installed/axe.min.js"
