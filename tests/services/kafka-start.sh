#!/usr/bin/env bash
# Usage: kafka-start.sh DATA_DIR [NODE...]
#
# Starts Kafka on 127.0.0.1, one broker or several, installing it first if need be; returns when it is
# ready. A second start with the same DATA_DIR brings the same cluster back: its data, its addresses, its
# password. With numbers of nodes, from 1, only these are started.
#
# Each broker has these listeners; the addresses of all brokers are in a file of DATA_DIR each:
#   bootstrap.plaintext   no encryption, no credentials
#   bootstrap.sasl_ssl    TLS, with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 as `alice`, who may do everything,
#                         or `bob`, who may do nothing; both have the password in `password`
#   bootstrap.ssl         TLS, which asks for client.crt
#   bootstrap.proxied     where a proxy is to listen that leads to `upstream.proxied`, no encryption: clients
#                         are sent there for everything
# Also written: `n<NODE>.pid`, `n<NODE>.log`, `ca.crt`, `client.crt`, `client.key`. Topics are not made by
# being written to. The server's own files are in DATA_DIR/server.
#
# Environment:
#   KAFKA_NODES       brokers, each a controller as well; default 1
#   KAFKA_PASSWORD    default: a random one
#   KAFKA_SETTINGS    more lines for server.properties; they win
#   KAFKA_HEAP        default 256m
#   KAFKA_WAIT        seconds until the start counts as failed, default 180
#   KAFKA_OWNER_PID   stop the servers and delete DATA_DIR/server once this process has ended
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/process.sh
. "$here/process.sh"
# shellcheck source=tests/services/java.sh
. "$here/java.sh"

data_dir=$(realpath -m "${1:?usage: kafka-start.sh DATA_DIR [NODE...]}")
shift
nodes=${KAFKA_NODES:-1}
heap=${KAFKA_HEAP:-256m}
server=$data_dir/server
readonly ports_of_node=6

# is_listened_to PORT: whether anything on this machine listens there.
is_listened_to() {
    local hex
    hex=$(printf ':%04X' "$1")
    awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Brokers tell clients their ports, so these are chosen before the start: below the range from which the
# system takes its own.
choose_ports() {
    local port chosen=()
    while ((${#chosen[@]} < nodes * ports_of_node)); do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        if [[ " ${chosen[*]} " != *" $port "* ]] && ! is_listened_to "$port"; then
            chosen+=("$port")
        fi
    done
    echo "${chosen[*]}" >"$data_dir/ports"
}

# port NODE NUMBER: 0 plaintext, 1 controller, 2 SASL, 3 TLS, 4 proxied, 5 the proxy.
port() { echo "${ports[($1 - 1) * ports_of_node + $2]}"; }

# addresses HOST NUMBER: of all brokers, with commas.
addresses() {
    local node list=()
    for node in $(seq "$nodes"); do
        list+=("$1:$(port "$node" "$2")")
    done
    (IFS=,; echo "${list[*]}")
}

write_addresses() {
    addresses 127.0.0.1 0 >"$data_dir/bootstrap.plaintext"
    addresses localhost 2 >"$data_dir/bootstrap.sasl_ssl"
    addresses localhost 3 >"$data_dir/bootstrap.ssl"
    addresses 127.0.0.1 5 >"$data_dir/bootstrap.proxied"
    addresses 127.0.0.1 4 >"$data_dir/upstream.proxied"
}

voters() {
    local node list=()
    for node in $(seq "$nodes"); do
        list+=("$node@127.0.0.1:$(port "$node" 1)")
    done
    (IFS=,; echo "${list[*]}")
}

# write_settings NODE
write_settings() {
    local node=$1 replicas=$((nodes < 3 ? nodes : 3)) in_sync=$((nodes < 3 ? 1 : 2)) secret
    secret=$(<"$data_dir/password")
    cat <<SETTINGS
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$(voters)
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$server/n$node/data
listeners=PLAINTEXT://127.0.0.1:$(port "$node" 0),CONTROLLER://127.0.0.1:$(port "$node" 1),SASL_SSL://127.0.0.1:$(port "$node" 2),SSL://127.0.0.1:$(port "$node" 3),PROXIED://127.0.0.1:$(port "$node" 4)
advertised.listeners=PLAINTEXT://127.0.0.1:$(port "$node" 0),SASL_SSL://localhost:$(port "$node" 2),SSL://localhost:$(port "$node" 3),PROXIED://127.0.0.1:$(port "$node" 5)
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,PROXIED:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="$secret" user_bob="$secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$server/certificates/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$server/certificates/ca.crt
listener.name.ssl.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:alice;User:CN=client
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
SETTINGS
    printf '%s\n' "${KAFKA_SETTINGS:-}"
}

prepare_security() {
    local certificates=$server/certificates
    "$here/certificates.sh" "$certificates"
    cat "$certificates"/{server.key,server.crt,ca.crt} >"$certificates/server.pem"
    cp "$certificates"/{ca.crt,client.crt,client.key} "$data_dir/"
    if [[ ! -s $data_dir/password ]]; then
        (umask 077 && printf '%s' "${KAFKA_PASSWORD:-$(openssl rand -hex 16)}" >"$data_dir/password")
    fi
}

# The first compiler tier and the serial collector: a server that lives for minutes beside a build on two
# cores starts sooner and takes less of them.
readonly java_options=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData
    -Dorg.slf4j.simpleLogger.showDateTime=true)

# format NODE: prepares the folder of its data, once, with the users for SCRAM.
format() {
    local node=$1 secret mechanism user users=()
    [[ -e $server/n$node/data/meta.properties ]] && return
    secret=$(<"$data_dir/password")
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
        for user in alice bob; do
            users+=(--add-scram "$mechanism=[name=$user,password=$secret]")
        done
    done
    as_service "$java/bin/java" -Xmx128m "${java_options[@]}" -cp "$libs/*" kafka.tools.StorageTool format \
        -t "$(<"$data_dir/cluster.id")" -c "$server/n$node/server.properties" "${users[@]}" \
        >"$data_dir/n$node.log" 2>&1
}

# Prints where to run Kafka from: the cache, or a copy when it lies in root's own folder.
reachable_libs() {
    if as_service test -r "$installed"/kafka_2.13-*.jar 2>/dev/null; then
        echo "$installed"
        return
    fi
    local copy=$server/libs
    if [[ ! -d $copy ]]; then
        # Hard links cost nothing, but need one file system.
        cp -a --link "$installed" "$copy.part" 2>/dev/null ||
            { rm -rf "$copy.part" && cp -a "$installed" "$copy.part"; }
        mv -T "$copy.part" "$copy"
    fi
    echo "$copy"
}

# start_nodes NODE...: launches them and waits until all are ready.
start_nodes() {
    local node format formats=()
    for node in "$@"; do
        mkdir -p "$server/n$node"
        (umask 077 && write_settings "$node" >"$server/n$node/server.properties")
    done
    own_dir "$server"
    for node in "$@"; do
        format "$node" &
        formats+=($!)
    done
    for format in "${formats[@]}"; do
        wait "$format" || { tail -n 30 "$data_dir"/n*.log >&2; fail "a folder of data could not be prepared"; }
    done
    for node in "$@"; do
        launch "$data_dir/n$node.pid" "$data_dir/n$node.log" "$java/bin/java" "-Xms$heap" "-Xmx$heap" \
            "${java_options[@]}" -cp "$libs/*" kafka.Kafka "$server/n$node/server.properties"
    done
    for node in "$@"; do
        wait_until "${KAFKA_WAIT:-180}" "$data_dir/n$node.pid" "$data_dir/n$node.log" \
            grep -q 'Kafka Server started' "$data_dir/n$node.log"
    done
}

installed=$("$here/kafka-install.sh")
java=$(java_home)
mkdir -p "$server"
# Kafka takes an id that begins with a hyphen for an option.
[[ -s $data_dir/cluster.id ]] || head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 1-22 >"$data_dir/cluster.id"
# A cluster that was started before keeps its size.
if [[ -s $data_dir/nodes ]]; then
    nodes=$(<"$data_dir/nodes")
fi
echo "$nodes" >"$data_dir/nodes"
if (($# > 0)); then
    chosen=("$@")
else
    mapfile -t chosen < <(seq "$nodes")
fi
for node in "${chosen[@]}"; do
    ! is_running "$data_dir/n$node.pid" || fail "node $node already runs in $data_dir"
done
prepare_security
own_dir "$server"
libs=$(reachable_libs)
unset JAVA_TOOL_OPTIONS

is_new=0
if [[ ! -s $data_dir/ports ]]; then
    is_new=1
    choose_ports
fi
trap '"$here/kafka-stop.sh" "$data_dir" "${chosen[@]}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [[ -n ${KAFKA_OWNER_PID:-} && $is_new == 1 ]]; then
    # shellcheck disable=SC2016 # expanded by the shell that is started later
    after_owner "$KAFKA_OWNER_PID" bash -c '"$1" "$2" && rm -rf "$2/server"' \
        kafka "$here/kafka-stop.sh" "$data_dir"
fi
attempt=1
while true; do
    read -ra ports <"$data_dir/ports"
    write_addresses
    # In a shell of its own, which a failure ends.
    if (trap - EXIT; start_nodes "${chosen[@]}"); then
        break
    fi
    # Somebody else may have taken a port in between. Nobody knows the addresses of a new cluster yet.
    if ((is_new == 0 || attempt == 3)) || ! grep -qs 'Address already in use' "$data_dir"/n*.log; then
        exit 1
    fi
    attempt=$((attempt + 1))
    "$here/kafka-stop.sh" "$data_dir"
    choose_ports
done
trap - EXIT
cat "$data_dir/bootstrap.plaintext"
