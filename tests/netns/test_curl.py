"""curl through Godwit while the host under it moves: down and up, alone and several at once,
with and without loss. Every byte is compared."""
import hashlib
import os
import time
import unittest

import journey
from capture import Capture
from godwit import PROTECT, SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, now
from traffic import Download, Tcpdump, make_file, start_nginx

MIB = 1 << 20
PROXY = ("--socks5-hostname", SOCKS)
ROUND = (Stop("B", 2, BREAK), Stop("A", 3, MAKE), Stop("B", 2, BREAK, outage=1.0),
         Stop("A", 2, BREAK))


class CurlTest(unittest.TestCase):
    def stage(self, size, pace=(1 << 16, 3), policy=(PROTECT,), psk=None, **wire):
        """A lab with nginx and both daemons up; the file is `size` bytes."""
        lab = self.enterContext(Lab(delay_ms=10, **wire))
        os.makedirs(lab.path("www", "upload"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=11)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080", f"{CH_ADDRESS}:8081"],
                    pace)
        self.mobile, self.correspondent = configure_pair(lab, policy=policy, psk=psk)
        self.correspondent.start()
        self.mobile.start()
        return lab

    def assert_settled(self, moves):
        """Nothing of the moves is left, and all of them happened."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            status = self.mobile.status()
            if not status["tunnels"] and all(address["state"] == "PREFERRED"
                                             for address in status["addresses"]):
                break
            time.sleep(0.1)
        self.assertEqual(status["tunnels"], [])
        self.assertEqual([address["state"] for address in status["addresses"]], ["PREFERRED"])
        self.assertEqual(status["peers"][0]["moves"], moves)
        far = self.correspondent.status()
        self.assertEqual(far["tunnels"], [])
        for host in (status, far):
            self.assertNotIn("esp_auth_failed", host["drops"])
        # One SA carried everything: a move negotiates nothing.
        self.assertEqual(status["peers"][0]["spi_in"], far["peers"][0]["spi_out"])

    # S3, S9, S11, S13: down, through every kind of move.
    def test_download_survives_a_round_of_moves(self):
        lab = self.stage(120 * MIB)
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        moves = journey.travel(lab, ROUND, dwell=0.8)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        self.assert_settled(len(moves))

    def test_upload_survives_a_round_of_moves(self):
        lab = self.stage(80 * MIB)
        upload = lab.start(lab.mh, "curl", "-sS", "--limit-rate", "16M", *PROXY, "-T",
                           lab.path("www", "file"), f"http://{CH_ADDRESS}/upload/copy",
                           log=lab.path("upload.log"))
        moves = journey.travel(lab, ROUND, dwell=0.6)
        self.assertIsNone(upload.poll(), "the file was too small to prove anything: " +
                          upload.log_tail())
        self.assertEqual(upload.wait(90), 0, upload.log_tail())
        with open(lab.path("www", "upload", "copy"), "rb") as copy:
            self.assertEqual(hashlib.file_digest(copy, "sha256").hexdigest(), self.sha256)
        self.assert_settled(len(moves))

    # S23: one announcement moves all connections of a peer.
    def test_several_connections_move_together(self):
        lab = self.stage(24 * MIB, pace=(1 << 14, 6))
        downloads = [Download(lab, f"http://{CH_ADDRESS}/file", *PROXY) for _ in range(4)]
        moves = journey.travel(lab, ROUND[:2], dwell=0.8)
        for download in downloads:
            self.assertTrue(download.running(), "the file was too small to prove anything")
        for download in downloads:
            self.assertEqual(download.wait(60), 0, download.errors())
            self.assertEqual(download.sha256(), self.sha256)
        self.assert_settled(len(moves))

    # S10: announcements get lost like everything else, and are repeated.
    def test_download_survives_moves_over_a_lossy_path(self):
        lab = self.stage(3 * MIB, pace=(1 << 13, 10), loss=0.02, seed=5)
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        moves = journey.travel(lab, ROUND, dwell=0.5)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertEqual(download.wait(120), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        self.assertGreater(sum(way["lost"] for way in lab.wire.counters()), 0)
        self.assert_settled(len(moves))

    # S2, S12: what an onlooker on the router sees of moves.
    def test_packets_are_as_large_after_moves_and_their_numbers_go_on(self):
        lab = self.stage(60 * MIB)
        dump = Tcpdump(lab, lab.path("router.pcap"), snap=128)
        epoch = time.time() - now()
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        moves = journey.travel(lab, ROUND[:2], dwell=0.8)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        dump.stop()
        capture = Capture(dump.path)
        self.addCleanup(capture.close)
        sizes = [capture.full_size(CH_ADDRESS, ("esp", "tunnelled esp"), begin + epoch,
                                   end + epoch)
                 for begin, end in ((download.began, moves[0].left),
                                    (moves[-1].came + 0.5, download.ended))]
        self.assertIsNotNone(sizes[0])
        self.assertEqual(sizes[0], sizes[1])
        self.assertLessEqual(sizes[0], 1500)
        mobile = {move.source for move in moves} | {moves[-1].destination}
        for sources in ({CH_ADDRESS}, mobile):
            associations = capture.associations(sources)
            self.assertEqual(len(associations), 1, associations)  # one SPI, whatever the address
            (packets, not_rising), = associations.values()
            self.assertGreater(packets, 100)
            self.assertEqual(not_rising, 0)
        # The pieces of what was tunnelled are of its kind: nothing is left that would be readable.
        self.assertEqual(capture.clear_text_bytes({CH_ADDRESS} | mobile), 0, capture.by_kind())

    # S24: what authenticates the peers makes no difference to a move.
    def test_download_survives_moves_with_a_shared_secret(self):
        lab = self.stage(60 * MIB, psk="correct horse battery staple")
        download = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        moves = journey.travel(lab, ROUND[:2], dwell=0.8)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        self.assert_settled(len(moves))

    # S25: what policy lets pass goes by the host's own stack, in clear, beside what is protected.
    def test_destination_that_policy_bypasses_is_reached_by_the_host_s_own_stack(self):
        lab = self.stage(1 * MIB, policy=({"bypass": f"tcp to {CH_ADDRESS} port 8081"}, PROTECT))
        passed = Download(lab, f"http://{CH_ADDRESS}:8081/file", *PROXY)
        self.assertEqual(passed.wait(20), 0, passed.errors())
        self.assertEqual(passed.sha256(), self.sha256)
        self.assertEqual(self.mobile.status()["peers"][0]["state"], "idle")
        protected = Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)
        self.assertEqual(protected.wait(20), 0, protected.errors())
        self.assertEqual(protected.sha256(), self.sha256)
        self.assertEqual(self.mobile.status()["peers"][0]["state"], "established")

    def test_name_of_the_peer_is_resolved_behind_the_proxy(self):
        lab = self.stage(1 * MIB)
        download = Download(lab, "http://ch/file", *PROXY)
        self.assertEqual(download.wait(20), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)


if __name__ == "__main__":
    unittest.main()
