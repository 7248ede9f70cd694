"""Seals and opens payloads with Tink: one JSON request a line in, one JSON answer a line out.

Requests (bytes are in hexadecimal):
  {"public_key": ..., "shared_info": text, "plaintext": ...}  ->  {"ciphertext": ...}
  {"private_key": ..., "public_key": ..., "shared_info": text, "ciphertext": ...}  ->  {"plaintext": ...}
An answer to what does not open is {"error": text}.
"""

import json
import sys

import tink
from tink import hybrid, secret_key_access
from tink.proto import hpke_pb2, tink_pb2

hybrid.register()


def handle(key, type_name, material):
    """A keyset of one key, without Tink's own prefix before the ciphertext."""
    keyset = tink_pb2.Keyset(primary_key_id=1)
    entry = keyset.key.add(key_id=1, status=tink_pb2.ENABLED, output_prefix_type=tink_pb2.RAW)
    entry.key_data.type_url = "type.googleapis.com/google.crypto.tink." + type_name
    entry.key_data.value = key.SerializeToString()
    entry.key_data.key_material_type = material
    return tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)


def public_key(request):
    params = hpke_pb2.HpkeParams(
        kem=hpke_pb2.DHKEM_X25519_HKDF_SHA256,
        kdf=hpke_pb2.HKDF_SHA256,
        aead=hpke_pb2.CHACHA20_POLY1305,
    )
    return hpke_pb2.HpkePublicKey(params=params, public_key=bytes.fromhex(request["public_key"]))


def seal(request, info):
    keyset = handle(public_key(request), "HpkePublicKey", tink_pb2.KeyData.ASYMMETRIC_PUBLIC)
    sealer = keyset.primitive(hybrid.HybridEncrypt)
    return {"ciphertext": sealer.encrypt(bytes.fromhex(request["plaintext"]), info).hex()}


def open_(request, info):
    key = hpke_pb2.HpkePrivateKey(
        public_key=public_key(request), private_key=bytes.fromhex(request["private_key"])
    )
    keyset = handle(key, "HpkePrivateKey", tink_pb2.KeyData.ASYMMETRIC_PRIVATE)
    opener = keyset.primitive(hybrid.HybridDecrypt)
    return {"plaintext": opener.decrypt(bytes.fromhex(request["ciphertext"]), info).hex()}


for line in sys.stdin:
    request = json.loads(line)
    info = b"aggregation_service" + request["shared_info"].encode()
    try:
        answer = open_(request, info) if "private_key" in request else seal(request, info)
    except tink.TinkError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
