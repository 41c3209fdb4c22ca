#!/usr/bin/env python3
"""One TCP flow with known bytes, both ends of it: paced (a little every 2 ms) or as fast as it
goes. The receiving end prints "SECONDS_SINCE_BOOT BYTES" for each read and compares every byte.

usage: flow.py serve ADDRESS:PORT                        one flow, then it ends
       flow.py ask PROXY HOST:PORT down|up MBIT SECONDS  PROXY: ADDRESS:PORT of SOCKS5, or "none"

MBIT 0: as fast as it goes. Down: the server sends.
"""
import random
import socket
import sys
import time

import socks_connect

_BLOCK = 1 << 18
_STEP = 0.002
_QUESTION = 32
# Whatever is lost, doubled or out of order shifts the bytes and shows: no stretch recurs soon.
_BYTES = random.Random(20).randbytes(_BLOCK)
_TWICE = _BYTES + _BYTES


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def send(stream, rate, seconds):
    """`rate` in bytes per second, 0 for no limit."""
    began, sent = now(), 0
    while (passed := now() - began) < seconds:
        due = int(passed * rate) - sent if rate else _BLOCK
        if due > 0:
            at = sent % _BLOCK
            block = _TWICE[at:at + min(due, _BLOCK)]
            stream.sendall(block)
            sent += len(block)
        if rate:
            time.sleep(_STEP)
    stream.shutdown(socket.SHUT_WR)


def receive(stream):
    got = 0
    while block := stream.recv(_BLOCK):
        at = got % _BLOCK
        print(f"{now():.6f} {len(block)}", flush=True)
        if block != _TWICE[at:at + len(block)]:
            sys.exit(f"flow: the bytes from {got} on are not those that were sent")
        got += len(block)


def converse(stream, sends, rate, seconds):
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sends:
        send(stream, rate, seconds)
        stream.recv(1)  # the far end closes when it has everything
    else:
        receive(stream)


def serve(where):
    address, _, port = where.rpartition(":")
    with socket.create_server((address, int(port))) as listener:
        stream, _ = listener.accept()
    question = socks_connect.exactly(stream, _QUESTION).decode().split()
    converse(stream, question[0] == "down", float(question[1]), float(question[2]))


def ask(proxy, to, direction, mbit, seconds):
    host, _, port = to.rpartition(":")
    if proxy == "none":
        stream = socket.create_connection((host, int(port)))
    else:
        address, _, proxy_port = proxy.rpartition(":")
        stream = socks_connect.connect(socket.create_connection((address, int(proxy_port))), host,
                                       int(port))
    rate = float(mbit) * 1e6 / 8
    stream.sendall(f"{direction} {rate:.0f} {float(seconds):.1f}".ljust(_QUESTION).encode())
    converse(stream, direction == "up", rate, float(seconds))


def main():
    commands = {"serve": (serve, 1), "ask": (ask, 5)}
    command, count = commands.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if command is None or len(sys.argv) != 2 + count:
        sys.exit(__doc__)
    try:
        command(*sys.argv[2:])
    except (OSError, EOFError) as error:
        sys.exit(f"flow: {error}")


if __name__ == "__main__":
    main()
