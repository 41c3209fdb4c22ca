"""The laboratory itself: what it is used to prove must not come from a mistake in it."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import lab as lab_module
from capture import Capture
from lab import CH_ADDRESS, Lab, run
from traffic import Download, Tcpdump, make_file, start_nginx

MARKER = b"found if readable"


def ping(lab, count=10, *options):
    """(packets received, milliseconds of each round trip)"""
    output = lab.run(lab.mh, "ping", "-n", "-i", "0.02", "-W", "1", "-c", str(count), *options,
                     CH_ADDRESS, check=False)[1]
    times = [float(line.partition("time=")[2].split()[0]) for line in output.splitlines()
             if "time=" in line]
    return len(times), times


class LabTest(unittest.TestCase):
    def test_delay_loss_and_black_hole_change_while_packets_flow(self):
        with Lab(delay_ms=5, seed=3) as lab:
            received, times = ping(lab)
            self.assertEqual(received, 10)
            self.assertGreaterEqual(min(times), 10.0)
            self.assertLess(min(times), 11.0)
            lab.wire.tell("delay 1")
            self.assertLess(min(ping(lab)[1]), 3.0)
            lab.wire.tell("loss 0.5 0")
            self.assertIn(ping(lab, 40)[0], range(5, 36))
            lab.wire.tell("loss 0")
            lab.wire.tell("blackhole on")
            self.assertEqual(ping(lab, 2)[0], 0)
            lab.wire.tell("blackhole off")
            self.assertEqual(ping(lab)[0], 10)
            up, down = lab.wire.counters()
            self.assertGreater(up["lost"], 0)
            self.assertEqual(down["lost"], 0)
            self.assertGreaterEqual(up["swallowed"], 2)
            with self.assertRaises(lab_module.LabError):
                lab.wire.tell("frobnicate")

    def test_wire_records_what_passes(self):
        with Lab() as lab:
            lab.wire.tell("pcap " + lab.path("wire.pcap"))
            self.assertEqual(ping(lab, 5)[0], 5)
            lab.wire.tell("pcap off")
            self.assertEqual(ping(lab, 5)[0], 5)
            capture = Capture(lab.path("wire.pcap"))
            self.assertEqual(capture.by_kind(), {"icmp": (10, 10 * 84)})
            capture.close()

    def test_every_move_leads_somewhere(self):
        with Lab() as lab:
            for move, network, host in ((lab.break_before_make, "B", 2),
                                        (lab.make_before_break, "A", 3),
                                        (lab.break_before_make, "A", 2),
                                        (lab.make_before_break, "B", 3)):
                move(network, host)
                self.assertEqual(list(lab.attached), [network])
                self.assertEqual(ping(lab)[0], 10)

    def test_router_forwards_only_what_belongs_to_the_network_it_came_from(self):
        with Lab() as lab:
            lab.attach("B", 2)
            lab.prefer("B")  # a packet from A's address takes B's cable
            self.assertEqual(ping(lab, 2, "-I", lab.address("A", 2))[0], 0)
            self.assertEqual(ping(lab, 2, "-I", lab.address("B", 2))[0], 2)

    def test_capture_sees_what_is_readable(self):
        with Lab() as lab:
            os.makedirs(lab.path("www"))
            sha256 = make_file(lab.path("www", "file"), 2_000_000, 4, MARKER)
            start_nginx(lab, lab.path("www"), [f"{CH_ADDRESS}:8081"])
            dump = Tcpdump(lab, lab.path("router.pcap"))
            download = Download(lab, f"http://{CH_ADDRESS}:8081/file")
            self.assertEqual(download.wait(20), 0, download.errors())
            self.assertEqual(download.sha256(), sha256)
            self.assertEqual(dump.stop(), 0)
            capture = Capture(dump.path)
            self.assertGreater(capture.clear_text_bytes({CH_ADDRESS, lab.address("A", 2)}),
                               2_000_000)
            self.assertGreater(capture.count(MARKER), 3000)
            self.assertEqual(capture.full_size(CH_ADDRESS, ("tcp",), 0, float("inf")), 1500)
            capture.close()
            for direction in lab.wire.counters():
                self.assertEqual((direction["oversize"], direction["unsummed"]), (0, 0))

    def test_nothing_is_left_even_if_the_harness_is_killed(self):
        crash = ("import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
                 "from lab import Lab\n"
                 "with Lab() as lab:\n"
                 "    lab.start(lab.ch, 'sleep', '1000')\n"
                 "    print(lab.name, flush=True)\n"
                 "    os.kill(os.getpid(), signal.SIGKILL)\n")
        here = os.path.dirname(os.path.abspath(lab_module.__file__))
        name = subprocess.run([sys.executable, "-c", crash, here], stdout=subprocess.PIPE,
                              text=True).stdout.strip()
        self.assertIn(name + "ch", run("ip", "netns"))
        with Lab() as lab:
            self.assertNotIn(name + "ch", run("ip", "netns"))
        self.assertNotIn(lab.name, run("ip", "netns"))
        self.assertFalse(os.path.exists(lab.directory))
        self.assertFalse(os.path.exists(os.path.join(lab_module.STATE, name)))


def ip(protocol, source, destination, payload, identification=0, fragment=0):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification, fragment, 64,
                       protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(destination)) + payload


def esp(spi, sequence):
    return struct.pack(">II", spi, sequence) + bytes(100)


class CaptureTest(unittest.TestCase):
    """What the scenarios prove with a capture, on captures written by hand."""

    def capture(self, *packets):
        with tempfile.NamedTemporaryFile() as file:
            file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for packet in packets:
                frame = bytes(12) + b"\x08\x00" + packet
                file.write(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)
            file.flush()
            capture = Capture(file.name)
        self.addCleanup(capture.close)
        return capture

    def test_later_fragment_is_of_the_kind_of_its_first(self):
        more, behind = 0x2000, 8
        for protocol, body, clear in ((50, esp(7, 9), False), (6, bytes(108), True)):
            inner = ip(protocol, "10.0.0.1", "10.0.0.2", body)
            capture = self.capture(ip(4, "10.1.0.1", "10.0.0.2", inner[:64], 5, more),
                                   ip(4, "10.1.0.1", "10.0.0.2", inner[64:], 5, behind))
            self.assertEqual(capture.clear_text_bytes({"10.1.0.1", "10.0.0.2"}),
                             len(inner) + 40 if clear else 0)
        # Of one whose first was not seen nobody can say that it was protected.
        capture = self.capture(ip(4, "10.1.0.1", "10.0.0.2", bytes(64), 6, behind))
        self.assertEqual(capture.clear_text_bytes({"10.1.0.1", "10.0.0.2"}), 84)

    def test_numbers_that_do_not_rise_are_seen(self):
        here, there = "10.1.0.1", "10.2.0.1"
        tunnelled = ip(4, there, "10.0.0.2", ip(50, here, "10.0.0.2", esp(7, 4)))
        capture = self.capture(ip(50, here, "10.0.0.2", esp(7, 1)),
                               ip(50, here, "10.0.0.2", esp(7, 3)), tunnelled,
                               ip(50, there, "10.0.0.2", esp(7, 4)),
                               ip(50, there, "10.0.0.2", esp(7, 2)),
                               ip(50, "10.0.0.2", there, esp(8, 1)))
        self.assertEqual(capture.associations({here, there}), {7: (5, 2)})
        self.assertEqual(capture.associations({"10.0.0.2"}), {8: (1, 0)})


if __name__ == "__main__":
    unittest.main()
