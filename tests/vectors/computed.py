#!/usr/bin/env python3
"""Vectors for which nobody has published any, computed without a line of Godwit.

  python3 tests/vectors/computed.py     writes prf_plus.txt and esp_transport.txt beside itself

prf+ (RFC 7296 section 2.13) needs the standard library only. ESP (RFC 4303, 4304, 4106) takes
AES-GCM from the package `cryptography`, which is OpenSSL's.
"""

import hashlib
import hmac
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent


def write(name, about, records):
    lines = [f"# {line}" for line in about]
    for record in records:
        lines.append("")
        for key, value in record.items():
            text = value.hex() if isinstance(value, bytes) else str(value)
            lines.append(f"{key} = {text}".rstrip())
    (HERE / name).write_text("\n".join(lines) + "\n")


def prf_plus(digest, key, seed, length):
    out = block = b""
    number = 0
    while len(out) < length:
        number += 1
        block = hmac.new(key, block + seed + bytes([number]), digest).digest()
        out += block
    return out[:length]


def prf_plus_records():
    for name, digest in (("sha256", hashlib.sha256), ("sha512", hashlib.sha512)):
        size = digest().digest_size
        for length in (1, size, size + 1, 3 * size, 300):
            key = bytes(range(size))
            seed = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(3)) + length.to_bytes(2, "big")
            yield dict(name=f"{name}, {length} octets", hash=name, key=key, seed=seed,
                       output=prf_plus(digest, key, seed, length))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(protocol, payload, options=b""):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0x2E, words * 4 + len(payload), 0x1234, 0x4000, 61,
                       protocol, 0, bytes([192, 0, 2, 7]), bytes([203, 0, 113, 5])) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(chain, payload):
    """chain: [(type, bytes of the header without its next-header octet)], then the payload's type."""
    kinds = [kind for kind, _ in chain]
    body = b"".join(bytes([following]) + octets for (_, octets), following in zip(chain, kinds[1:])) + payload
    return struct.pack("!IHBB16s16s", 0x6A512345, len(body), kinds[0], 63,
                       bytes.fromhex("20010db8000000000000000000000007"),
                       bytes.fromhex("20010db8000100000000000000000005")) + body


def sealed(key, salt, spi, sequence, esn, protocol, payload):
    padding = -(len(payload) + 2) % 4
    text = payload + bytes(range(1, padding + 1)) + bytes([padding, protocol])
    aad = struct.pack("!I", spi) + (struct.pack("!Q", sequence) if esn else struct.pack("!I", sequence))
    iv = struct.pack("!Q", sequence)
    return struct.pack("!II", spi, sequence & 0xFFFFFFFF) + iv + AESGCM(key).encrypt(salt + iv, text, aad)


def esp_records():
    udp, destination, hop, routing, esp = 17, 60, 0, 43, 50
    pad8 = bytes([0, 1, 4, 0, 0, 0, 0])  # an extension header of 8 octets: PadN
    router = bytes([0, 253, 0, 0, 0, 0, 0])
    for number, (bits, esn, sequence, size, kind) in enumerate((
            (128, False, 1, 0, "IPv4"),
            (128, False, 0xFFFFFFFF, 1, "IPv4"),
            (256, True, 1, 2, "IPv4"),
            (256, True, 0x100000000, 3, "IPv4"),
            (256, True, 0x0123456789ABCDEF, 1400, "IPv4"),
            (256, True, 0xFFFFFFFFFFFFFFFF, 64, "IPv4 with options"),
            (128, True, 77, 100, "IPv6"),
            (256, True, 78, 101, "IPv6 with hop-by-hop and routing headers"),
            (256, False, 79, 102, "IPv6 with a routing and destination options header"))):
        key = hashlib.sha256(b"key %d" % number).digest()[:bits // 8]
        salt = hashlib.sha256(b"salt %d" % number).digest()[:4]
        spi = 0xC0DE0000 + number
        data = bytes(i * 7 & 0xFF for i in range(size))
        payload = struct.pack("!HHHH", 40000, 53, 8 + size, 0) + data
        protect = lambda protocol, inside: sealed(key, salt, spi, sequence, esn, protocol, inside)  # noqa: E731
        if kind.startswith("IPv4"):
            options = bytes([1, 1, 1, 0]) if "options" in kind else b""
            clear = ipv4(udp, payload, options)
            closed = ipv4(esp, protect(udp, payload), options)
        elif "hop" in kind:
            chain = [(hop, pad8), (routing, router)]
            clear = ipv6(chain + [(udp, b"")], payload)
            closed = ipv6(chain + [(esp, b"")], protect(udp, payload))
        elif "destination" in kind:
            inside = bytes([udp]) + pad8 + payload
            clear = ipv6([(routing, router), (destination, pad8), (udp, b"")], payload)
            closed = ipv6([(routing, router), (esp, b"")], protect(destination, inside))
        else:
            clear = ipv6([(udp, b"")], payload)
            closed = ipv6([(esp, b"")], protect(udp, payload))
        yield dict(name=kind, key=key + salt, spi=f"{spi:08x}", esn="on" if esn else "off",
                   sequence=f"{sequence:016x}", clear=clear, sealed=closed)


write("prf_plus.txt", ["prf+ (RFC 7296 section 2.13), written by computed.py."], prf_plus_records())
write("esp_transport.txt",
      ["Whole datagrams before and after ESP in transport mode, written by computed.py. The key ends",
       "with the salt; the IV is the sequence number."], esp_records())
