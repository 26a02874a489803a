#!/usr/bin/env bash
# Usage: kafka-install.sh
#
# Puts Kafka's broker and its tools into the cache, unless they are there, and prints the folder of the
# jars. They are what Apache publishes to Maven Central.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

readonly release=4.3.1
# Of the sums of all jars, sorted by name.
readonly sha256=c3ab63209f2582ea037a108aee3ae58bd3b639a4816f72600e678629e15f8369
readonly maven_copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies

# A change of this script makes another folder.
recipe=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c 1-12)
installed=$cache_dir/kafka-$release-$recipe

write_project() {
    cat <<PROJECT
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>o365flow.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$release</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$release</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies>
</project>
PROJECT
}

# download DIR: fetches the jars into DIR/libs, a few times if need be, and checks what came.
download() {
    local attempt sum
    write_project >"$1/pom.xml"
    for attempt in 1 2 3; do
        if mvn -B -q -f "$1/pom.xml" "$maven_copy" -DincludeScope=runtime -DoutputDirectory="$1/libs" >&2; then
            break
        fi
        ((attempt < 3)) || fail "Maven could not fetch Kafka $release"
        sleep 5
    done
    sum=$(cd "$1/libs" && LC_ALL=C sha256sum -- *.jar | sha256sum | cut -d ' ' -f 1)
    [[ $sum == "$sha256" ]] || fail "the jars of Kafka $release are not the expected ones: $sum"
}

mkdir -p "$cache_dir"
# Two runs at once wait for each other here; the second finds the work done.
exec {lock}>"$cache_dir/kafka.lock"
flock "$lock"
if [[ ! -d $installed ]]; then
    staging=$cache_dir/kafka.staging
    # An install that was killed may have left something; whoever holds the lock is the only one.
    rm -rf "$staging"
    mkdir -p "$staging"
    trap 'rm -rf "$staging"' EXIT
    echo "fetching Kafka $release (54 MB)" >&2
    download "$staging"
    chmod -R a+rX "$staging/libs"
    # The rename comes last, so that the folder either does not exist or is complete.
    mv -T "$staging/libs" "$installed"
fi
echo "$installed"
