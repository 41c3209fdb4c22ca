"""Godwit alone under moves: what the reader of one flow notices, beside a plain ping that travels
the same path at the same time and tells what the machine itself adds.

Idle: a paced flow on a path that carries far more. Saturated: a flow as fast as it goes, through
a bottleneck with a queue of one bandwidth-delay product; the round trip is then that of ping,
which stands in the same queue.
"""
import dataclasses
import re
import statistics
import subprocess
import threading
import time

import journey
from godwit import SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, LabError, now
from traffic import Flow

IDLE, SATURATED = "idle", "saturated"
PACED_MBIT = 5
BOTTLENECK = 40e6           # bits per second
SHORTEST_QUEUE = 0.010      # seconds: at a round trip of 2 ms, one product holds three packets
PORT, SERVICE = 5201, "127.0.0.1:5201"
_ANSWER = re.compile(r"\[(\d+\.\d+)\].* time=(\d+(?:\.\d+)?) ms")
_SETTLE = 1.0
_OVERLAP = 1.0              # seconds with both networks in a make before break


@dataclasses.dataclass(frozen=True)
class Case:
    """One cell of the table."""
    direction: str
    manner: str
    rtt_ms: float
    load: str = IDLE
    loss: float = 0.0
    outage: float = 0.0

    def name(self):
        words = [self.direction, "break" if self.manner == BREAK else "make",
                 f"{self.rtt_ms:g} ms", self.load]
        if self.loss:
            words.append(f"{self.loss * 100:g} % loss")
        if self.outage:
            words.append(f"outage {self.outage:g} s")
        return ", ".join(words)


@dataclasses.dataclass
class Measured:
    stalls: list          # ms, one a move; None: no byte came before the next move
    own: list             # ms: the longest silences of the flow without a move
    ping: float           # ms: median round trip of ping outside the moves
    ping_worst: float     # ms: its 99th percentile there
    trips: list           # ms, one a move: the round trip of ping just before it
    moves: list           # what `godwit status` says of them
    problem: str = ""     # how the flow ended, if badly


class Ping:
    """ping through the same path, ten times a second."""

    def __init__(self, lab):
        self._lab = lab
        self.answers = []  # (seconds since boot when sent, ms)
        self._shift = now() - time.time()
        self._process = lab.start(lab.mh, "ping", "-D", "-n", "-i", "0.05", CH_ADDRESS,
                                  stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            if answer := _ANSWER.match(line):
                at, ms = float(answer[1]) + self._shift, float(answer[2])
                self.answers.append((at - ms / 1e3, ms))

    def stop(self):
        self._process.terminate()
        self._thread.join()
        self._lab.stop(self._process)

    def before(self, move):
        """The round trip that was measured last before a move; none: nothing came back."""
        return next((ms for at, ms in reversed(self.answers) if at + ms / 1e3 < move.left), None)

    def outside(self, moves, around):
        """Round trips that no move touched, sorted."""
        return sorted(ms for at, ms in self.answers
                      if not any(move.left - around < at < move.came + around for move in moves))


def percentile(values, share):
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(case, moves, build):
    rtt = case.rtt_ms / 1e3
    options = {"delay_ms": case.rtt_ms / 2, "loss": case.loss, "seed": 1}
    if case.load == SATURATED:
        options |= {"rate": BOTTLENECK,
                    "queue": BOTTLENECK / 8 * max(rtt, SHORTEST_QUEUE)}
    # A flow that fills a queue needs many round trips until it does so again.
    dwell = 0.8 + (30 if case.load == SATURATED else 6) * rtt
    stops = [Stop("AB"[number % 2 == 0], 2, case.manner, case.outage) for number in range(moves)]
    one = dwell + 0.3 + case.outage + (_OVERLAP if case.manner == MAKE else 0.0)
    # The longest of many silences grows with the time watched: what a make before break is compared
    # with is the same flow, watched as long, without a move.
    still = moves * one if case.manner == MAKE else 0.0
    length = _SETTLE + still + (moves + 1) * one + 3
    with Lab(build=build, **options) as lab:
        mobile, correspondent = configure_pair(lab, publish=((PORT, SERVICE),))
        correspondent.start()
        mobile.start()
        flow = Flow(lab, case.direction, PACED_MBIT if case.load == IDLE else 0, length, SOCKS,
                    f"{CH_ADDRESS}:{PORT}", SERVICE)
        ping = Ping(lab)
        time.sleep(_SETTLE + still)
        made = journey.travel(lab, stops, dwell)
        time.sleep(dwell)
        end = now()
        status = mobile.status()
        alive = flow.running()
        ping.stop()
        problem = flow.wait(120) if alive else flow.wait(0) or "the flow ended before the moves did"
        for host in (mobile, correspondent):
            host.stop()
    return judged(case, flow, ping, made, end, status, problem)


def judged(case, flow, ping, moves, end, status, problem):
    if not flow.arrivals:
        raise LabError("the flow brought nothing: " + problem)
    journey.judge(moves, flow.silence, end)
    answers = ping.outside(moves, 0.1 + 2 * case.rtt_ms / 1e3) or [float("nan")]
    usual = statistics.median(answers)
    stalls = []
    for move, following in zip(moves, [*moves[1:], None]):
        until = following.left if following else end
        came = any(move.came < at < until for at, _ in flow.arrivals)
        stall = move.stall * 1e3
        if case.load == SATURATED and move.manner == BREAK:
            stall = stall_at(flow, move, (ping.before(move) or usual) / 1e3, until) * 1e3
        stalls.append(stall if came else None)
    return Measured(stalls, own_silences(flow, moves, end), usual, percentile(answers, 0.99),
                    [ping.before(move) or usual for move in moves], status["moves"][-len(moves):],
                    problem)


def stall_at(flow, move, trip, until):
    """Seconds. A flow that fills a queue loses packets and stands still without any move, shortly
    before one and some round trips after it: only what begins within two of them counts, and only
    from the move on."""
    stalls = [0.0]
    for began, ended in flow.gaps(until):
        if ended < move.left or began > move.came + 2 * trip:
            continue
        gone = max(0.0, min(ended, move.came) - max(began, move.left))
        stalls.append(ended - max(began, move.left) - gone)
    return max(stalls)


def own_silences(flow, moves, end):
    """ms, one for each move: the longest silence in as much time without a move. Make before break:
    as long as from that move to the next, before the first one. Else the moments before it."""
    if moves[0].manner == BREAK:
        return [flow.silence(move.left - 0.5, move.left - 0.02)[0] * 1e3 for move in moves]
    lefts = [move.left for move in moves] + [end]
    windows, until = [], moves[0].left - _OVERLAP
    for began, ended in zip(lefts, lefts[1:]):
        windows.append(flow.silence(until - (ended - began), until)[0] * 1e3)
        until -= ended - began
    return windows
