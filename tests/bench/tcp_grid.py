"""./dev bench tcp: Godwit's congestion control beside the kernel's, on paths of every kind.

One bottleneck of 300 Mbit/s in a wire element; for each cell of the grid (round trip, loss, order,
queue) one transfer with each controller, Godwit's over TUN with ESP and the kernel's in clear, in
turns. A ping beside each transfer says how long the queue was that it kept.
"""
import dataclasses
import re
import statistics
import subprocess

from lab import LabError, WiredPair, inside, run

RATE = 300e6
CONTROLLERS = ("reno", "cubic", "bbr")
MEDIAN_TARGET, CELL_TARGET = 0.95, 0.8  # of the kernel's best in the cell
PING_EVERY = 0.05


@dataclasses.dataclass(frozen=True)
class Cell:
    rtt_ms: float
    loss: float      # of the frames with data
    burst: float     # frames lost in a row, on average
    reorders: bool   # one frame in a hundred comes a quarter of a round trip late
    queue: float     # in bandwidth-delay products

    def name(self):
        loss = f"{self.loss * 100:g} % loss" + (" in bursts" if self.burst > 1 else "")
        return ", ".join([f"{self.rtt_ms:g} ms", loss, f"queue {self.queue:g} BDP",
                          *(["reordered"] if self.reorders else [])])

    def lay(self, wire):
        bdp = RATE / 8 * self.rtt_ms / 1000
        late = max(1.0, self.rtt_ms / 4)
        for command in (f"delay {self.rtt_ms / 2}", f"rate {RATE:.0f}",
                        f"queue {max(20000, bdp * self.queue):.0f}", f"loss {self.loss} 0",
                        f"burst {self.burst}", f"reorder {0.01 if self.reorders else 0} {late}"):
            wire.tell(command)

    def seconds(self):
        """Slow start and several periods of a controller."""
        return 4.0 + self.rtt_ms / 20


def grid(quick):
    trips = (20, 100) if quick else (2, 20, 100, 300)
    losses = ((0, 1), (0.01, 1)) if quick else ((0, 1), (0.001, 1), (0.001, 8), (0.01, 1),
                                                (0.01, 8), (0.03, 1), (0.03, 8))
    return [Cell(rtt, loss, burst, reorders, queue)
            for rtt in trips for loss, burst in losses
            for reorders in ((False,) if quick else (False, True))
            for queue in (1, 0.1)]


class Ping:
    """Round trips through the same queue, in ms beyond that of the empty path."""

    def __init__(self, pair, cell):
        self._empty = cell.rtt_ms
        self._process = pair.start(pair.one, "ping", "-n", "-q", "-i", str(PING_EVERY),
                                   pair.addresses[1], stdout=subprocess.PIPE, text=True)
        self._pair = pair

    def stop(self):
        self._process.send_signal(2)
        output, _ = self._process.communicate(timeout=10)
        self._pair.stop(self._process)
        found = re.search(r"= [\d.]+/([\d.]+)/", output)
        return max(0.0, float(found[1]) - self._empty) if found else None


def run_cell(pair, bulk, cell):
    """{(who, controller): (Mbit/s, ms of queue)}"""
    cell.lay(pair.wire)
    result = {}
    for controller in CONTROLLERS:
        for who in ("kernel", "godwit"):
            ping = Ping(pair, cell)
            how = "kernel" if who == "kernel" else f"esp-{controller}"
            rate, _, _ = bulk.transfer(how, cell.seconds(), controller, patience=60)
            result[who, controller] = (rate, ping.stop())
    return result


# --- sharing ---------------------------------------------------------------------------------

FAIR = 0.9  # Jain's index of two flows, where the kernel's own two reach it
SHARING = (Cell(20, 0, 1, False, 1), Cell(100, 0, 1, False, 1))
SHARED_SECONDS = 30


def jain(rates):
    return sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates))


def share(bulks, ways):
    """Two transfers at once; the rates of both."""
    transfers = [bulk.begin("kernel" if who == "kernel" else f"esp-{name}", SHARED_SECONDS, name)
                 for bulk, (who, name) in zip(bulks, ways)]
    return [bulk.finish(transfer, patience=60)[0] for bulk, transfer in zip(bulks, transfers)]


def bench_sharing(pair, bulks, results, say):
    say(f"  Two flows through one bottleneck for {SHARED_SECONDS} s: Mbit/s of each, and Jain's "
        "index")
    for cell in SHARING:
        cell.lay(pair.wire)
        indices = {}
        for one, other in ((("kernel", "cubic"), ("kernel", "cubic")),
                           (("godwit", "cubic"), ("godwit", "cubic")),
                           (("godwit", "bbr"), ("godwit", "bbr")),
                           (("godwit", "cubic"), ("kernel", "cubic"))):
            rates = share(bulks, (one, other))
            index = indices[one, other] = jain(rates)
            name = f"{' '.join(one)} and {' '.join(other)}, {cell.name()}"
            results.add(f"tcp: Jain's index: {name}", [index], "", FAIR)
            say(f"  {name:<70} {rates[0]:8.1f} {rates[1]:8.1f} {index:6.2f}")
        kernel = indices[("kernel", "cubic"), ("kernel", "cubic")]
        cubic = (("godwit", "cubic"), ("godwit", "cubic")), (("godwit", "cubic"), ("kernel", "cubic"))
        for pairing in cubic:
            if kernel >= FAIR > indices[pairing]:
                results.missed.append(f"tcp: {' '.join(pairing[0])} shares unfairly with "
                                      f"{' '.join(pairing[1])} ({cell.name()})")


def prepare(pair):
    """The kernel's buffers as large as the longest path asks for, and no memory of paths."""
    for namespace in (pair.one, pair.two):
        pair.sysctl(namespace, "net.ipv4.tcp_rmem=4096 131072 67108864",
                    "net.ipv4.tcp_wmem=4096 131072 67108864", "net.ipv4.tcp_no_metrics_save=1")
    allowed = run(*inside(pair.one), "sysctl", "-n", "net.ipv4.tcp_available_congestion_control")
    missing = [name for name in CONTROLLERS if name not in allowed.split()]
    if missing:
        raise LabError(f"this kernel has no {', '.join(missing)}: modprobe tcp_{missing[0]}")


def bench_tcp(options, results, say, bulk_pair):
    cells = grid(options.quick)
    say(f"TCP: {RATE / 1e6:.0f} Mbit/s, {len(cells)} kinds of path, one transfer for each "
        "controller; Mbit/s, and in brackets the ms of queue it kept")
    say("  " + " " * 46 + "".join(f"{who + ' ' + name:>18}" for name in CONTROLLERS
                                  for who in ("kernel", "godwit")) + f"{'of the best':>18}")
    ratios = {name: [] for name in CONTROLLERS}
    queues = {"kernel": [], "godwit": []}
    with WiredPair(build=options.build) as pair:
        prepare(pair)
        bulk = bulk_pair(pair, CONTROLLERS)
        for cell in cells:
            measured = run_cell(pair, bulk, cell)
            best = max(measured["kernel", name][0] for name in CONTROLLERS)
            shown = []
            for name in CONTROLLERS:
                for who in ("kernel", "godwit"):
                    rate, queue = measured[who, name]
                    shown.append(f"{rate:.1f} ({queue:.0f})" if queue is not None else f"{rate:.1f}")
                    results.add(f"tcp: {cell.name()}: {who} {name}", [rate], "Mbit/s",
                                None if who == "kernel" else best)
                ratios[name].append((measured["godwit", name][0] / best, cell))
            for who, delays in queues.items():
                if measured[who, "bbr"][1] is not None:
                    delays.append(measured[who, "bbr"][1])
            text = " / ".join(f"{ratios[name][-1][0]:.2f}" for name in CONTROLLERS)
            say(f"  {cell.name():<46}" + "".join(f"{text:>18}" for text in shown) + f"{text:>18}")
        bench_sharing(pair, (bulk, bulk_pair(pair, CONTROLLERS, 1)), results, say)
    judge(ratios, queues, results, say)


def judge(ratios, queues, results, say):
    medians = {name: statistics.median(ratio for ratio, _ in ratios[name])
               for name in CONTROLLERS}
    for name in CONTROLLERS:
        worst, cell = min(ratios[name], key=lambda entry: entry[0])
        results.add(f"tcp: godwit {name} to the kernel's best, median of the grid",
                    [ratio for ratio, _ in ratios[name]], "", MEDIAN_TARGET)
        say(f"  godwit {name}: median {medians[name]:.2f} of the kernel's best, worst "
            f"{worst:.2f} ({cell.name()})")
    best = max(medians, key=medians.get)
    say(f"  the best over the grid: {best}")
    worst = min(ratio for ratio, _ in ratios[best])
    delays = {who: statistics.median(values) for who, values in queues.items() if values}
    if len(delays) == 2:
        say(f"  queue kept by bbr, median: godwit {delays['godwit']:.1f} ms, kernel "
            f"{delays['kernel']:.1f} ms")
    if medians[best] < MEDIAN_TARGET:
        results.missed.append(f"tcp: {medians[best]:.2f} of the kernel's best over the grid")
    if worst < CELL_TARGET:
        results.missed.append(f"tcp: {worst:.2f} of the kernel's best in a cell")
    if len(delays) == 2 and delays["godwit"] > delays["kernel"] + 1:
        results.missed.append("tcp: bbr keeps a longer queue than the kernel's")
    say()
