#!/usr/bin/env python3
"""IKEv2 computed and taken apart without a line of Godwit.

  python3 tests/vectors/ike.py              writes ike_keys.txt beside itself (RFC 7296 sections 2.14, 2.17)
  python3 tests/vectors/ike.py published    that its key derivation gives the vectors NIST published
  python3 tests/vectors/ike.py check FILE   verifies recorded handshakes, such as ike_handshake.txt

Keys need the standard library only. To check a handshake takes X25519, Ed25519 and AES-GCM from the
package `cryptography`, which is OpenSSL's: the private values are looked for among the random octets
that were drawn, every key is recomputed, every message opened, both AUTH payloads verified.
"""

import hashlib
import hmac
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
CIPHERS = {"aes128gcm16": 16, "aes256gcm16": 32}
SALT = 4
SA, KE, IDI, IDR, CERT, AUTH, NONCE, NOTIFY, SK = 33, 34, 35, 36, 37, 39, 40, 41, 46
ED25519_OID = bytes.fromhex("300506032b6570")


def prf(digest, key, data):
    return hmac.new(key, data, digest).digest()


def prf_plus(digest, key, seed, length):
    out = block = b""
    number = 0
    while len(out) < length:
        number += 1
        block = prf(digest, key, block + seed + bytes([number]))
        out += block
    return out[:length]


def cut(data, *lengths):
    at = 0
    for length in lengths:
        yield data[at:at + length]
        at += length


def ike_keys(digest, key_length, ni, nr, spi_i, spi_r, shared):
    size = digest().digest_size
    cipher = key_length + SALT
    skeyseed = prf(digest, ni + nr, shared)
    lengths = (size, cipher, cipher, size, size)
    names = ("sk_d", "sk_ei", "sk_er", "sk_pi", "sk_pr")
    return dict(zip(names, cut(prf_plus(digest, skeyseed, ni + nr + spi_i + spi_r, sum(lengths)), *lengths)))


def child_keys(digest, key_length, sk_d, ni, nr):
    cipher = key_length + SALT
    return dict(zip(("child_i", "child_r"), cut(prf_plus(digest, sk_d, ni + nr, 2 * cipher), cipher, cipher)))


def keys_text():
    lines = ["# Computed by ike.py: IKE SA and first Child SA with a combined-mode cipher (RFC 5282)."]
    for name, digest in (("sha256", hashlib.sha256), ("sha512", hashlib.sha512)):
        for cipher, key_length in CIPHERS.items():
            fill = lambda tag, count: hashlib.shake_128(f"{name}{cipher}{tag}".encode()).digest(count)
            given = dict(ni=fill("ni", 32), nr=fill("nr", 48), spi_i=fill("i", 8), spi_r=fill("r", 8), shared=fill("s", 32))
            keys = ike_keys(digest, key_length, **given)
            record = dict(name=f"{cipher} {name}", prf=name, cipher=cipher, **given, **keys,
                          **child_keys(digest, key_length, keys["sk_d"], given["ni"], given["nr"]))
            lines.append("")
            lines += [f"{k} = {v.hex() if isinstance(v, bytes) else v}" for k, v in record.items()]
    return "\n".join(lines) + "\n"


def check_published():
    """What is computed above stands on these; and what is written down is what is computed."""
    for record in read(HERE / "ike_keys_cavp.txt"):
        digest = getattr(hashlib, record["prf"])
        given = {key: bytes.fromhex(record[key]) for key in ("ni", "nr", "spi_i", "spi_r", "shared", "shared_new")}
        nonces = given["ni"] + given["nr"]
        assert prf(digest, nonces, given["shared"]).hex() == record["skeyseed"], record["name"]
        published = bytes.fromhex(record["keys"])
        seed = nonces + given["spi_i"] + given["spi_r"]
        assert prf_plus(digest, bytes.fromhex(record["skeyseed"]), seed, len(published)) == published, record["name"]
        sk_d = ike_keys(digest, 16, **{key: given[key] for key in ("ni", "nr", "spi_i", "spi_r", "shared")})["sk_d"]
        assert published.startswith(sk_d), record["name"]
        assert prf(digest, sk_d, given["shared_new"] + nonces).hex() == record["skeyseed_rekey"], record["name"]
        print(f"{record['name']}: agrees")
    assert (HERE / "ike_keys.txt").read_text() == keys_text(), "ike_keys.txt is not what ike.py writes"


def payloads(first, data):
    found = []
    while first:
        following, _, length = struct.unpack_from("!BBH", data)
        found.append((first, data[4:length]))
        assert 4 <= length <= len(data), "payload length"
        data = data[length:]
        first = following
    assert not data, "octets after the last payload"
    return found


def open_message(message, key):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    assert message[16] == SK, "first payload is not SK"
    inner, _, length = struct.unpack_from("!BBH", message, 28)
    assert 28 + length == len(message) == struct.unpack_from("!I", message, 24)[0], "lengths"
    iv, sealed = message[32:40], message[40:]
    clear = AESGCM(key[:-SALT]).decrypt(key[-SALT:] + iv, sealed, message[:32])
    return payloads(inner, clear[:len(clear) - 1 - clear[-1]])


def private_value(drawn, public):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    for at in range(len(drawn) - 31):
        key = X25519PrivateKey.from_private_bytes(drawn[at:at + 32])
        if key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) == public:
            return key
    raise SystemExit("the private value is not among the random octets")


def check_auth(record, body, octets, certificate):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    method, value = body[0], body[4:]
    if record["name"] == "psk":
        assert method == 2, "AUTH method"
        key = prf(hashlib.sha256, b"shared", b"Key Pad for IKEv2")
        assert value == prf(hashlib.sha256, key, octets), "shared key proof"
        return
    assert method == 14 and value[0] == len(ED25519_OID) and value[1:8] == ED25519_OID, "AUTH method"
    assert certificate[0] == 15, "CERT encoding"
    assert certificate[1:13] == bytes.fromhex("302a300506032b6570032100"), "SubjectPublicKeyInfo"
    Ed25519PublicKey.from_public_bytes(certificate[13:]).verify(value[8:], octets)


def check(record):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    messages = [bytes.fromhex(record[f"message{i}"]) for i in range(6)]
    init = [dict(payloads(m[16], m[28:])) for m in messages[:2]]
    shares = [body[KE][4:] for body in init]
    assert all(body[KE][:4] == bytes([0, 31, 0, 0]) for body in init), "X25519"
    ni, nr = (body[NONCE] for body in init)
    secret = private_value(bytes.fromhex(record["random_i"]), shares[0]).exchange(X25519PublicKey.from_public_bytes(shares[1]))
    assert secret == private_value(bytes.fromhex(record["random_r"]), shares[1]).exchange(
        X25519PublicKey.from_public_bytes(shares[0])), "shared secret"
    keys = ike_keys(hashlib.sha256, 32, ni, nr, messages[1][:8], messages[1][8:16], secret)
    opened = [open_message(m, keys["sk_ei" if i % 2 == 0 else "sk_er"]) for i, m in enumerate(messages[2:])]
    assert len({m[32:40] for m in messages[2::2]}) == 2, "an IV comes twice"
    request, response = (dict(reversed(it)) for it in opened[:2])
    assert request[IDI] == b"\2\0\0\0a.example" and response[IDR] == b"\2\0\0\0b.example", "identities"
    check_auth(record, request[AUTH], messages[0] + nr + prf(hashlib.sha256, keys["sk_pi"], request[IDI]), request.get(CERT))
    check_auth(record, response[AUTH], messages[1] + ni + prf(hashlib.sha256, keys["sk_pr"], response[IDR]), response.get(CERT))
    bits = struct.unpack("!H", response[SA][22:24])[0]
    child = child_keys(hashlib.sha256, bits // 8, keys["sk_d"], ni, nr)
    assert child["child_i"].hex() == record["child_i"] and child["child_r"].hex() == record["child_r"], "Child SA keys"
    notified = [[body[2:4].hex() for kind, body in it if kind == NOTIFY] for it in opened]
    assert "4007" in notified[0] and "4007" in notified[1], "USE_TRANSPORT_MODE"
    print(f"{record['name']}: 4 messages opened, both AUTH right, child AES-{bits}; notifies {notified}")


def read(path):
    record = {}
    for line in [*pathlib.Path(path).read_text().splitlines(), ""]:
        if " = " in line:
            key, value = line.split(" = ", 1)
            record[key] = value
        elif not line and record:
            yield record
            record = {}


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        for entry in read(sys.argv[2]):
            check(entry)
    elif sys.argv[1:2] == ["published"]:
        check_published()
    else:
        (HERE / "ike_keys.txt").write_text(keys_text())
