#!/usr/bin/env bash
# Usage: elasticsearch-install.sh
#
# Puts Elasticsearch and the tests' plugin into the cache, unless they are there, and prints the
# folder. The distribution is the one that Elastic publishes to Maven Central for integration tests:
# the real server with x-pack security, without the ingest, ILM and scripting modules.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"
# shellcheck source=tests/services/java.sh
. "$here/java.sh"

readonly release=8.19.21
readonly sha256=215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a
readonly artifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$release:zip
readonly maven_copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy

plugin_source=$here/elasticsearch/plugin
# A change of the plugin, or of this script, makes another folder.
recipe=$(cat "${BASH_SOURCE[0]}" "$plugin_source"/o365flow/test/*.java | sha256sum | cut -c 1-12)
installed=$cache_dir/elasticsearch-$release-$recipe

# download FILE_DIR: fetches the archive, a few times if need be, and checks what came.
download() {
    local attempt
    for attempt in 1 2 3; do
        if mvn -B -q -C "$maven_copy" -Dartifact="$artifact" -DoutputDirectory="$1" >&2; then
            break
        fi
        ((attempt < 3)) || fail "Maven could not fetch $artifact"
        sleep 5
    done
    echo "$sha256  $1/elasticsearch-$release.zip" | sha256sum --check --quiet >&2 ||
        fail "the archive of Elasticsearch $release is not the expected one"
}

# build_plugin ELASTICSEARCH_HOME CLASSES_DIR
build_plugin() {
    local home=$1 classes=$2 target=$1/plugins/o365flow-test
    mkdir -p "$target" "$classes"
    "$java/bin/javac" -nowarn --release 17 -cp "$home/lib/*" -d "$classes" \
        "$plugin_source"/o365flow/test/*.java
    "$java/bin/jar" --create --file "$target/o365flow-test.jar" -C "$classes" .
    cat >"$target/plugin-descriptor.properties" <<DESCRIPTOR
name=o365flow-test
description=What the tests need and the integration test distribution lacks
version=1
classname=o365flow.test.TestSupportPlugin
java.version=17
elasticsearch.version=$release
DESCRIPTOR
}

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/elasticsearch.lock"
flock "$lock"
if [[ ! -d $installed ]]; then
    java=$(java_home)
    staging=$cache_dir/elasticsearch.staging
    # An install that was killed may have left something; whoever holds the lock is the only one.
    rm -rf "$staging"
    trap 'rm -rf "$staging"' EXIT
    echo "fetching Elasticsearch $release (107 MB)" >&2
    download "$staging"
    (cd "$staging" && "$java/bin/jar" xf "elasticsearch-$release.zip")
    home=$staging/elasticsearch-$release
    # `jar` does not restore the mode of a file.
    chmod +x "$home"/bin/*
    build_plugin "$home" "$staging/classes"
    chmod -R a+rX "$home"
    # The rename comes last, so that the folder either does not exist or is complete.
    mv -T "$home" "$installed"
fi
echo "$installed"
