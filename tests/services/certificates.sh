#!/usr/bin/env bash
# Usage: certificates.sh DIR
#
# Makes a certificate authority, and by it a server and a client certificate for localhost and
# 127.0.0.1: DIR/{ca,server,client}.{crt,key}, PEM with PKCS#8 keys; and DIR/expired.crt, which is the
# server's but ran out long ago. Leaves what is there alone.
set -euo pipefail

dir=${1:?usage: certificates.sh DIR}
if [[ -e $dir/expired.crt ]]; then
    exit 0
fi
mkdir -p "$dir"

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256)

# openssl tells its progress on stderr; it is shown only when something failed.
quietly() {
    local said
    said=$("$@" 2>&1) || { echo "$said" >&2; return 1; }
}

quietly openssl req -x509 "${new_key[@]}" -days 3650 -subj "/CN=o365flow test authority" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$dir/ca.key" -out "$dir/ca.crt"

cat >"$dir/leaf.cnf" <<'EXTENSIONS'
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
EXTENSIONS

for name in server client; do
    quietly openssl req "${new_key[@]}" -subj "/CN=$name" -keyout "$dir/$name.key" -out "$dir/$name.csr"
    quietly openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" \
        -CAcreateserial -days 3650 -sha256 -extfile "$dir/leaf.cnf" -out "$dir/$name.crt"
done

# Only `openssl ca` sets the dates; it wants to keep books.
books=$dir/books
mkdir "$books"
: >"$books/index"
cat >"$books/cnf" <<BOOKS
[ca]
default_ca = books
[books]
database = $books/index
new_certs_dir = $books
default_md = sha256
policy = any
rand_serial = yes
[any]
commonName = supplied
BOOKS
quietly openssl ca -batch -notext -config "$books/cnf" -cert "$dir/ca.crt" -keyfile "$dir/ca.key" \
    -startdate 20200101000000Z -enddate 20200201000000Z -extfile "$dir/leaf.cnf" \
    -in "$dir/server.csr" -out "$dir/expired.crt"
rm -r "$books"
