# shellcheck shell=bash
# Finds the JDK that the Java servers run on. Sourced after process.sh.

readonly java_version_min=17

# java_home: prints the first JDK that is new enough and that the service user can run.
java_home() {
    local home version
    for home in "${ES_JAVA_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        [[ -n $home && -x $home/bin/javac && -r $home/release ]] || continue
        version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")
        if ((${version:-0} >= java_version_min)) && as_service test -x "$home/bin/java"; then
            echo "$home"
            return
        fi
    done
    fail "found no JDK $java_version_min or newer (run ${BASH_SOURCE[0]%/*}/packages.sh test)"
}
