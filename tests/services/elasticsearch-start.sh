#!/usr/bin/env bash
# Usage: elasticsearch-start.sh DATA_DIR [PORT]
#
# Starts Elasticsearch on 127.0.0.1, installing it first if need be; returns when it is ready, with
# its URL as the last line on stdout. Without PORT, or with 0, the system picks a free one. A second
# start with the same DATA_DIR brings the same server back: its data, its URL, its password.
#
# Written to DATA_DIR: `url`, `pid`, `log`; when secure also `password` (of the user `elastic`),
# `ca.crt`, `client.crt`, `client.key`. The server's own files are in DATA_DIR/server.
#
# Environment:
#   ES_SECURE=1     https and basic authentication
#   ES_CLIENT_AUTH  `required` with ES_SECURE=1: nobody is talked to without a certificate
#   ES_PASSWORD     the password of `elastic`; default: a random one
#   ES_SETTINGS     more lines for elasticsearch.yml
#   ES_HEAP         default 512m
#   ES_WAIT         seconds until the start counts as failed, default 300
#   ES_OWNER_PID    stop the server and delete DATA_DIR/server once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"
# shellcheck source=tests/services/java.sh
. "$here/java.sh"

data_dir=$(realpath -m "${1:?usage: elasticsearch-start.sh DATA_DIR [PORT]}")
port=${2:-0}
secure=${ES_SECURE:-0}
heap=${ES_HEAP:-512m}
server=$data_dir/server
config=$server/config
ports_file=$server/logs/http.ports

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
    if [[ $secure == 1 ]]; then
        cat <<SECURITY
xpack.security.enabled: true
xpack.security.authc.api_key.enabled: true
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.certificate: certificates/server.crt
xpack.security.http.ssl.key: certificates/server.key
xpack.security.http.ssl.certificate_authorities: certificates/ca.crt
xpack.security.http.ssl.client_authentication: ${ES_CLIENT_AUTH:-optional}
SECURITY
    else
        echo "xpack.security.enabled: false"
    fi
    printf '%s\n' "${ES_SETTINGS:-}"
}

# The first compiler tier and the serial collector: a server that lives for minutes beside a build
# on two cores starts sooner and takes less of them.
write_jvm_options() {
    cat <<OPTIONS
-Xms$heap
-Xmx$heap
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-XX:-UsePerfData
-Djava.io.tmpdir=$server/tmp
-XX:+ExitOnOutOfMemoryError
OPTIONS
}

prepare_security() {
    "$here/certificates.sh" "$config/certificates"
    cp "$config"/certificates/{ca.crt,client.crt,client.key} "$data_dir/"
    if [[ ! -s $data_dir/password ]]; then
        (umask 077 && printf '%s' "${ES_PASSWORD:-$(openssl rand -hex 16)}" >"$data_dir/password")
    fi
}

# The password is handed over in the keystore, which only the service user may write.
write_keystore() {
    [[ -e $config/elasticsearch.keystore ]] && return
    as_service "$home/bin/elasticsearch-keystore" add --force --stdin bootstrap.password \
        <"$data_dir/password" >/dev/null
}

url() {
    local scheme=http
    [[ $secure == 1 ]] && scheme=https
    echo "$scheme://$(grep -m 1 '^127\.0\.0\.1:' "$ports_file")"
}

answers() {
    [[ -s $ports_file ]] || return 1
    local options=(--silent --fail --noproxy '*' --max-time 10 --output /dev/null)
    if [[ $secure == 1 ]]; then
        options+=(--cacert "$data_dir/ca.crt" --config -)
        options+=(--cert "$data_dir/client.crt" --key "$data_dir/client.key")
    fi
    # Curl reads the password from stdin, so that no process list shows it.
    curl "${options[@]}" "$(url)/_cluster/health?wait_for_status=yellow&timeout=5s" \
        < <([[ $secure != 1 ]] || echo "user = \"elastic:$(<"$data_dir/password")\"")
}

# Prints where to run Elasticsearch from: the cache, or a copy when it lies in root's own folder.
runnable_home() {
    if as_service test -x "$installed/bin/elasticsearch" 2>/dev/null; then
        echo "$installed"
        return
    fi
    local copy=$server/home
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

installed=$("$here/elasticsearch-install.sh")
ES_JAVA_HOME=$(java_home)
mkdir -p "$data_dir" "$config"
if is_running "$data_dir/pid"; then
    fail "a server already runs in $data_dir"
fi
if [[ $port == 0 && -s $data_dir/url ]]; then
    port=$(sed 's/.*://' "$data_dir/url")
fi
mkdir -p "$server"/{data,logs,tmp}
rm -f "$ports_file"
cp "$installed"/config/log4j2.properties "$config/"
[[ $secure == 1 ]] && prepare_security
write_settings >"$config/elasticsearch.yml"
write_jvm_options >"$config/jvm.options"
own_dir "$server"
home=$(runnable_home)

export ES_JAVA_HOME ES_PATH_CONF=$config ES_TMPDIR=$server/tmp
# Without this the launcher leaves empty folders in /tmp. It splits the value at spaces.
if [[ $server != *[[:space:]]* ]]; then
    export CLI_JAVA_OPTS="-Djava.io.tmpdir=$server/tmp"
fi
unset ES_JAVA_OPTS JAVA_HOME JAVA_TOOL_OPTIONS
cd "$server"
trap 'give_up $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[[ $secure == 1 ]] && write_keystore
launch "$data_dir/pid" "$data_dir/log" "$home/bin/elasticsearch"
if [[ -n ${ES_OWNER_PID:-} ]]; then
    # shellcheck disable=SC2016 # expanded by the shell that is started later
    after_owner "$ES_OWNER_PID" bash -c '"$1" "$2" && rm -rf "$2/server"' \
        elasticsearch "$here/elasticsearch-stop.sh" "$data_dir"
fi
wait_until "${ES_WAIT:-300}" "$data_dir/pid" "$data_dir/log" answers
trap - EXIT
url >"$data_dir/url"
cat "$data_dir/url"
