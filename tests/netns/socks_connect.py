#!/usr/bin/env python3
"""Standard input and output over a SOCKS5 proxy (RFC 1928): what ssh's ProxyCommand wants.

usage: socks_connect.py PROXY_ADDRESS:PORT HOST PORT
"""
import os
import selectors
import socket
import struct
import sys


class Refused(Exception):
    """The proxy's answer; `code` is REP of RFC 1928 section 6."""

    def __init__(self, code):
        super().__init__(f"refused by the proxy with reply {code}")
        self.code = code


def request_of(host, port):
    """A CONNECT request; a name stays a name, for the far side to resolve."""
    try:
        address = b"\x01" + socket.inet_pton(socket.AF_INET, host)
    except OSError:
        try:
            address = b"\x04" + socket.inet_pton(socket.AF_INET6, host)
        except OSError:
            address = b"\x03" + bytes([len(host)]) + host.encode()
    return b"\x05\x01\x00" + address + struct.pack(">H", port)


def connect(proxy, host, port):
    """A connection through the proxy, which is a connected socket."""
    proxy.sendall(b"\x05\x01\x00")
    if exactly(proxy, 2) != b"\x05\x00":
        raise OSError("the proxy wants a password")
    proxy.sendall(request_of(host, port))
    _, reply, _, kind = exactly(proxy, 4)
    if reply:
        raise Refused(reply)
    exactly(proxy, {1: 4, 4: 16}.get(kind) or exactly(proxy, 1)[0])
    exactly(proxy, 2)
    return proxy


def exactly(stream, size):
    data = b""
    while len(data) < size:
        block = stream.recv(size - len(data))
        if not block:
            raise EOFError(f"the proxy closed after {len(data)} of {size} bytes")
        data += block
    return data


def main():
    proxy, _, proxy_port = sys.argv[1].rpartition(":")
    stream = connect(socket.create_connection((proxy, int(proxy_port))), sys.argv[2],
                     int(sys.argv[3]))
    ways = selectors.DefaultSelector()
    ways.register(0, selectors.EVENT_READ)
    ways.register(stream, selectors.EVENT_READ)
    while True:
        for key, _ in ways.select():
            if key.fileobj == 0:
                data = os.read(0, 65536)
                if data:
                    stream.sendall(data)
                else:
                    ways.unregister(0)
                    stream.shutdown(socket.SHUT_WR)
            else:
                data = stream.recv(65536)
                if not data:
                    return
                os.write(1, data)


if __name__ == "__main__":
    main()
