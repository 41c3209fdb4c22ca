#!/usr/bin/env python3
"""./dev bench: measures Godwit beside the kernel's TCP, in one run on one machine.

usage: bench.py [bulk] [proxy] [stall] [mobility] [handover] [ways-in] [tcp] [--json FILE] [--build DIR]
                [--seconds S] [--runs N] [--moves N] [--quick] [--peers DIR]

bulk   one transfer over a cable between two namespaces, a core for each end: the kernel's TCP,
       Godwit over TUN without ESP, Godwit over TUN with ESP; goodput and CPU time per GB
proxy  the same cable, as a user travels it: curl, SOCKS, Godwit, publish, nginx
stall  what a reader notices of a move (break before make) at 2, 20 and 100 ms of round trip
mobility  what a move costs: CPU time for thousands of connections, the burst for a thousand peers
handover  moves in every manner, under Godwit and under what else survives one; needs a harness
       with the others (--peers DIR) for the second half; 25 minutes, with --quick 5
ways-in  the proxy beside Dante and microsocks: connections per second, time of one, bulk; memory
       of idle connections; what others notice of a destination that never answers

tcp    congestion control: Godwit's controllers beside the kernel's on paths of every length, loss,
       order and queue; two hours, with --quick ten minutes

Without a name, all but handover, ways-in and tcp. Prints tables; with --json the same as a list of
{name, value, unit, n, min, max, reference}: value is the median of n runs, reference what it is
to be held against (bulk: the kernel in the same run; stall: what is allowed). Ends with status 1 if
a target is missed, with 2 if something that it needs is.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "netns"))

import godwit_moves  # noqa: E402
import handover  # noqa: E402
import tcp_grid  # noqa: E402
import ways_in  # noqa: E402
from godwit import SOCKS, Host, configure_pair  # noqa: E402
from godwit_moves import BREAK, Case  # noqa: E402
from lab import CH_ADDRESS, Lab, LabError, Pair, build_directory  # noqa: E402
from lab import go_first, inside, need, run  # noqa: E402
from traffic import Download, make_file, start_nginx  # noqa: E402

BULK_TARGET = 1500.0           # Mbit/s with ESP over TUN, a core for each end
STALL_ALLOWANCE = 0.020        # seconds on top of one round trip
MOVES = 10
PORT = 5001
MIB = 1 << 20


class Results:
    """What was measured, in the order in which it is shown."""

    def __init__(self):
        self.items = []
        self.missed = []  # what a target was set for and did not reach it

    def add(self, name, values, unit, reference=None):
        item = {"name": name, "value": statistics.median(values), "unit": unit,
                "n": len(values), "min": min(values), "max": max(values), "reference": reference}
        self.items.append(item)
        return item["value"]


def say(text=""):
    print(text, flush=True)


def show(items):
    """One table; a reference is shown with how much of it was reached."""
    rows = [["", "median", "min", "max", "unit", "n", "reference", "ratio"]]
    for item in items:
        reference = item["reference"]
        rows.append([item["name"], *(f"{item[key]:.2f}" for key in ("value", "min", "max")),
                     item["unit"], str(item["n"]),
                     "" if reference is None else f"{reference:.2f}",
                     "" if not reference else f"{item['value'] / reference:.2f}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(cell.ljust(width) if i in (0, 4) else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


# --- bulk --------------------------------------------------------------------------------------

class BulkPair:
    """Two hosts on one cable; each stack a host of its own behind a TUN device, so that the
    same path serves with and without ESP. Several pairs may share a cable, by their numbers."""

    def __init__(self, pair, controllers=(), number=0):
        self.pair = pair
        self.controllers = controllers
        self.device = f"godwit{number}"
        self.port = PORT + number
        self.stacks = (f"10.72.{2 * number + 1}.2", f"10.72.{2 * number + 2}.2")
        self.hosts = [Host(pair, pair.one, f"one{number}"), Host(pair, pair.two, f"two{number}")]
        keys = [host.init() for host in self.hosts]
        for i, host in enumerate(self.hosts):
            other = 1 - i
            pair.sysctl(host.namespace, "net.ipv4.ip_forward=1")
            run(*inside(host.namespace), "ip", "route", "add", self.stacks[other] + "/32", "via",
                pair.addresses[other])
            self._configure(host, i, [{"name": self.hosts[other].name, "key": keys[other],
                                       "addresses": [self.stacks[other]]}])

    def _configure(self, host, number, peers):
        host.configs = {}
        protect = [{"protect": "any", "with": "esp aes256gcm16"}]
        ways = [("esp", protect, {}), ("plain", [{"bypass": "any"}], {})]
        ways += [(f"esp-{name}", protect, {"congestion": name}) for name in self.controllers]
        for name, policy, tcp in ways:
            host.configure(policy=policy, peers=peers, tcp=tcp, link={
                "tun": {"device": self.device, "address": self.stacks[number] + "/24"}})
            host.configs[name] = os.path.join(host.directory, name + ".json")
            os.replace(host.config_path, host.configs[name])

    def begin(self, how, seconds, congestion=None):
        """A transfer that runs; `congestion` is for the kernel, Godwit's is in its
        configuration."""
        program = self.pair.program("bulk_bench")
        sender, receiver = self.hosts
        arguments = [["--kernel", *(["--congestion", congestion] if congestion else [])],
                     ["--kernel"]]
        target = self.pair.addresses[1]
        if how != "kernel":
            arguments = [["--config", host.configs[how]] for host in self.hosts]
            target = self.stacks[1]
        listening = self.pair.start(receiver.namespace, program, "receive", str(self.port),
                                    "--cpu", "1", *arguments[1], stdout=subprocess.PIPE, text=True,
                                    log=self.pair.path(f"receiver-{self.port}.log"))
        if not listening.stdout.readline():
            raise LabError("bulk_bench does not listen: " + listening.log_tail())
        sending = self.pair.start(sender.namespace, program, "send", f"{target}:{self.port}",
                                  str(seconds), "--cpu", "0", *arguments[0],
                                  stdout=subprocess.PIPE, text=True,
                                  log=self.pair.path(f"sender-{self.port}.log"))
        return how, seconds, sending, listening

    def finish(self, transfer, patience=30):
        """(goodput in Mbit/s, CPU seconds per GB at the sender, at the receiver)"""
        how, seconds, sending, listening = transfer
        try:
            output, _ = sending.communicate(timeout=seconds + patience)
        except subprocess.TimeoutExpired:
            raise LabError(f"{how}: the sender does not end") from None
        if sending.returncode:
            raise LabError(f"{how}: the sender ended: {sending.log_tail()}")
        sent, received = json.loads(output), json.loads(listening.stdout.readline())
        listening.wait(10)
        self.pair.stop(sending)
        self.pair.stop(listening)
        if sent["bytes"] != received["bytes"]:
            raise LabError(f"{how}: {sent['bytes']} bytes sent, {received['bytes']} received")
        return (received["bytes"] * 8e-6 / received["seconds"],
                *((end["user"] + end["system"]) / end["bytes"] * 1e9 for end in (sent, received)))

    def transfer(self, how, seconds, congestion=None, patience=30):
        return self.finish(self.begin(how, seconds, congestion), patience)


def bench_bulk(options, results):
    ways = {"kernel": "kernel TCP", "plain": "Godwit over TUN, no ESP",
            "esp": "Godwit over TUN, ESP"}
    measured = {how: [] for how in ways}
    with Pair(build=options.build) as pair:
        bulk = BulkPair(pair)
        # One of each in turn: what else the machine does meets all of them.
        for _ in range(options.runs):
            for how in ways:
                measured[how].append(bulk.transfer(how, options.seconds))
    say(f"Bulk: one connection, {options.seconds:g} s, offloads off, sender on CPU 0, receiver on "
        "CPU 1")
    first = len(results.items)
    kernel = [statistics.median(row[i] for row in measured["kernel"]) for i in range(3)]
    what = (("goodput", "Mbit/s"), ("CPU of the sender", "s/GB"), ("CPU of the receiver", "s/GB"))
    for i, (quantity, unit) in enumerate(what):
        for how, name in ways.items():
            results.add(f"bulk: {name}: {quantity}", [row[i] for row in measured[how]], unit,
                        None if how == "kernel" else kernel[i])
    show(results.items[first:])
    esp = statistics.median(row[0] for row in measured["esp"])
    say(f"  target {BULK_TARGET:.0f} Mbit/s with ESP: "
        f"{'reached' if esp >= BULK_TARGET else 'missed'}\n")
    if esp < BULK_TARGET:
        results.missed.append("bulk: goodput with ESP")


# --- proxy -------------------------------------------------------------------------------------

def bench_proxy(options, results):
    size = 256 * MIB
    godwit, kernel = [], []
    with Lab(wire=False, build=options.build) as lab:
        os.makedirs(lab.path("www"))
        make_file(lab.path("www", "file"), size, 1)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080", f"{CH_ADDRESS}:8081"])
        mobile, correspondent = configure_pair(lab)
        correspondent.start()
        mobile.start()
        for _ in range(options.runs):
            for values, url, arguments in (
                    (kernel, f"http://{CH_ADDRESS}:8081/file", ()),
                    (godwit, f"http://{CH_ADDRESS}/file", ("--socks5-hostname", SOCKS))):
                download = Download(lab, url, *arguments)
                if download.wait(120) != 0:
                    raise LabError(f"{url}: {download.errors()}")
                values.append(download.bytes * 8e-6 / (download.ended - download.arrivals[0][0]))
        mobile.stop()
        correspondent.stop()
    say("Proxy: curl of 256 MiB through a router, all programs on the same cores")
    first = len(results.items)
    reference = results.add("proxy: kernel TCP: goodput", kernel, "Mbit/s")
    results.add("proxy: Godwit by SOCKS and publish: goodput", godwit, "Mbit/s", reference)
    show(results.items[first:])
    say()


# --- stall -------------------------------------------------------------------------------------

def stalls_at(options, rtt_ms):
    """Milliseconds for each of the moves of a paced download."""
    measured = godwit_moves.measure(Case("down", BREAK, rtt_ms), MOVES, options.build)
    if measured.problem or None in measured.stalls:
        raise LabError(f"the download at {rtt_ms} ms did not go on: {measured.problem}")
    return measured.stalls


def bench_stall(options, results):
    first = len(results.items)
    for rtt_ms in (2, 20, 100):
        results.add(f"stall: break before make at {rtt_ms} ms", stalls_at(options, rtt_ms), "ms",
                    rtt_ms + STALL_ALLOWANCE * 1e3)
    say(f"Stall: what the reader of a paced download notices of a move, {MOVES} moves each")
    show(results.items[first:])
    missed = [item["name"] for item in results.items[first:] if item["value"] > item["reference"]]
    outcome = "missed: " + ", ".join(missed) if missed else "reached"
    say(f"  target one round trip and 20 ms: {outcome}\n")
    results.missed += missed


# --- mobility ----------------------------------------------------------------------------------

def bench_mobility(options, results):
    """Whole nodes in one process: no namespace, no clock but the processor's."""
    program = os.path.join(options.build, "mobility_bench")
    say("Mobility: whole nodes in one process, CPU time of the thread, packets by virtual time")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        if subprocess.run([program, "--json", file.name]).returncode:
            raise LabError("mobility_bench failed")
        measured = json.load(file)
    results.items += measured
    results.missed += [item["name"] for item in measured
                       if item["reference"] and item["value"] > item["reference"]]
    say()


def bench_ways_in(options, results):
    ways_in.bench_ways_in(options, results, say, show)


def bench_tcp(options, results):
    tcp_grid.bench_tcp(options, results, say, BulkPair)


BENCHES = {"tcp": bench_tcp, "bulk": bench_bulk, "proxy": bench_proxy, "stall": bench_stall,
           "mobility": bench_mobility, "handover": handover.bench_handover,
           "ways-in": bench_ways_in}
BY_DEFAULT = ("bulk", "proxy", "stall", "mobility")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--build", default=build_directory(), metavar="DIR")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--moves", type=int, default=0, help="handover: for each number shown")
    parser.add_argument("--quick", action="store_true", help="handover: one round trip, few moves")
    parser.add_argument("--peers", default=os.environ.get("GODWIT_PEERS"), metavar="DIR",
                        help="handover: the harness with the systems to compare with")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    options.moves = options.moves or (3 if options.quick else 5)
    results = Results()
    try:
        go_first()
        names = options.names or BY_DEFAULT
        if tuple(names) != ("mobility",):
            need("curl", "nginx", "ss")
        for name in names:
            BENCHES[name](options, results)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if options.json and results.items:
            with open(options.json, "w") as file:
                json.dump(results.items, file, indent=2)
                file.write("\n")
    for name in results.missed:
        print(f"bench: target missed: {name}", file=sys.stderr)
    return 1 if results.missed else 0


if __name__ == "__main__":
    sys.exit(main())
