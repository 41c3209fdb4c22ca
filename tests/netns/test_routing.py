"""What the daemon owes to the host's routing while it runs: with two uplinks every packet leaves
by the network its source address belongs to, and what somebody does to the TUN device is said,
healed where it can be, and else the end."""
import os
import signal
import subprocess
import time
import unittest

import journey
from godwit import SOCKS, configure_pair
from journey import MAKE, Stop
from lab import CH_ADDRESS, Lab, NETWORKS, now, run, inside
from traffic import Download, make_file, start_nginx

MIB = 1 << 20
PROXY = ("--socks5-hostname", SOCKS)
# The kernel asks for a router again after a second; a move waits for nobody that long.
LONGEST_STALL = 0.7


class StrangerWatch:
    """Counts what reaches the router by a cable under the address of another network."""

    def __init__(self, lab):
        self._lab = lab
        self._dumps = []
        for network in NETWORKS.values():
            path = lab.path(f"strangers-{network['port']}.txt")
            own = network["prefix"] + "0/24"
            dump = lab.start(lab.rt, "tcpdump", "-n", "-l", "-Q", "in", "-i", network["port"],
                             f"(ip and not src net {own}) or (arp and not src net {own})",
                             log=path)
            self._dumps.append((dump, path))
        deadline = time.monotonic() + 20
        for dump, _ in self._dumps:
            while "listening on" not in dump.log_tail():
                if dump.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("tcpdump does not start: " + dump.log_tail())
                time.sleep(0.02)

    def stop(self):
        """The lines of tcpdump about them."""
        time.sleep(1.5)  # the kernel hands over blocks of packets, the last after a second
        lines = []
        for dump, path in self._dumps:
            dump.send_signal(signal.SIGINT)
            dump.wait(20)
            self._lab.stop(dump)
            with open(path) as file:
                lines += [line for line in file.read().splitlines()
                          if " IP " in line or " ARP, " in line]
        return lines


class RoutingTest(unittest.TestCase):
    def stage(self, size=1000):
        lab = self.enterContext(Lab(delay_ms=10))
        os.makedirs(lab.path("www"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=7)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"], (1 << 16, 7))
        self.mobile, self.correspondent = configure_pair(lab)
        self.correspondent.start()
        self.mobile.start()
        return lab

    def download(self, lab):
        return Download(lab, f"http://{CH_ADDRESS}/file", *PROXY)

    # S3, S13
    def test_no_packet_leaves_by_the_wrong_network_in_make_before_break(self):
        lab = self.stage(400 * MIB)
        strangers = StrangerWatch(lab)
        watcher = self.mobile.watch()
        download = self.download(lab)
        stops = [Stop("B", 2, MAKE), Stop("A", 3, MAKE)] * 10
        moves = journey.travel(lab, stops, dwell=0.5)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        time.sleep(1.0)
        journey.judge(moves, download.silence, now())
        watcher.stop()
        watcher.annotate(moves)
        self.mobile.watcher = None
        lab.stop(download.process)
        lines = strangers.stop()
        self.assertEqual(lines, [])
        stalls = [round(move.stall * 1e3) for move in moves]
        print("stalls in ms:", stalls, "attempts:", [move.attempts for move in moves])
        self.assertLess(max(move.stall for move in moves), LONGEST_STALL, stalls)

    def was_told(self, watcher, words):
        return any(event["event"] == "problem" and words in event["reason"]
                   for event in list(watcher.events))

    def wait_for(self, condition, patience=30.0):
        deadline = time.monotonic() + patience
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it does not happen")
            time.sleep(0.05)

    def test_device_that_was_set_down_works_again_when_it_is_up(self):
        lab = self.stage()
        watcher = self.mobile.watch()
        self.assertEqual(self.download(lab).wait(20), 0)
        run(*inside(lab.mh), "ip", "link", "set", "godwit0", "down")
        self.wait_for(lambda: self.was_told(watcher, "set the TUN device down"))
        run(*inside(lab.mh), "ip", "link", "set", "godwit0", "up")
        self.wait_for(lambda: self.was_told(watcher, "is up again"))
        again = self.download(lab)
        self.assertEqual(again.wait(30), 0, again.errors())
        self.assertEqual(again.sha256(), self.sha256)

    def test_daemon_ends_when_its_device_is_deleted(self):
        lab = self.stage()
        before = self.mobile.process
        run(*inside(lab.mh), "ip", "link", "del", "godwit0")
        try:
            self.assertEqual(before.wait(20), 1)
        except subprocess.TimeoutExpired:
            self.fail("the daemon lives on: " + before.log_tail())
        self.assertIn("the TUN device is gone", before.log_tail())
        rules = run(*inside(lab.mh), "ip", "rule")
        self.assertNotIn("godwit0", rules)
        self.assertNotIn("4743", rules)
        self.mobile.start()  # as the service manager would
        again = self.download(lab)
        self.assertEqual(again.wait(30), 0, again.errors())


if __name__ == "__main__":
    unittest.main()
