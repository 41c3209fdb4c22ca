"""What goes wrong outside: each mistake gets an error that says what to do, each bad packet a
counted drop, and every other session goes on."""
import json
import os
import random
import socket
import struct
import time
import unittest

from godwit import PROTECT, SOCKS, Host, configure_pair
from lab import CH_ADDRESS, Lab
from netlink import in_namespace
from socks_connect import Refused, connect, exactly
from traffic import Download, make_file, start_nginx

MIB = 1 << 20
PROXY = ("--socks5-hostname", SOCKS)
# REP of RFC 1928 section 6
NOT_ALLOWED, NETWORK_UNREACHABLE, HOST_UNREACHABLE = 2, 3, 4
CONNECTION_REFUSED, COMMAND_UNKNOWN = 5, 7
NOWHERE = "10.71.9.77"   # no peer lives there
FORBIDDEN = "10.71.9.88"  # policy discards it


def proxy_socket(lab):
    def open_it():
        address, _, port = SOCKS.rpartition(":")
        stream = socket.create_connection((address, int(port)), timeout=20)
        return stream

    return in_namespace(lab.mh, open_it)


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def datagram(protocol, source, destination, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def counted(status, reason):
    """Drops whose reason begins so: IKE tells them apart further."""
    return sum(count for name, count in status["drops"].items() if name.startswith(reason))


class RunningPairTest(unittest.TestCase):
    """A download goes on while everything here is tried; at its end not a byte is wrong."""

    def setUp(self):
        self.lab = self.enterContext(Lab(delay_ms=2))
        os.makedirs(self.lab.path("www"))
        sha256 = make_file(self.lab.path("www", "file"), 6 * MIB, seed=21)
        start_nginx(self.lab, self.lab.path("www"), ["127.0.0.1:8080"], pace=(1 << 13, 5))
        self.mobile, self.correspondent = configure_pair(
            self.lab, policy=({"discard": f"tcp to {FORBIDDEN}"}, PROTECT))
        self.correspondent.start()
        self.mobile.start()
        self.download = Download(self.lab, f"http://{CH_ADDRESS}/file", *PROXY)
        deadline = time.monotonic() + 20
        while not self.download.bytes and time.monotonic() < deadline:
            time.sleep(0.02)

        def finish():
            self.assertEqual(self.download.wait(60), 0, self.download.errors())
            self.assertEqual(self.download.sha256(), sha256)
            self.assertIsNone(self.mobile.process.poll(), self.mobile.process.log_tail())
            self.assertIsNone(self.correspondent.process.poll(),
                              self.correspondent.process.log_tail())

        self.finish = finish

    def refusal(self, host, port):
        with proxy_socket(self.lab) as stream:
            with self.assertRaises(Refused) as refused:
                connect(stream, host, port)
            return refused.exception.code

    def test_socks_refuses_with_the_right_reason(self):
        # Policy protects everything, and no peer lives there: never in clear text.
        self.assertIn(self.refusal(NOWHERE, 80), (NETWORK_UNREACHABLE, HOST_UNREACHABLE))
        self.assertEqual(self.refusal("no-such-peer", 80), HOST_UNREACHABLE)
        self.assertEqual(self.refusal(FORBIDDEN, 80), NOT_ALLOWED)
        # The peer lives, but publishes nothing there.
        self.assertEqual(self.refusal(CH_ADDRESS, 81), CONNECTION_REFUSED)
        self.finish()

    def test_proxy_answers_what_it_does_not_do_and_nonsense_by_closing(self):
        for greeting in (b"\x04\x02\x00\x50\x0a\x47\x09\x02\x00",  # version 4, BIND
                         b"GET / HTTP/1.1\r\n\r\n", b"\x05\x00", b"\x00" * 300):
            with proxy_socket(self.lab) as stream:
                stream.sendall(greeting)
                stream.shutdown(socket.SHUT_WR)
                answer = b""
                try:
                    while block := stream.recv(4096):
                        answer += block
                except ConnectionResetError:
                    pass
                self.assertLess(len(answer), 1024)
                self.assertNotEqual(answer[:2], b"\x05\x00", f"{greeting[:9]} was accepted")
        with proxy_socket(self.lab) as stream:  # a command that is none of the RFC's
            stream.sendall(b"\x05\x01\x00")
            self.assertEqual(exactly(stream, 2), b"\x05\x00")
            stream.sendall(b"\x05\x04\x00\x01\x0a\x47\x09\x02\x00\x50")
            self.assertEqual(exactly(stream, 2), bytes([5, COMMAND_UNKNOWN]))
        with proxy_socket(self.lab) as stream:  # a greeting that stops half way holds nobody up
            stream.sendall(b"\x05")
            self.finish()

    def inject(self, packets):
        """From the router, as anybody on the path could."""
        raw = in_namespace(self.lab.rt, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                                              socket.IPPROTO_RAW))
        with raw:
            for packet in packets:
                raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        time.sleep(0.3)

    def test_forged_packets_are_dropped_and_counted(self):
        here = self.lab.address("A", 2)
        spi = int(self.mobile.status()["peers"][0]["spi_in"].removeprefix("0x"), 16)
        clear = datagram(6, CH_ADDRESS, here, bytes(40))
        forged = {
            "esp_auth_failed": datagram(50, CH_ADDRESS, here,
                                        struct.pack(">II", spi, 50_000_000) + os.urandom(64)),
            "unknown_spi": datagram(50, CH_ADDRESS, here,
                                    struct.pack(">II", spi ^ 0x55555555, 1) + os.urandom(64)),
            "esp_malformed": datagram(50, CH_ADDRESS, here, b"\0\0\0"),
            "tunnel_refused": datagram(4, "10.71.1.1", here, clear),
            "ike": datagram(17, CH_ADDRESS, here,
                                      struct.pack(">HHHH", 500, 500, 8 + 12, 0) + bytes(12)),
        }
        before = self.mobile.status()
        self.inject([packet for packet in forged.values() for _ in range(20)])
        after = self.mobile.status()
        for reason in forged:
            rise = counted(after, reason) - counted(before, reason)
            self.assertEqual(rise, 20, f"{reason}: {after['drops']}")
        self.assertEqual(after["peers"][0]["remote"], before["peers"][0]["remote"])
        self.assertEqual(after["peers"][0]["moves"], 0)
        self.finish()

    def test_junk_of_every_length_changes_nothing(self):

        rng = random.Random(31)
        here = self.lab.address("A", 2)
        self.inject([datagram(protocol, CH_ADDRESS, here, rng.randbytes(length))
                     for protocol in (4, 17, 50) for length in (*range(0, 64), 200, 1400)
                     if protocol != 17 or length >= 8])
        self.finish()


class StartTest(unittest.TestCase):
    """Mistakes made before anything runs."""

    def setUp(self):
        self.lab = self.enterContext(Lab(wire=False))

    def daemon(self, host, *wrapper):
        """(exit status, what it said)"""
        status, output, errors = self.lab.run(host.namespace, *wrapper,
                                              self.lab.program("godwitd"), "--config",
                                              host.config_path, timeout=20, check=False)
        return status, output + errors

    # A key that is not the peer's own: no session, a reason, and the daemon stays.
    def test_wrong_key_of_a_peer_is_refused_and_told(self):
        mobile, correspondent = configure_pair(self.lab)
        stranger = Host(self.lab, self.lab.ch, "stranger")
        mobile.configure(socks={"listen": SOCKS}, peers=[
            {"name": "ch", "addresses": [CH_ADDRESS], "key": stranger.init()}])
        correspondent.start()
        mobile.start()
        watcher = mobile.watch()
        with proxy_socket(self.lab) as stream:
            stream.settimeout(60)
            with self.assertRaises(Refused):
                connect(stream, CH_ADDRESS, 80)
        deadline = time.monotonic() + 10
        failures = []
        while not failures and time.monotonic() < deadline:
            failures = [event for event in watcher.events if event["event"] == "peer_failed"]
            time.sleep(0.05)
        self.assertTrue(failures, watcher.events)
        self.assertEqual(failures[0]["peer"], "ch")
        self.assertRegex(failures[0]["reason"].lower(), "auth|key|signature")
        self.assertEqual(mobile.status()["peers"][0]["spi_in"], None)
        # One connect, one handshake: what the failed connection still says begins no other.
        time.sleep(1.0)
        self.assertEqual([event["event"] for event in watcher.events].count("peer_connecting"), 1,
                         watcher.events)

    def refused_at(self, correspondent):
        """One attempt of the mobile host; what the correspondent tells of it, and counts."""
        watcher = correspondent.watch()
        with proxy_socket(self.lab) as stream:
            stream.settimeout(60)
            with self.assertRaises(Refused):
                connect(stream, CH_ADDRESS, 80)
        deadline = time.monotonic() + 10
        told = []
        while not told and time.monotonic() < deadline:
            told = [event for event in watcher.events if event["event"] == "stranger_refused"]
            time.sleep(0.05)
        self.assertTrue(told, watcher.events)
        self.assertEqual(told[0]["remote"], self.lab.address("A", 2))
        return told[0], correspondent.status()["drops"]

    # The likeliest mistake: `godwit peer add` was forgotten on one side. That side says who came.
    def test_unknown_peer_is_named_where_it_is_unknown(self):
        mobile, correspondent = configure_pair(self.lab)
        mobile.configure(name="nobody", socks={"listen": SOCKS}, peers=[
            {"name": "ch", "addresses": [CH_ADDRESS],
             "key": correspondent.godwit("key").strip()}])
        correspondent.start()
        mobile.start()
        told, drops = self.refused_at(correspondent)
        self.assertEqual(told["name"], "nobody")
        self.assertIn("not on our list", told["reason"])
        self.assertGreaterEqual(drops["ike_unknown_peer"], 1)

    def test_key_that_does_not_fit_is_told_where_it_was_pinned(self):
        mobile, correspondent = configure_pair(self.lab)
        stranger = Host(self.lab, self.lab.ch, "stranger")
        correspondent.configure(peers=[{"name": "mh", "key": stranger.init()}])
        correspondent.start()
        mobile.start()
        told, drops = self.refused_at(correspondent)
        self.assertEqual(told["name"], "mh")
        self.assertIn("key", told["reason"])
        self.assertGreaterEqual(drops["ike_wrong_key"], 1)

    def test_port_in_use_is_named(self):
        mobile, _ = configure_pair(self.lab)
        address, _, port = SOCKS.rpartition(":")
        occupier = in_namespace(self.lab.mh,
                                lambda: socket.create_server((address, int(port))))
        with occupier:
            status, said = self.daemon(mobile)
        self.assertNotEqual(status, 0)
        self.assertIn(port, said)
        self.assertRegex(said.lower(), "in use|busy|taken")
        mobile.start()  # nothing is left that would be in the way

    def test_missing_permission_for_tun_says_what_to_do(self):
        mobile, _ = configure_pair(self.lab)
        status, said = self.daemon(mobile, "setpriv", "--bounding-set", "-net_admin")
        self.assertNotEqual(status, 0)
        self.assertIn("CAP_NET_ADMIN", said)

    def test_two_daemons_do_not_take_each_other_s_device(self):
        mobile, _ = configure_pair(self.lab)
        mobile.start()
        second = Host(self.lab, self.lab.mh, "second")
        second.init()
        second.configure()
        status, said = self.daemon(second)
        self.assertNotEqual(status, 0)
        self.assertIn("godwit0", said)
        mobile.status()

    def test_malformed_configurations_name_file_key_and_what_is_allowed(self):
        host = Host(self.lab, self.lab.mh, "mh")
        key = host.init()
        peer = {"name": "ch", "addresses": [CH_ADDRESS], "key": key}
        table = (
            ("{", ()),
            ("[]", ()),
            ({"sock": {"listen": SOCKS}}, ("sock",)),
            ({"socks": {"listen": "127.0.0.1"}}, ("socks.listen", "127.0.0.1")),
            ({"socks": {"listen": "127.0.0.1:99999"}}, ("socks.listen",)),
            ({"peers": [{"name": "ch"}]}, ("peers[0]", "key")),
            ({"peers": [peer, peer]}, ("peers[1]",)),
            ({"peers": [{**peer, "key": "ed25519:AAAA"}]}, ("peers[0].key",)),
            ({"peers": [{**peer, "addresses": ["224.0.0.1"]}]}, ("peers[0].addresses",)),
            ({"policy": [{"protect": "tcp to nowhere"}]}, ("policy[0].protect", "nowhere")),
            ({"policy": [{"protect": "any", "with": "esp rot13"}]}, ("policy[0].with", "rot13")),
            ({"policy": [{"protect": "any", "bypass": "any"}]}, ("policy[0]",)),
            ({"publish": [{"port": 0, "to": "127.0.0.1:1"}]}, ("publish[0].port",)),
            ({"link": {"tun": {"mtu": 100}}}, ("link.tun.mtu", "100")),
            ({"mobility": {"hold_time": "soon"}}, ("mobility.hold_time", "soon")),
        )
        for content, words in table:
            with self.subTest(content=content):
                with open(host.config_path, "w") as file:
                    file.write(content if isinstance(content, str) else json.dumps(content))
                status, output, errors = self.lab.run(
                    self.lab.mh, self.lab.program("godwit"), "check-config", host.config_path,
                    check=False)
                self.assertEqual(status, 1, output)
                for word in (host.config_path, *words):
                    self.assertIn(word, errors)
                status, said = self.daemon(host)
                self.assertNotEqual(status, 0)
                for word in words:
                    self.assertIn(word, said)

    def test_missing_configuration_and_key_are_named(self):
        host = Host(self.lab, self.lab.mh, "mh")
        status, said = self.daemon(host)
        self.assertNotEqual(status, 0)
        self.assertIn(host.config_path, said)
        host.configure(peers=[{"name": "ch", "key": "ed25519:" + "A" * 43 + "="}])
        status, said = self.daemon(host)
        self.assertNotEqual(status, 0)
        self.assertIn("identity.pem", said)


if __name__ == "__main__":
    unittest.main()
