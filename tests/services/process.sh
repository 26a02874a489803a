# shellcheck shell=bash
# Starts a test server under an ordinary user, waits for it, stops it by its pid.
#
# Sourced by the start and stop scripts. A server leads its own session, so that a signal to the
# terminal reaches the test run first and the server is stopped in order. Nothing here looks for a
# process by its name.

# The user that servers run as when the tests run as root; some servers refuse root.
readonly service_user=nobody

# Where downloads stay between runs.
# shellcheck disable=SC2034 # read by the scripts that source this one
readonly cache_dir="${XDG_CACHE_HOME:-$HOME/.cache}/o365flow"

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

is_root() { [[ $(id -u) -eq 0 ]]; }

# What to put before a command so that the service user runs it; nothing when one is not root.
become_service=()
if is_root; then
    become_service=(setpriv --reuid "$service_user" --regid "$(id -g "$service_user")" --clear-groups)
fi

# as_service COMMAND...
as_service() { "${become_service[@]}" "$@"; }

# own_dir DIR: makes DIR, which only the service user writes to. The folders above it must let
# that user pass; DIR's own parent is opened for it, because it was given to this server.
own_dir() {
    mkdir -p "$1"
    is_root || return 0
    chmod o+x "$(dirname "$1")"
    chown -R "$service_user" "$1"
    as_service test -w "$1" || fail "user $service_user cannot reach $1: choose a folder below /tmp"
}

# launch PID_FILE LOG COMMAND...: starts COMMAND in the background, in a session of its own.
launch() {
    local pid_file=$1 log=$2
    shift 2
    # Neither setsid nor setpriv forks here, so the pid is the server's own and names its group.
    setsid "${become_service[@]}" "$@" >"$log" 2>&1 </dev/null &
    echo $! >"$pid_file"
}

# is_alive PID. A process that ended counts as dead even when nobody has collected it: in a container
# without an init it stays a zombie for good.
is_alive() { [[ $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) == [!XZ] ]]; }

# is_running PID_FILE
is_running() { [[ -s $1 ]] && is_alive "$(<"$1")"; }

# wait_until SECONDS PID_FILE LOG CHECK...: until CHECK succeeds. Fails, with the end of the log,
# when the server ends or the time is up.
wait_until() {
    local seconds=$1 pid_file=$2 log=$3
    shift 3
    local deadline=$((SECONDS + seconds))
    until "$@"; do
        if ! is_running "$pid_file"; then
            tail -n 30 "$log" >&2
            fail "the server ended before it was ready (log: $log)"
        elif ((SECONDS > deadline)); then
            tail -n 30 "$log" >&2
            fail "the server was not ready after ${seconds}s (log: $log)"
        fi
        sleep 0.3
    done
}

# stop PID_FILE SECONDS: asks the server to end, and kills it when it has not after SECONDS.
stop() {
    local pid_file=$1 deadline=$((SECONDS + $2)) pid
    [[ -s $pid_file ]] || return 0
    pid=$(<"$pid_file")
    kill "$pid" 2>/dev/null || true
    while is_alive "$pid" && ((SECONDS <= deadline)); do
        sleep 0.1
    done
    # The server leads a process group. Whatever is left of it must not outlive it.
    kill -KILL -- "-$pid" 2>/dev/null || true
    rm -f "$pid_file"
}

# serve_on_free_port DATA_DIR NAME PATH COMMAND...: launches COMMAND, in whose words {port} stands for a free port of
# 127.0.0.1, and returns when it answers a GET of PATH there. Writes `pid`, `log` and `url` in DATA_DIR.
serve_on_free_port() {
    local data_dir=$1 name=$2 path=$3 attempt port
    shift 3
    trap 'stop "$data_dir/pid" 5' EXIT
    for ((attempt = 1; attempt <= 20; attempt++)); do
        # Below the range from which the system takes the ports of outgoing connections.
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        launch "$data_dir/pid" "$data_dir/log" "${@//\{port\}/$port}"
        if answers_in_time "$data_dir/pid" "http://127.0.0.1:$port$path"; then
            trap - EXIT
            echo "http://127.0.0.1:$port" >"$data_dir/url"
            return
        fi
        stop "$data_dir/pid" 5
    done
    tail -n 30 "$data_dir/log" >&2
    fail "$name did not start (log: $data_dir/log)"
}

# answers_in_time PID_FILE URL: whether the server, just started, got its port and answers.
answers_in_time() {
    local deadline=$((SECONDS + 30))
    while is_running "$1" && ((SECONDS <= deadline)); do
        # Whoever had the port before may answer: the server that lost ends at once.
        if curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$2" && sleep 0.2 && is_running "$1"; then
            return
        fi
        sleep 0.1
    done
    return 1
}

# after_owner PID COMMAND...: runs COMMAND in the background once the process PID has ended, however.
after_owner() {
    # shellcheck disable=SC2016 # expanded by the shell that waits
    setsid bash -c 'while [[ -d /proc/$1 ]]; do sleep 1; done; shift; exec "$@"' after_owner "$@" \
        >/dev/null 2>&1 </dev/null &
}
