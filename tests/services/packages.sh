#!/usr/bin/env bash
# Usage: packages.sh build|test...
#
# Installs the Debian packages that a build, or the tests, need and that are missing. Touches nothing
# when nothing is missing. Needs root or sudo only when it has something to install.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"
# shellcheck source=tests/services/java.sh
. "$here/java.sh"

missing=()

# need COMMAND PACKAGE...: the packages are missing when the command is.
need() {
    command -v "$1" >/dev/null || missing+=("${@:2}")
}

# What the C parts of the crates are built with: SQLite, Oniguruma, zstd, ring, jemalloc, OpenSSL.
need_for_build() {
    need cc gcc libc6-dev
    need c++ g++
    need ar binutils
    need make make
    # OpenSSL is configured by a Perl program; the `perl` of a minimal system lacks these modules.
    perl -MFindBin -MIPC::Cmd -MFile::Compare -e 1 2>/dev/null || missing+=(perl)
    need pkg-config pkg-config
    [[ -s /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
}

# What the real servers need, and Prometheus, which checks metrics and alert rules and scrapes.
need_for_test() {
    (java_home) >/dev/null 2>&1 || missing+=(default-jdk-headless)
    need mvn maven
    need openssl openssl
    need curl curl
    need promtool prometheus
    # What the Debian package is made with, and run by.
    need dpkg-deb dpkg
    need runsv runit
    is_root || need fakeroot fakeroot
    need prometheus prometheus
    # What the Lumberjack receiver and Toxiproxy are built with.
    need go golang-go
    # The JDK of OpenSearch comes from PyPI.
    need python3 python3
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    # What the status page is tested in.
    need chromium chromium
    need chromedriver chromium-driver
    [[ -d /usr/share/fonts/truetype/dejavu ]] || missing+=(fonts-dejavu-core)
}

# as_root COMMAND...
as_root() {
    if is_root; then
        "$@"
    else
        sudo "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null || return 1
    is_root && return
    command -v sudo >/dev/null || return 1
    # With a terminal sudo may ask for the password; without one it must not need it.
    [[ -t 0 ]] || sudo -n true 2>/dev/null
}

install_missing() {
    echo "installing ${missing[*]}" >&2
    as_root apt-get update -qq >&2 || echo "the package lists could not be refreshed" >&2
    # Apt's progress would bury what follows; its errors go to stderr.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
    # The tests start servers of their own: the system's must not keep running.
    if [[ " ${missing[*]} " == *" prometheus "* && -d /run/systemd/system ]]; then
        as_root systemctl disable --now prometheus >&2 || true
    fi
}

(($# > 0)) || fail "usage: packages.sh build|test..."
for purpose in "$@"; do
    case $purpose in
        build) need_for_build ;;
        test) need_for_test ;;
        *) fail "unknown purpose $purpose: expected build or test" ;;
    esac
done

if ((${#missing[@]} > 0)); then
    may_install || fail "please have these packages installed: ${missing[*]}"
    install_missing
fi
command -v cargo >/dev/null || fail "found no cargo: install Rust from https://rustup.rs"
