#!/usr/bin/env python3
"""As much of WebSocket (RFC 6455) as a conversation needs: the opening handshake, binary messages
in one frame, the closing handshake.

usage: websocket.py echo ADDRESS:PORT      sends every message back
"""
import base64
import hashlib
import os
import socket
import struct
import sys
import threading

from socks_connect import exactly

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_BINARY, _CLOSE = 2, 8
_FIN, _MASKED = 0x80, 0x80
_LENGTH_16, _LENGTH_64 = 126, 127


class WebSocket:
    """After the handshake. Clients mask what they send (section 5.3)."""

    def __init__(self, stream, masks):
        self._stream = stream
        self._masks = masks
        self._lock = threading.Lock()

    def send(self, message, opcode=_BINARY):
        mask = _MASKED if self._masks else 0
        head = bytes([_FIN | opcode])
        if len(message) < _LENGTH_16:
            head += bytes([mask | len(message)])
        elif len(message) < 1 << 16:
            head += struct.pack(">BH", mask | _LENGTH_16, len(message))
        else:
            head += struct.pack(">BQ", mask | _LENGTH_64, len(message))
        if self._masks:
            key = os.urandom(4)
            head, message = head + key, _masked(message, key)
        with self._lock:
            self._stream.sendall(head + message)

    def receive(self):
        """A message; None when the other end has closed."""
        first, second = exactly(self._stream, 2)
        length = second & ~_MASKED
        if length == _LENGTH_16:
            length, = struct.unpack(">H", exactly(self._stream, 2))
        elif length == _LENGTH_64:
            length, = struct.unpack(">Q", exactly(self._stream, 8))
        key = exactly(self._stream, 4) if second & _MASKED else None
        message = exactly(self._stream, length)
        if key:
            message = _masked(message, key)
        if first == _FIN | _CLOSE:
            return None
        if first != _FIN | _BINARY:
            raise ValueError(f"a frame that was not asked for: {first:#04x}")
        return message

    def close(self):
        self.send(b"", _CLOSE)


def _masked(message, key):
    long_key = (key * (len(message) // 4 + 1))[:len(message)]
    size = len(message)
    return (int.from_bytes(message, "big") ^ int.from_bytes(long_key, "big")).to_bytes(size, "big")


def _accept(key):
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def _head(stream):
    """The lines of an HTTP head, and its fields by their names in lower case."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        text += exactly(stream, 1)
    lines = text.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if line)
    return lines[0], {name.lower(): value for name, value in fields.items()}


def client(stream, host):
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
                   f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                   "Sec-WebSocket-Version: 13\r\n\r\n".encode())
    status, fields = _head(stream)
    if status.split()[1] != "101" or fields["sec-websocket-accept"] != _accept(key):
        raise OSError(f"no WebSocket there: {status}")
    return WebSocket(stream, masks=True)


def _echo(stream):
    _, fields = _head(stream)
    stream.sendall("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: "
                   f"{_accept(fields['sec-websocket-key'])}\r\n\r\n".encode())
    web = WebSocket(stream, masks=False)
    while (message := web.receive()) is not None:
        web.send(message)
    web.close()
    stream.close()


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "echo":
        sys.exit(__doc__)
    address, _, port = sys.argv[2].rpartition(":")
    with socket.create_server((address, int(port))) as listener:
        while True:
            stream, _ = listener.accept()
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_echo, args=(stream,), daemon=True).start()


if __name__ == "__main__":
    main()
