#!/bin/bash
# keys-kmip.sh - is exec: enough to get a key from a KMIP server over mutual TLS?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/filter/encryption/providers.sh
. "$WEIR_SOURCE/tests/filter/encryption/providers.sh"
requires openssl /usr/bin/python3
/usr/bin/python3 -c 'import kmip' 2>/dev/null || skip "needs python3-pykmip"
tls=$work/tls
mkdir "$tls" "$work/policies"
export HOME=$work # where the client would look for a configuration

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tls/ca.key" -out "$tls/ca.pem" \
    -subj /CN=ca -days 2 2>/dev/null
for name in server client; do
    openssl req -newkey rsa:2048 -nodes -keyout "$tls/$name.key" -out "$tls/$name.csr" -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$tls/$name.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days 2 \
        -out "$tls/$name.pem" -extfile <(printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name) 2>/dev/null
done
chmod 600 "$tls"/*.key

free_port
cat >"$work/server.py" <<EOF
from kmip.services.server import KmipServer
server = KmipServer(hostname='127.0.0.1', port=$port, certificate_path='$tls/server.pem',
    key_path='$tls/server.key', ca_path='$tls/ca.pem', auth_suite='TLS1.2', config_path=None,
    log_path='$work/kmip.log', policy_path='$work/policies', enable_tls_client_auth=True,
    database_path='$work/kmip.db', live_policies=False)
with server:
    server.serve()
EOF
spawn kmip-server setsid /usr/bin/python3 "$work/server.py"
cleanup_fn "kill -9 -- -$pid 2>/dev/null" # with its children; asked, it would take 10 s
accepts() { (: >"/dev/tcp/127.0.0.1/$port"); }
wait_until 60 accepts

# The hook that an administrator writes: the key whose name is the disk's, or what it is told.
cat >"$work/get-key" <<EOF
#!/usr/bin/python3
import os, sys
from kmip import enums
from kmip.pie.client import ProxyKmipClient
from kmip.core.factories.attributes import AttributeFactory

name = sys.argv[1] if len(sys.argv) > 1 else os.environ["WEIR_EXPORT"]
client = ProxyKmipClient(hostname='127.0.0.1', port=$port, cert='$tls/client.pem', key='$tls/client.key',
    ca='$tls/ca.pem', ssl_version='PROTOCOL_TLSv1_2', kmip_version=enums.KMIPVersion.KMIP_1_4)
with client:
    found = client.locate(attributes=[AttributeFactory().create_attribute(enums.AttributeType.NAME,
        name)])
    if not found:
        sys.exit(f"no key of name {name} on the server")
    sys.stdout.buffer.write(client.get(found[0]).value)
EOF
chmod +x "$work/get-key"
want=$(/usr/bin/python3 - <<EOF
import hashlib
from kmip import enums
from kmip.pie.client import ProxyKmipClient
with ProxyKmipClient(hostname='127.0.0.1', port=$port, cert='$tls/client.pem', key='$tls/client.key',
        ca='$tls/ca.pem', ssl_version='PROTOCOL_TLSv1_2', kmip_version=enums.KMIPVersion.KMIP_1_4) as client:
    uid = client.create(enums.CryptographicAlgorithm.AES, 256, name='vm1')
    client.activate(uid)
    print(hashlib.sha256(client.get(uid).value).hexdigest())
EOF
)

gives "exec:$work/get-key" "$want" # by WEIR_EXPORT
gives "exec:$work/get-key vm1" "$want"
refused "exec:$work/get-key vm2" EACCES "failed with exit code 1: no key of name vm2 on the server"

# without our certificate the server does not talk
mv "$tls/client.pem" "$tls/hidden"
refused "exec:$work/get-key" EACCES "failed with exit code 1: "
