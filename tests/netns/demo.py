#!/usr/bin/env python3
"""./dev demo: curl keeps its connection while the host under it changes networks.

Two hosts, two access networks and a router in network namespaces of this machine; 20 ms of round
trip. The mobile host downloads a file of random bytes by curl through Godwit's SOCKS proxy and
moves; then makes the same moves with a plain TCP connection of the kernel. Prints what happened,
writes build/demo/timeline.svg and build/demo/report.json, and ends with status 1 if one of the
promises printed last is broken, with 2 if the machine is too busy to judge one, or something that
the demo needs is missing.

usage: demo.py [BUILD_DIRECTORY] [--rtt MS] [--keep]
"""
import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time

import journey
import picture
import timeline
from capture import Capture
from godwit import SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, LabError, build_directory, go_first, need, now
from traffic import Download, Tcpdump, make_file, paced_rate, start_nginx

MIB = 1 << 20
PACE = (1 << 16, 3)        # bytes and ms: 175 Mbit/s, below what the path carries
DWELL = 1.8                # seconds at each place
KERNEL_PATIENCE = 8.0      # how long plain TCP may stay silent after the last move
ITINERARY = (
    Stop("B", 2, BREAK, label="break before make"),
    Stop("A", 3, MAKE, label="make before break"),
    Stop("B", 2, BREAK, label="break before make"),
    Stop("A", 2, BREAK, label="back to the first address"),
    Stop("B", 3, BREAK, outage=3.0, label="outage of 3 s"),
)
SHOWN_GAP = 0.1            # seconds without a byte from which the picture shows it
SHOWN_GAP_OF_A_MOVE = 0.015
# A round trip is the price of a move; the rest is what programs and pipes add.
STALL_ALLOWANCE = 0.020
# Make before break has no price: beyond the pauses of the sender's own pace only what programs add.
MAKE_ALLOWANCE = 0.010
# On a busy machine the flow pauses without any move, and so much of it is granted to a move. Where
# it pauses longer, a stall of a few such pauses cannot be judged; anything above is the move's.
PAUSE_GRANTED = 0.020
PAUSES_IN_DOUBT = 3
KEPT, BROKEN, UNJUDGED = "kept", "BROKEN", "unjudged"


class Promises:
    """What must hold, and whether it did."""

    def __init__(self):
        self.rows = []

    def check(self, promise, kept, found):
        self.add(promise, KEPT if kept else BROKEN, found)

    def add(self, promise, verdict, found):
        self.rows.append({"promise": promise, "verdict": verdict, "found": str(found)})

    def check_stall(self, move, rtt):
        """One move: what it may cost by its manner, and what the machine is granted besides."""
        if move.manner == MAKE:
            promise = "no pause beyond the sender's own pace"
            allowed = PACE[1] / 1e3 + MAKE_ALLOWANCE
        else:
            promise = "one round trip and at most 20 ms on top"
            allowed = rtt + STALL_ALLOWANCE
        granted = min(move.pause, PAUSE_GRANTED)
        verdict = KEPT if move.stall <= allowed + granted else BROKEN
        in_doubt = move.pause > PAUSE_GRANTED and (
            move.stall <= allowed + PAUSES_IN_DOUBT * move.pause)
        if verdict == BROKEN and in_doubt:
            verdict = UNJUDGED
        self.add(f"move {move.number} ({move.label}) costs {promise}", verdict,
                 f"{ms(move.stall)} ms; allowed {ms(allowed)} ms and {ms(granted)} ms for a "
                 f"machine on which the flow paused {ms(move.pause)} ms before the move")

    def count(self, verdict):
        return sum(row["verdict"] == verdict for row in self.rows)


class LiveLine:
    """One line that follows a download: rewritten in a terminal, else printed each second."""

    BARS = " ▁▂▃▄▅▆▇█"

    def __init__(self, name, lab, download):
        self._name, self._lab, self._download = name, lab, download
        self._terminal = sys.stdout.isatty()
        self.moves = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._terminal:
            print()

    def _run(self):
        history, before, ceiling = [], 0, 1.0
        ticks_of_a_line = 1 if self._terminal else 10
        tick = 0
        while not self._stop.wait(0.1):
            total = self._download.bytes
            rate, before = (total - before) * 8 / 0.1 / 1e6, total
            ceiling = max(ceiling, rate)
            history = (history + [rate])[-40:]
            tick += 1
            if tick % ticks_of_a_line == 0:
                shown = history[-ticks_of_a_line:]
                self._show(history, ceiling, total, sum(shown) / len(shown))

    def _show(self, history, ceiling, total, rate):
        bars = "".join(self.BARS[min(8, round(rate / ceiling * 8))] for rate in history)
        place = next(iter(self._lab.attached.values()), ("no network", 0))[0]
        line = (f"  {self._name:<10} {now() - self._download.began:5.1f} s  {rate:6.0f} Mbit/s  "
                f"{total / MIB:7.1f} MiB  {place:<10}  moves {self.moves}  {bars}")
        print(f"\r{line:<118}" if self._terminal else line, end="" if self._terminal else "\n",
              flush=True)


def say(text=""):
    print(text, flush=True)


def ms(seconds):
    return "-" if seconds is None else f"{seconds * 1e3:.0f}"


def table(headings, rows):
    widths = [max(len(str(row[i])) for row in [headings, *rows]) for i in range(len(headings))]
    for row in [headings, ["-" * width for width in widths], *rows]:
        say("  " + "  ".join(str(cell).ljust(width) if i < 2 else str(cell).rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def ride(lab, name, download):
    """The itinerary under one download. Returns the moves, judged."""
    with LiveLine(name, lab, download) as live:
        def moved(_):
            live.moves += 1

        moves = journey.travel(lab, ITINERARY, DWELL, moved)
        time.sleep(DWELL)
    return moves


class GodwitRide:
    def __init__(self, lab):
        self.lab = lab
        self.mobile, self.correspondent = configure_pair(lab)

    def run(self, sha256, marker, promises, rtt):
        for host in (self.correspondent, self.mobile):
            host.start()
        watcher = self.mobile.watch()
        dump = Tcpdump(self.lab, self.lab.path("router.pcap"))
        began_wall = time.time() - now()
        download = Download(self.lab, f"http://{CH_ADDRESS}/file", "--socks5-hostname", SOCKS)
        moves = ride(self.lab, "Godwit", download)
        during = self.mobile.status()
        status = download.wait(60)
        journey.judge(moves, download.silence, min(download.ended, moves[-1].came + DWELL))
        after = [host.status() for host in (self.mobile, self.correspondent)]
        missed = dump.stop()
        watcher.annotate(moves)
        say("  reading the capture ...")
        capture = Capture(dump.path)
        seen = self._read_capture(capture, marker, moves, download, began_wall, missed)
        capture.close()
        for host in (self.mobile, self.correspondent):
            host.stop()
        self._check(promises, rtt, download, status, sha256, moves, seen, during, after)
        return {"moves": moves, "download": download, "seen": seen, "sha256": sha256,
                "status": after}

    def _read_capture(self, capture, marker, moves, download, epoch, missed):
        mobile = {move.source for move in moves} | {moves[-1].destination}
        hosts = {CH_ADDRESS} | mobile
        windows = {"before the first move": (download.began + 0.2, moves[0].left - 0.1),
                   "after the last move": (moves[-1].came + 0.5, download.ended)}
        seen = {"frames": capture.frames, "missed_by_capture": missed, "kinds": capture.by_kind(),
                "clear_text_bytes": capture.clear_text_bytes(hosts),
                "marker_found": capture.count(marker), "full_size": {}, "wire_per_byte": {},
                "associations": {name: [{"spi": f"0x{spi:08x}", "packets": packets,
                                         "not_rising": not_rising}
                                        for spi, (packets, not_rising)
                                        in capture.associations(addresses).items()]
                                 for name, addresses in (("mh", mobile), ("ch", {CH_ADDRESS}))}}
        for name, (begin, end) in windows.items():
            kinds = ("esp", "tunnelled esp")
            seen["full_size"][name] = capture.full_size(CH_ADDRESS, kinds, begin + epoch,
                                                        end + epoch)
            _, wire = capture.sent_by(CH_ADDRESS, kinds, begin + epoch, end + epoch)
            received = download.bytes_between(begin, end)
            seen["wire_per_byte"][name] = wire / received if received else None
        return seen

    def _check(self, promises, rtt, download, status, sha256, moves, seen, during, after):
        promises.check("curl finished its one download", status == 0,
                       f"curl status {status}" + (f", {download.errors()}" if status else ""))
        promises.check("the download outlasted the moves", download.ended > moves[-1].came + 1.0,
                       f"by {download.ended - moves[-1].came:.1f} s")
        promises.check("the file is the same (SHA-256)", download.sha256() == sha256,
                       f"{download.bytes} bytes")
        made = [move for move in moves if move.completed is not None]
        promises.check(f"all {len(moves)} moves were announced and completed",
                       len(made) == len(moves) >= 4, f"{len(made)} completed")
        for move in moves:
            promises.check_stall(move, rtt)
        promises.check("nothing between the hosts was readable",
                       seen["clear_text_bytes"] == 0 and seen["marker_found"] == 0,
                       f"{seen['clear_text_bytes']} bytes in clear text, the file's marker "
                       f"{seen['marker_found']} times")
        promises.check("the capture is complete enough to say so",
                       seen["missed_by_capture"] <= seen["frames"] / 100,
                       f"{seen['missed_by_capture']} of {seen['frames']} packets missed")
        sizes = list(seen["full_size"].values())
        promises.check("a full-size segment takes as much wire after the moves as before",
                       sizes[0] == sizes[1] is not None, " and ".join(f"{s} bytes" for s in sizes))
        used = [sa for host in seen["associations"].values() for sa in host]
        promises.check("the same two SPIs before, during and after all moves", len(used) == 2 and
                       all(len(host) == 1 for host in seen["associations"].values()),
                       ", ".join(f"{sa['spi']} on {sa['packets']} packets" for sa in used))
        promises.check("every ESP sequence number is above all before it",
                       sum(sa["not_rising"] for sa in used) == 0,
                       f"{sum(sa['not_rising'] for sa in used)} of "
                       f"{sum(sa['packets'] for sa in used)} are not")
        tunnels = sum(len(host["tunnels"]) for host in after)
        promises.check("no tunnel entry is left", tunnels == 0, f"{tunnels} left")


def kernel_ride(lab, promises):
    download = Download(lab, f"http://{CH_ADDRESS}:8081/file")
    moves = ride(lab, "kernel TCP", download)
    deadline = moves[-1].came + KERNEL_PATIENCE
    while download.running() and now() < deadline:
        time.sleep(0.1)
    finished = not download.running()
    waited = now() - download.last_arrival()
    end = now()
    journey.judge(moves, download.silence, end)
    download.wait(0)
    promises.check("plain TCP does not survive this (else the lab shows nothing)", not finished,
                   f"no byte for {waited:.1f} s when given up")
    return {"moves": moves, "download": download, "waited": waited, "end": end}


def show(godwit, kernel, rtt):
    say()
    say("Moves under Godwit (came: s after the download began; announced, completed, first byte: "
        "ms after the address came;\n  stall: silence without the time in which there was no "
        "network)")
    began = godwit["download"].began
    table(["#", "move", "to", "no network", "came", "announced", "completed", "first byte", "silence",
           "stall", "stall/RTT"],
          [[move.number, move.label, move.destination, ms(move.outage),
            f"{move.came - began:.3f}", ms(move.announced),
            ms(move.completed), ms(move.first_byte), ms(move.silence), ms(move.stall),
            f"{move.stall / rtt:.1f}"] for move in godwit["moves"]])
    say()
    say("Their timeline as the mobile host tells it (ms since the move was detected = round trips)")
    table(*timeline.table(godwit["status"][0]["moves"]))
    say()
    say("The same moves under plain kernel TCP")
    table(["#", "move", "to", "no network", "silence"],
          [[move.number, move.label, move.destination, ms(move.outage), ms(move.silence)]
           for move in kernel["moves"]])
    received = kernel["download"].bytes
    say(f"  dead: {received / MIB:.1f} MiB came, and no byte for {kernel['waited']:.1f} s when "
        "given up; it lives only where its first address is")
    say()
    seen = godwit["seen"]
    say("Seen by an onlooker on the router")
    table(["", "packets", "bytes"],
          [[kind, packets, size] for kind, (packets, size) in seen["kinds"].items()])
    for name, size in seen["full_size"].items():
        ratio = seen["wire_per_byte"][name]
        say(f"  full-size segment {name}: {size} bytes on the wire" +
            (f", {ratio:.4f} bytes of wire per byte of file" if ratio else ""))
    say(f"  clear-text bytes: {seen['clear_text_bytes']}, the file's marker: "
        f"{seen['marker_found']} times, packets missed: {seen['missed_by_capture']}")


def draw(path, godwit, kernel, rtt, size, kept):
    begin = godwit["download"].began
    duration = max(godwit["download"].ended - begin,
                   kernel["end"] - kernel["download"].began)
    # Both journeys have the same timetable, so the marks of one serve both.
    shift = begin - kernel["download"].began

    def panel(name, ride_, note, offset, end):
        download = ride_["download"]
        arrivals = [(at + offset, length) for at, length in download.arrivals]
        points = picture.goodput(arrivals, begin, end)
        silences = [(since + offset - begin, until + offset - begin)
                    for since, until in download.gaps(end - offset)
                    if until - since > SHOWN_GAP or until - since > SHOWN_GAP_OF_A_MOVE and
                    any(until >= move.left and since <= move.came for move in ride_["moves"])]
        return {"name": name, "note": note, "points": points, "silences": silences}

    panels = [
        panel("curl through Godwit", godwit, f"{size / MIB:.0f} MiB, SHA-256 equal" if kept else
              "broken, see the report", 0.0, godwit["download"].ended),
        panel("curl over plain kernel TCP", kernel,
              f"dead: no byte for {kernel['waited']:.1f} s when given up", shift,
              kernel["end"] + shift)]
    marks = [{"at": move.left - begin, "label": move.label,
              "result": f"{ms(move.stall)} ms = {move.stall / rtt:.1f} RTT"}
             for move in godwit["moves"]]
    picture.timeline(path, f"One download, {len(ITINERARY)} moves",
                     f"goodput as it reached the reader of curl; round trip {rtt * 1e3:.0f} ms; "
                     "numbers are stalls; nothing came in the red stretches",
                     panels, marks, journey.stays(godwit["moves"], begin, begin + duration),
                     duration)


def report(path, rtt, size, godwit, kernel, promises):
    def rows(moves, began):  # when: seconds after the download began
        return [{key: value for key, value in vars(move).items() if key not in ("left", "came")} |
                {"outage": move.outage, "address_left": move.left - began,
                 "address_came": move.came - began} for move in moves]

    with open(path, "w") as file:
        json.dump({"rtt": rtt, "file_bytes": size, "sha256": godwit["sha256"],
                   "sha256_received": godwit["download"].sha256(),
                   "goodput_mbit": godwit["download"].bytes * 8e-6 /
                   (godwit["download"].ended - godwit["download"].began),
                   "godwit": rows(godwit["moves"], godwit["download"].began),
                   "onlooker": godwit["seen"], "timeline": godwit["status"][0]["moves"],
                   "kernel_tcp": {"moves": rows(kernel["moves"], kernel["download"].began),
                                  "bytes": kernel["download"].bytes,
                                  "silent_when_given_up": kernel["waited"]},
                   "promises": promises.rows}, file, indent=2)
        file.write("\n")


def play(options):
    rtt = options.rtt / 1e3
    promises = Promises()
    output = os.path.join(os.path.dirname(os.path.abspath(options.build.rstrip("/"))), "demo")
    os.makedirs(output, exist_ok=True)
    with Lab(delay_ms=options.rtt / 2, build=options.build) as lab:
        www, marker = lab.path("www"), os.urandom(16)
        os.makedirs(www)
        # Enough for every second with a network, and something left for after the last move.
        connected = DWELL * (len(ITINERARY) + 1) + sum(stop.manner == MAKE for stop in ITINERARY)
        size = int(paced_rate(PACE) * (connected + 0.5))
        say(f"making a file of {size / MIB:.0f} MiB of random bytes")
        sha256 = make_file(os.path.join(www, "file"), size, 2, marker)
        start_nginx(lab, www, ["127.0.0.1:8080", f"{CH_ADDRESS}:8081"], PACE)
        say(f"mh and ch, two access networks, {options.rtt:g} ms of round trip")
        godwit = GodwitRide(lab).run(sha256, marker, promises, rtt)
        lab.break_before_make("A", 2)
        kernel = kernel_ride(lab, promises)
        if options.keep:
            shutil.copy(lab.path("router.pcap"), output)
    kept = promises.count(BROKEN) == 0
    show(godwit, kernel, rtt)
    draw(os.path.join(output, "timeline.svg"), godwit, kernel, rtt, size, kept)
    report(os.path.join(output, "report.json"), rtt, size, godwit, kernel, promises)
    say()
    for row in promises.rows:
        say(f"  {row['verdict']:<8}  {row['promise']}: {row['found']}")
    say(f"\n{os.path.join(output, 'timeline.svg')}\n{os.path.join(output, 'report.json')}")
    if kept and promises.count(UNJUDGED):
        raise LabError("this machine is too busy to judge how long a move takes: "
                       f"{promises.count(UNJUDGED)} of {len(ITINERARY)} moves are unjudged, "
                       "nothing else is broken; run it again when less runs beside it")
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=build_directory(), metavar="BUILD_DIRECTORY")
    parser.add_argument("--rtt", type=float, default=20.0, metavar="MS")
    parser.add_argument("--keep", action="store_true", help="keep the capture beside the report")
    options = parser.parse_args()
    # As with Ctrl-C: what was made is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        go_first()
        need("curl", "nginx", "tcpdump", "ss")
        kept = play(options)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
