"""A conversation over connected UDP by the library (voice.cpp), 50 packets a second each way:
gaps and losses of every move are counted (S20, B1)."""
import subprocess
import threading
import time
import unittest

import journey
from godwit import configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, now
from traffic import Arrivals

RTT = 0.020
PACE = 0.020
# A packet is on its way for half a round trip, and the machine may be slow to wake a program.
ALLOWANCE = 0.030


class Voice(Arrivals):
    """One end of the conversation: what it heard, and when."""

    def __init__(self, lab, host, *words):
        super().__init__()
        self._lab = lab
        self.numbers = []  # beside self.arrivals
        self.said = None
        self.process = lab.start(host.namespace, lab.program("voice"), *words, "--config",
                                 host.config_path, stdout=subprocess.PIPE, text=True,
                                 log=lab.path(f"voice-{host.name}.log"))
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError("voice does not start: " + self.process.log_tail())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            first, second = line.split()
            if first == "said":
                self.said = int(second)
            else:
                self.arrived(float(first), 1)
                self.numbers.append(int(second))
        self.ended = now()

    def wait(self):
        self._thread.join(30)
        return self.process.wait(5)

    def lost_between(self, begin, end):
        """Numbers that never came, of those between the last one heard before and the first one
        heard after."""
        heard = list(zip((at for at, _ in self.arrivals), self.numbers))
        first = max(number for at, number in heard if at < begin)
        last = max(number for at, number in heard if at < end)
        return sorted(set(range(first, last + 1)) - set(self.numbers))


class VoiceTest(unittest.TestCase):
    def converse(self, stops, dwell=1.5):
        lab = self.enterContext(Lab(delay_ms=RTT * 1e3 / 2))
        mobile, correspondent = configure_pair(lab)
        length = (len(stops) + 1) * (dwell + 0.3) + sum(stop.outage for stop in stops) + \
            sum(stop.manner == MAKE for stop in stops) + 2
        far = Voice(lab, correspondent, "answer", f"{length + 1:.1f}")
        near = Voice(lab, mobile, "call", CH_ADDRESS, f"{length:.1f}")
        deadline = time.monotonic() + 10
        while not near.arrivals and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(near.arrivals, "no answer: " + near.process.log_tail() +
                        far.process.log_tail())
        moves = journey.travel(lab, stops, dwell)
        time.sleep(dwell)
        end = now()
        for voice in (near, far):
            self.assertEqual(voice.wait(), 0, voice.process.log_tail())
        return near, far, moves, end

    def report(self, near, far, moves, end):
        """For each move and way: (move, way, gap, numbers lost)."""
        rows = []
        for move, following in zip(moves, [*moves[1:], None]):
            until = following.left - 0.2 if following else end
            for way, voice in (("down", near), ("up", far)):
                gap = voice.silence(move.left - 0.1, until)[0]
                lost = voice.lost_between(move.left - 0.1, until)
                rows.append((move, way, gap, lost))
                print(f"{move.manner} to {move.destination}, {way}: longest gap "
                      f"{gap * 1e3:.0f} ms, {len(lost)} lost of "
                      f"{int((until - move.left) / PACE)}")
        return rows

    # Towards the moving host nothing is lost. What it sends itself until it is acknowledged, one
    # round trip, ch does not yet give to a socket that is not connected: see Missing in README.md.
    def test_make_before_break_loses_no_packet(self):
        rows = self.report(*self.converse([Stop("B", 2, MAKE), Stop("A", 3, MAKE)]))
        for move, way, gap, lost in rows:
            until_acknowledged = 1 + (RTT + ALLOWANCE) / PACE
            self.assertLessEqual(len(lost), until_acknowledged if way == "up" else 0,
                                 f"{move.manner} to {move.destination}, {way}")
            self.assertLess(gap, (1 + len(lost)) * PACE + RTT + ALLOWANCE)

    # What was under way when the old network went is lost, and UDP does not repeat it: a round
    # trip's worth at most, from the mobile host nothing but what left before it had an address.
    def test_break_before_make_costs_a_round_trip_of_packets(self):
        rows = self.report(*self.converse([Stop("B", 2, BREAK), Stop("A", 2, BREAK),
                                           Stop("B", 3, BREAK)]))
        for move, _, gap, lost in rows:
            self.assertLess(gap, PACE + RTT + move.outage + ALLOWANCE)
            self.assertLessEqual(len(lost), 1 + (RTT + move.outage + ALLOWANCE) / PACE)

    def test_nothing_is_heard_twice(self):
        near, far, moves, _ = self.converse([Stop("B", 2, BREAK), Stop("A", 3, MAKE)], 1.0)
        self.assertEqual(len(moves), 2)
        for voice in (near, far):
            self.assertEqual(len(voice.numbers), len(set(voice.numbers)))


if __name__ == "__main__":
    unittest.main()
