#!/usr/bin/env bash
# Usage: RECORDS=FILE [OUT=FILE] [PROGRAM=FILE] [SEED=TEXT] corpus.sh
#
# Tries a mapping on real records: maps RECORDS (NDJSON or a JSON array, packed or not) with PROGRAM, by
# default vrl/ecs.vrl, writes what comes out to OUT, starts a real Elasticsearch, installs the shipped
# index template, and stores every mapped event in an order of its own for each SEED. Shows program errors
# and documents that were refused, with the reasons. Exits 1 if there was one of either, or if the server
# holds another number of documents than it should.
#
# Without RECORDS, the records beside the shipped mapping are taken. CORPUS_URL names an Elasticsearch that
# runs already; every run makes a data stream of its own there, and does not remove it.
set -euo pipefail

services=$(cd "$(dirname "${BASH_SOURCE[0]}")/services" && pwd)
cd "$services/../.."

program=${PROGRAM:-vrl/ecs.vrl}
out=${OUT:-corpus.mapped.ndjson}
seed=${SEED:-$RANDOM}
dataset=o365.corpus.$(date +%s).$$

step() { printf '\n== %s\n' "$1"; }

# shellcheck disable=SC2317 # called by a trap
clean_up() {
    local status=$?
    [[ -n ${CORPUS_URL:-} ]] || "$services/elasticsearch-stop.sh" "$work/server"
    rm -rf "$work"
    exit "$status"
}

# The records that the mapping comes with, as one file.
shipped_records() {
    local folder=${program%.vrl} inputs
    inputs=$(find "${program%/*}" \( -path "$folder/*.input.ndjson" -o -path "$folder.input.ndjson" \) | sort)
    [[ -n $inputs ]] || { echo "corpus.sh: name a file with records, as in make corpus RECORDS=audit.ndjson" >&2; exit 2; }
    xargs -d '\n' cat <<<"$inputs"
}

# ask METHOD PATH [BODY]: the answer of the server.
ask() {
    curl --silent --show-error --noproxy '*' --max-time 60 --header 'content-type: application/json' \
        -X "$1" "$url/$2" --data "${3:-}"
}

# Fields with values that were stored but cannot be searched for, with the number of documents: they are too long,
# or of another type than the template says.
ignored() {
    ask POST "logs-$dataset-default/_search?size=0" \
        '{"aggs":{"ignored":{"terms":{"field":"_ignored","size":1000}}}}' |
        grep -o '"key":"[^"]*","doc_count":[0-9]*' |
        sed 's/"key":"\(.*\)","doc_count":/  \1: /' || true
}

# How many mapped events have no id. The source office365 takes no such record.
without_id() {
    echo 'if is_string(.event.id) { abort }' >"$work/without_id.vrl"
    "$o365flow" vrl "$work/without_id.vrl" --quiet --input "$out" | wc -l
}

write_topology() {
    cat <<TOML
data_dir = "$work/data"

[sources.mapped]
type = "file"
include = ["$work/shuffled.ndjson"]
format = "ndjson"
schema = "any"
mode = "once"

# What a data stream needs of every event.
[transforms.dated]
type = "remap"
inputs = ["mapped"]
source = '."@timestamp" = string!(."@timestamp")'

[sinks.elasticsearch]
type = "elasticsearch"
inputs = ["dated"]
endpoints = ["$url"]
# So that copies of an event are stored as well: each is to be accepted.
id_field = ""
data_stream.dataset = "$dataset"
TOML
}

work=$(mktemp -d /tmp/o365flow-corpus.XXXXXX)
chmod 711 "$work"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$services/packages.sh" build test
records=${RECORDS:-}
if [[ -z $records ]]; then
    records=$work/shipped.ndjson
    shipped_records >"$records"
    echo "RECORDS names no file: taking the records beside $program."
fi
[[ -r $records ]] || { echo "corpus.sh: cannot read $records" >&2; exit 2; }

step "server"
if [[ -n ${CORPUS_URL:-} ]]; then
    url=$CORPUS_URL
else
    ES_OWNER_PID=$$ "$services/elasticsearch-start.sh" "$work/server" >"$work/server.out" 2>&1 &
    starter=$!
fi

step "build"
cargo build --release --locked --bin o365flow
o365flow=${CARGO_TARGET_DIR:-target}/release/o365flow
failures=()

step "mapping $records with $program"
"$o365flow" vrl "$program" --input "$records" --output "$out" || failures+=("the program failed on records")
echo "$(wc -l <"$out") mapped events are in $out"

step "index template"
if [[ -z ${CORPUS_URL:-} ]]; then
    wait "$starter" || { cat "$work/server.out" >&2; exit 1; }
    url=$(<"$work/server/url")
fi
umask 077
write_topology >"$work/corpus.toml"
"$o365flow" setup elasticsearch --config "$work/corpus.toml"

step "storing in random order (SEED=$seed)"
# The same seed is the same order.
shuf --random-source=<(openssl enc -aes-256-ctr -pass "pass:$seed" -nosalt </dev/zero 2>/dev/null) \
    "$out" >"$work/shuffled.ndjson"
if ! "$o365flow" --log warn run --once --config "$work/corpus.toml" >"$work/run.out"; then
    cat "$work/run.out"
    failures+=("storing failed")
fi
"$o365flow" dead-letter list --config "$work/corpus.toml"
letters=$(find "$work/data" -path '*/dead-letters/*' -type f -exec cat {} + | wc -l)
((letters == 0)) || failures+=("$letters documents were refused")

step "result"
ask POST "logs-$dataset-default/_refresh" >/dev/null
stored=$(ask GET "logs-$dataset-default/_count" | sed -n 's/.*"count":\([0-9]*\).*/\1/p')
events=$(wc -l <"$out")
((${stored:-0} + letters == events)) || failures+=("the server holds another number of documents")
echo "$events events: ${stored:-0} documents stored, $letters refused; $(without_id) have no event.id"
fields=$(ignored)
[[ -z $fields ]] || printf 'stored without being searchable in:\n%s\n' "$fields"
for failure in "${failures[@]}"; do echo "FAILED: $failure"; done
((${#failures[@]} == 0)) || exit 1
echo "PASSED"
