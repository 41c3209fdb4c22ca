"""The serving side, with services of every kind: at a Unix socket and introduced by the PROXY
protocol, for some peers only, in a range of ports, by UDP; while the peer moves."""
import os
import socket
import struct
import threading
import time
import unittest

import journey
from godwit import PROTECT, SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab
from name_server import ZONE, NameServer
from netlink import in_namespace
from socks_connect import connect, exactly
from test_voice import Voice
from traffic import make_file, start_nginx

MOVES = (Stop("B", 2, BREAK), Stop("A", 3, MAKE))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ECHO_PORT = 4000  # of voice.cpp


class EchoService(threading.Thread):
    """Answers every datagram; remembers from how many sockets they came."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.clients = set()
        self._socket = in_namespace(lab.ch, lambda: socket.socket(socket.AF_INET,
                                                                  socket.SOCK_DGRAM))
        self._socket.bind(("127.0.0.1", ECHO_PORT))
        self.start()

    def run(self):
        while True:
            data, client = self._socket.recvfrom(2048)
            if not data:
                return
            self.clients.add(client)
            self._socket.sendto(data, client)

    def close(self):
        self._socket.sendto(b"", self._socket.getsockname())
        self.join()
        self._socket.close()


class PublishTest(unittest.TestCase):
    def stage(self, publish):
        lab = self.enterContext(Lab(delay_ms=5))
        self.mobile, self.correspondent = configure_pair(lab)
        key = self.mobile.godwit("key").strip()
        stranger = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        self.correspondent.configure(policy=[PROTECT], publish=publish, peers=[
            {"name": "mh", "key": key}, {"name": "somebody-else", "key": stranger}])
        return lab

    def start(self):
        self.correspondent.start()
        self.mobile.start()

    def call(self, lab, port):
        """A connection by the proxy to this port of the correspondent."""
        address, _, proxy_port = SOCKS.rpartition(":")
        proxy = in_namespace(lab.mh, lambda: socket.create_connection((address, int(proxy_port)),
                                                                      timeout=10))
        return connect(proxy, "ch", port)

    def test_service_at_a_unix_socket_learns_who_it_is(self):
        lab = self.stage([])
        path = lab.path("service.sock")
        self.correspondent.configure(
            policy=[PROTECT], peers=[{"name": "mh", "key": self.mobile.godwit("key").strip()}],
            publish=[{"port": 25, "to": f"unix:{path}", "proxy_protocol": "v2", "peers": ["mh"]}])
        with socket.socket(socket.AF_UNIX) as service:
            service.bind(path)
            service.listen()
            service.settimeout(10)
            self.start()
            with self.call(lab, 25) as client:
                client.sendall(b"hello")
                server, _ = service.accept()
                with server:
                    server.settimeout(10)
                    self.assertEqual(exactly(server, 12), SIGNATURE)
                    version, family, length = struct.unpack(">BBH", exactly(server, 4))
                    self.assertEqual((version, family), (0x21, 0x11))
                    header = exactly(server, length)
                    self.assertEqual(socket.inet_ntoa(header[:4]), lab.address("A", 2))
                    self.assertEqual(socket.inet_ntoa(header[4:8]), CH_ADDRESS)
                    self.assertEqual(struct.unpack(">H", header[10:12])[0], 25)
                    self.assertEqual(header[12:], b"\xe0\x00\x02mh")
                    self.assertEqual(exactly(server, 5), b"hello")
                    for stop, word in zip(MOVES, (b"after one", b"after two")):
                        journey.make_move(lab, stop, 1)
                        server.sendall(word)
                        self.assertEqual(exactly(client, len(word)), word)

    def test_ports_in_a_range_and_for_others(self):
        lab = self.stage([{"port": "8000-8002", "to": "127.0.0.1:9000"},
                          {"port": 81, "to": "127.0.0.1:9001", "peers": ["somebody-else"]}])
        os.makedirs(lab.path("www"))
        make_file(lab.path("www", "file"), 1 << 16, seed=3)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:9001", "127.0.0.1:9002"])
        self.start()
        for port, status in ((8001, "200"), (8002, "200"), (8000, "000"), (81, "000")):
            code, output, _ = lab.run(lab.mh, "curl", "-s", "--max-time", "10", "-o", os.devnull,
                                      "-w", "%{http_code}", "--socks5-hostname", SOCKS,
                                      f"http://ch:{port}/file", check=False)
            self.assertEqual((output, code == 0), (status, status == "200"), f"port {port}")
        log = self.correspondent.process.log_tail(50)
        self.assertIn('(mh): refused, because "peers" of this entry does not name it', log)
        self.assertIn("(mh): the service at 127.0.0.1:9000 cannot be reached: Connection refused",
                      log)

    # A name server that only the peer reaches: asked by UDP, and by TCP for what is too long.
    def test_names_of_a_zone_are_asked_over_the_stack(self):
        lab = self.stage([{"port": 53, "protocol": "udp", "to": "127.0.0.1:53"},
                          {"port": 53, "to": "127.0.0.1:53"},
                          {"port": 80, "to": "127.0.0.1:8080"}])
        os.makedirs(lab.path("www"))
        make_file(lab.path("www", "file"), 1 << 16, seed=3)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"])
        many = [f"many.{ZONE}. IN A 10.71.8.{i}" for i in range(1, 60)]
        NameServer(lab, lab.ch, "127.0.0.1", "knot", [f"www.{ZONE}. IN A {CH_ADDRESS}", *many],
                   zones=(ZONE,))
        self.mobile.configure(
            socks={"listen": SOCKS}, policy=[PROTECT],
            dns={"zones": [{"zone": ZONE, "servers": [CH_ADDRESS]}]},
            peers=[{"name": "ch", "addresses": [CH_ADDRESS],
                    "key": self.correspondent.godwit("key").strip()}])
        self.start()
        for name, status, said in (("www", "200", ""), ("nobody", "502", "the name has no address"),
                                   ("many", "502", "no peer lives there")):
            _, output, _ = lab.run(lab.mh, "curl", "-sS", "--max-time", "20", "-w", "%{http_code}",
                                   "-x", f"http://{SOCKS}", f"http://{name}.{ZONE}/missing")
            self.assertTrue(output.endswith("404" if status == "200" else status), output)
            self.assertIn(said, output)

    # S20: the service sees one client, wherever its packets come from.
    def test_datagrams_keep_their_flow_through_moves(self):
        lab = self.stage([{"port": ECHO_PORT, "protocol": "udp", "to": f"127.0.0.1:{ECHO_PORT}"}])
        service = EchoService(lab)
        self.addCleanup(service.close)
        self.correspondent.start()
        voice = Voice(lab, self.mobile, "call", CH_ADDRESS, "7.0")
        deadline = time.monotonic() + 10
        while not voice.arrivals and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(voice.arrivals, "no answer: " + voice.process.log_tail())
        moves = journey.travel(lab, MOVES, dwell=1.0)
        self.assertEqual(voice.wait(), 0, voice.process.log_tail())
        for move, until in zip(moves, (moves[1].left, moves[1].came + 1.0)):
            heard = [at for at, _ in voice.arrivals if move.came < at < until]
            self.assertGreater(len(heard), 20, f"after the move to {move.destination}")
        self.assertEqual(len(service.clients), 1)


if __name__ == "__main__":
    unittest.main()
