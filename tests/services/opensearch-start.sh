#!/usr/bin/env bash
# Usage: opensearch-start.sh DATA_DIR [PORT]
#
# Starts OpenSearch on 127.0.0.1, installing it first if need be; returns when it is ready, with its
# URL as the last line on stdout. Without PORT, or with 0, the system picks a free one. A second start
# with the same DATA_DIR brings the same server back: its data, its URL.
#
# Written to DATA_DIR: `url`, `pid`, `log`. The server's own files are in DATA_DIR/server.
#
# Environment:
#   OS_SETTINGS     more lines for opensearch.yml
#   OS_HEAP         default 512m
#   OS_WAIT         seconds until the start counts as failed, default 300
#   OS_OWNER_PID    stop the server and delete DATA_DIR/server once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"

data_dir=$(realpath -m "${1:?usage: opensearch-start.sh DATA_DIR [PORT]}")
port=${2:-0}
heap=${OS_HEAP:-512m}
server=$data_dir/server
ports_file=$server/logs/http.ports

# `analysis-common` is left out: it wants locale data that this JDK has not.
modules=(
    org.opensearch.transport.Netty4ModulePlugin
    org.opensearch.ingest.common.IngestCommonModulePlugin
    org.opensearch.index.reindex.ReindexModulePlugin
)

write_settings() {
    cat <<SETTINGS
cluster.name: o365flow-test
node.name: o365flow-test
node.portsfile: true
path.data: $server/data
path.logs: $server/logs
network.host: 127.0.0.1
http.port: $port
transport.port: 0
discovery.type: single-node
# A nearly full disk must not make the tests' indices read-only.
cluster.routing.allocation.disk.threshold_enabled: false
SETTINGS
    printf '%s\n' "${OS_SETTINGS:-}"
}

url() {
    echo "http://$(grep -m 1 '^127\.0\.0\.1:' "$ports_file")"
}

answers() {
    [[ -s $ports_file ]] || return 1
    curl --silent --fail --noproxy '*' --max-time 10 --output /dev/null \
        "$(url)/_cluster/health?wait_for_status=yellow&timeout=5s"
}

# Prints where to run OpenSearch from: the cache, or a copy when it lies in root's own folder.
runnable() {
    if as_service test -x "$installed/java/bin/java" 2>/dev/null; then
        echo "$installed"
        return
    fi
    local copy=$server/installed
    if [[ ! -d $copy ]]; then
        # Hard links cost nothing, but need one file system.
        cp -a --link "$installed" "$copy.part" 2>/dev/null ||
            { rm -rf "$copy.part" && cp -a "$installed" "$copy.part"; }
        mv -T "$copy.part" "$copy"
    fi
    echo "$copy"
}

give_up() {
    stop "$data_dir/pid" 10
    exit "$1"
}

installed=$("$here/opensearch-install.sh")
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
if [[ $port == 0 && -s $data_dir/url ]]; then
    port=$(sed 's/.*://' "$data_dir/url")
fi
mkdir -p "$server"/{config,data,logs,tmp}
rm -f "$ports_file"
write_settings >"$server/config/opensearch.yml"
own_dir "$server"
home=$(runnable)

cd "$server"
trap 'give_up $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The first compiler tier and the serial collector: a server that lives for minutes beside a build
# on two cores starts sooner and takes less of them.
launch "$data_dir/pid" "$data_dir/log" "$home/java/bin/java" -Xms"$heap" -Xmx"$heap" \
    -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError \
    -Djava.io.tmpdir="$server/tmp" -cp "$home/launcher:$home/libs/*" \
    o365flow.test.OpenSearchServer "$server" "${modules[@]}"
if [[ -n ${OS_OWNER_PID:-} ]]; then
    # shellcheck disable=SC2016 # expanded by the shell that is started later
    after_owner "$OS_OWNER_PID" bash -c '"$1" "$2" && rm -rf "$2/server"' \
        opensearch "$here/opensearch-stop.sh" "$data_dir"
fi
wait_until "${OS_WAIT:-300}" "$data_dir/pid" "$data_dir/log" answers
trap - EXIT
url >"$data_dir/url"
cat "$data_dir/url"
