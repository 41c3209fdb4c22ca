"""A WebSocket (RFC 6455) over the SOCKS proxy, messages in both directions while the host moves:
none is missing, doubled, out of order or changed."""
import os
import random
import socket
import sys
import threading
import time
import unittest

import journey
import socks_connect
import websocket
from godwit import SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, now
from netlink import in_namespace
from traffic import wait_for_port

HERE = os.path.dirname(os.path.abspath(__file__))
SERVICE = "127.0.0.1:8080"
EVERY = 0.02
SEED = 6455


class WebSocketTest(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab(delay_ms=10))
        server = self.lab.start(self.lab.ch, sys.executable, os.path.join(HERE, "websocket.py"),
                                "echo", SERVICE, log=self.lab.path("websocket.log"))
        wait_for_port(self.lab, self.lab.ch, SERVICE, server)
        self.mobile, correspondent = configure_pair(self.lab, publish=((80, SERVICE),))
        correspondent.start()
        self.mobile.start()

    def connect(self):
        address, _, port = SOCKS.rpartition(":")
        stream = in_namespace(self.lab.mh,
                              lambda: socket.create_connection((address, int(port)), 20))
        self.addCleanup(stream.close)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return websocket.client(socks_connect.connect(stream, CH_ADDRESS, 80), CH_ADDRESS)

    def test_messages_survive_moves(self):
        web = self.connect()
        rng = random.Random(SEED)
        sent, came = [], []
        over = threading.Event()

        def speak():
            while not over.is_set():
                message = rng.randbytes(rng.randrange(1, 3000))
                sent.append(message)
                web.send(message)
                time.sleep(EVERY)
            web.close()

        def hear():
            while (message := web.receive()) is not None:
                came.append((now(), message))

        threads = [threading.Thread(target=target, daemon=True) for target in (speak, hear)]
        for thread in threads:
            thread.start()
        stops = [Stop("B", 2, BREAK), Stop("A", 3, MAKE), Stop("B", 2, BREAK, outage=1.0),
                 Stop("A", 2, BREAK)]
        moves = journey.travel(self.lab, stops, 1.0)
        time.sleep(1.0)
        over.set()
        for thread in threads:
            thread.join(20)
            self.assertFalse(thread.is_alive(), "the echo of the close does not come")
        self.assertEqual([message for _, message in came], sent, f"seed {SEED}")
        for move, following in zip(moves, [*moves[1:], None]):
            until = following.left if following else float("inf")
            self.assertTrue(any(move.came < at < until for at, _ in came),
                            f"nothing came after {move.label} to {move.destination}")
        self.assertEqual(self.mobile.status()["peers"][0]["moves"], len(stops))


if __name__ == "__main__":
    unittest.main()
