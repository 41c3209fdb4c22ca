"""B2: two hosts of Godwit with the kernel's NAT between them (nftables masquerade), and with ESP
in UDP where there is none. Every byte is compared, and what was on the wire is looked at."""
import hashlib
import os
import subprocess
import sys
import time
import unittest

from capture import Capture
from godwit import SOCKS, configure_pair
from lab import CH_ADDRESS, Lab, need
from traffic import Download, Tcpdump, make_file, start_nginx

MIB = 1 << 20
PROXY = ("--socks5-hostname", SOCKS)
PUBLIC = "10.71.9.1"  # the router's address towards the correspondent
SOCKS_CONNECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "socks_connect.py")
PORTS = range(20000, 30001)

# Says a line, is silent for as long as it was told, and says another.
QUIET_SERVER = """
import socket, time
listener = socket.create_server(("127.0.0.1", 7000))
connection, _ = listener.accept()
silence = float(connection.recv(100))
connection.sendall(b"soon\\n")
time.sleep(silence)
connection.sendall(b"late\\n")
connection.recv(1)
"""


class NatTest(unittest.TestCase):
    def stage(self, size, nat=True, link=None, mapping_s=None):
        need("nft")
        lab = self.enterContext(Lab(delay_ms=5))
        if nat:
            lab.masquerade(mapping_s=mapping_s)
        os.makedirs(lab.path("www", "upload"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=12)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"])
        self.mobile, self.correspondent = configure_pair(
            lab, publish=((80, "127.0.0.1:8080"), (7000, "127.0.0.1:7000")), link=link)
        self.correspondent.start()
        self.mobile.start()
        self.dump = Tcpdump(lab, lab.path("rc.pcap"))
        return lab

    def kinds(self):
        self.assertEqual(self.dump.stop(), 0)
        capture = Capture(self.dump.path)
        self.addCleanup(capture.close)
        return capture

    def assert_nothing_native(self, capture, hosts):
        self.assertEqual(capture.clear_text_bytes(hosts), 0, capture.by_kind())
        kinds = {packet.kind for packet in capture.packets
                 if packet.source in hosts and packet.destination in hosts}
        self.assertIn("esp in udp", kinds)
        self.assertNotIn("esp", kinds)
        self.assertNotIn("fragment", kinds)

    def test_transfers_both_ways_through_masquerade(self):
        lab = self.stage(20 * MIB)
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        lab.run(lab.mh, "curl", "-sS", *PROXY, "-T", lab.path("www", "file"),
                f"http://{CH_ADDRESS}/upload/copy")
        with open(lab.path("www", "upload", "copy"), "rb") as copy:
            self.assertEqual(hashlib.file_digest(copy, "sha256").hexdigest(), self.sha256)
        near, far = (host.status()["peers"][0] for host in (self.mobile, self.correspondent))
        self.assertEqual(near["udp_port"], 4500)
        self.assertEqual(far["remote"], PUBLIC)
        self.assertIn(far["udp_port"], PORTS)
        for host in (self.mobile, self.correspondent):
            for reason in ("too_big", "udp_malformed", "filter_mismatch", "esp_auth_failed"):
                self.assertNotIn(reason, host.status()["drops"])
        self.assert_nothing_native(self.kinds(), (PUBLIC, CH_ADDRESS))

    # The kernel forgets what was not used for four seconds; a keepalive comes after two.
    def test_a_mapping_outlives_silence(self):
        lab = self.stage(1, mapping_s=4, link={"keepalive": "2s"})
        lab.start(lab.ch, sys.executable, "-c", QUIET_SERVER, log=lab.path("quiet.log"))
        client = lab.start(lab.mh, sys.executable, SOCKS_CONNECT, SOCKS, CH_ADDRESS, "7000",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdin.write(b"12\n")
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), b"soon\n")
        spoken = time.monotonic()
        self.assertEqual(client.stdout.readline(), b"late\n")
        self.assertGreater(time.monotonic() - spoken, 11)
        kinds = self.kinds().by_kind()
        self.assertGreaterEqual(kinds["keepalive"][0], 4)

    def test_forced_encapsulation_without_a_nat(self):
        lab = self.stage(8 * MIB, nat=False, link={"encapsulation": "always"})
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        far = self.correspondent.status()["peers"][0]
        self.assertEqual(far["udp_port"], 4500)
        self.assert_nothing_native(self.kinds(), (far["remote"], CH_ADDRESS))


if __name__ == "__main__":
    unittest.main()
