"""./dev bench handover: what a move costs the application, under Godwit and under what else keeps
TCP sessions alive through a change of address.

Two laboratories. Godwit alone (godwit_moves.py) is measured in this project's own, against what it
promises. The comparison runs every system in one laboratory that knows nothing of Godwit: a
harness of its own kind, in a directory that --peers names (bench.py, lab.py, adapters/); its
adapter for Godwit is peers/godwit.py.
"""
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import godwit_moves
from godwit_moves import BREAK, IDLE, MAKE, SATURATED, Case
from lab import LabError, find_program, need

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RTTS = (2, 20, 100)
# What Godwit promises of a move, in ms: the median, the worst, the worst with loss, and how much
# longer than the sender's own pace a make before break may be (B1).
MEDIAN, WORST, WORST_WITH_LOSS, MAKE_MORE = 10.0, 50.0, 200.0, 5.0
LOSS = 0.01
REACHED = "reached"
OUTAGE = 1.0
AT_ONCE = 2                    # labs of the comparison: their flows are light
DWELL = 3.0                    # seconds from move to move there
PATIENCE = 60.0                # seconds on top of the moves until a peer is given up

# name of the adapter -> (what it is called, {program that must be there: its package})
GODWIT = "godwit"
SYSTEMS = {
    GODWIT: ("Godwit", {}),
    "mptcp": ("MPTCP", {"mptcpize": "mptcpize"}),
    "wireguard_go:poke": ("wireguard-go, told of moves", {"wireguard-go": "wireguard-go",
                                                          "wg": "wireguard-tools"}),
    "openvpn:poke": ("OpenVPN, told of moves", {"openvpn": "openvpn", "openssl": "openssl"}),
    "nebula:poke": ("Nebula, told of moves", {"nebula": "nebula"}),
    "strongswan": ("strongSwan, MOBIKE", {
        "/usr/lib/ipsec/charon": "strongswan-charon", "swanctl": "strongswan-swanctl",
        "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so":
            "libcharon-extra-plugins"}),
    "wgstack:poke": ("gVisor and wireguard-go, told of moves", {
        "wireguard-go": "wireguard-go", "wg": "wireguard-tools", "go": "golang-go",
        "/usr/share/gocode/src/gvisor.dev/gvisor": "golang-gvisor-gvisor-dev",
        "/usr/share/gocode/src/golang.zx2c4.com/wireguard": "golang-golang.zx2c4-wireguard-dev",
        "/usr/share/gocode/src/golang.org/x/net": "golang-golang-x-net-dev"}),
}
# Adapters that the comparison passes over, and why.
LEFT_OUT = {
    "tcp": "plain TCP does not survive a move; ./dev demo shows it",
    "quic_ngtcp2": "its example programs can neither pace nor react to a lost address",
    "mosh": "a terminal, not a byte stream",
    "dante": "a proxy without mobility", "microsocks": "a proxy without mobility",
    "pasta": "a stack without mobility", "slirp4netns": "a stack without mobility",
}


def say(text=""):
    print(text, flush=True)


# --- Godwit alone ------------------------------------------------------------------------------

def cases(quick):
    rtts = RTTS[1:2] if quick else RTTS
    result = [Case(direction, manner, rtt, load) for manner in (BREAK, MAKE)
              for load in (IDLE, SATURATED) for rtt in rtts for direction in ("down", "up")]
    result += [Case(direction, BREAK, rtt, IDLE, LOSS) for rtt in rtts
               for direction in ("down", "up")]
    return result + [Case(direction, BREAK, 20, IDLE, 0.0, OUTAGE) for direction in ("down", "up")]


def compared(case, measured):
    """([ms, one a move: the stall beyond what cannot be helped], median allowed, worst allowed).
    A break costs a round trip, which in a full queue is that of the ping just before it."""
    stalls = [stall for stall in measured.stalls if stall is not None]
    if case.manner == MAKE:
        # The longest silence without a move, too, is not twice the same: no less is asked for.
        usual, longest = statistics.median(measured.own), max(measured.own)
        unsteady = max(MAKE_MORE, longest - usual)
        # What a full queue drops just before the old path is left is missed a round trip later.
        worst = longest - usual + (measured.ping if case.load == SATURATED else unsteady)
        return [stall - usual for stall in stalls], MAKE_MORE, worst
    trips = measured.trips if case.load == SATURATED else [case.rtt_ms] * len(measured.stalls)
    over = [stall - trip for stall, trip in zip(measured.stalls, trips) if stall is not None]
    if case.loss or case.outage:
        return over, WORST_WITH_LOSS, WORST_WITH_LOSS
    return over, MEDIAN, WORST


def bench_godwit(options, results):
    rows = [["move", "median", "worst", "lost", "own", "own worst", "ping", "ping p99", "more",
             "worst", "allowed", ""]]
    moves = options.moves * (1 if options.quick else 2)
    say(f"Handover: Godwit alone, {moves} moves each; ms without a byte at the application. 'own' "
        "is the flow's longest pause in as much time without a move, 'ping' went the same way at "
        "the same time, 'more' is the stall beyond a round trip, or beyond 'own' where a move must "
        "cost nothing")
    for case in cases(options.quick):
        # One hiccup of the machine is the worst of ten moves: what misses is measured once more,
        # and both rows are shown.
        for _ in range(2):
            measured = godwit_moves.measure(case, moves, options.build)
            rows.append(row_of(case, measured, results))
            say("  " + ", ".join(f"{name} {value}" for name, value in zip(rows[0][1:], rows[-1][1:])
                                 if name).join((rows[-1][0] + ": ", "")))
            if rows[-1][-1] == REACHED:
                break
        else:
            results.missed.append("handover: " + case.name())
    say()
    table(rows)
    say()


def row_of(case, measured, results):
    came = [stall for stall in measured.stalls if stall is not None]
    dead = len(measured.stalls) - len(came)
    over, median_allowed, worst_allowed = compared(case, measured)
    if came:
        results.add(f"handover: Godwit: {case.name()}", came, "ms", None)
        results.add(f"handover: Godwit: {case.name()}: more than cannot be helped", over, "ms",
                    median_allowed)
    results.add(f"handover: Godwit: {case.name()}: not resumed before the next move", [dead],
                "moves", 0)
    kept = came and not dead and not measured.problem and \
        statistics.median(over) <= median_allowed and max(over) <= worst_allowed
    nothing = (float("nan"),) * 2
    return [case.name(), *ms(*((statistics.median(came), max(came)) if came else nothing)),
            str(dead), *ms(statistics.median(measured.own), max(measured.own), measured.ping,
                           measured.ping_worst),
            *ms(*((statistics.median(over), max(over)) if came else nothing)),
            f"{median_allowed:.0f}, worst {worst_allowed:.0f}",
            REACHED if kept else f"MISSED {measured.problem.strip()}".strip()]


def ms(*values):
    return [f"{value:.1f}" for value in values]


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(cell.ljust(width) if i in (0, len(row) - 1) else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


# --- beside the others -------------------------------------------------------------------------

def present(program):
    return os.path.exists(program) if program.startswith("/") else find_program(program)


def missing_packages(name):
    return sorted({package for program, package in SYSTEMS[name][1].items()
                   if not present(program)})


def install(names):
    """What is missing, one system at a time: a package that cannot be had costs only its own."""
    for name in names:
        if packages := missing_packages(name):
            say(f"  installing for {SYSTEMS[name][0]}: {' '.join(packages)}")
            subprocess.run([os.path.join(ROOT, "third_party", "bootstrap"), "packages",
                            f"peer-{name.partition(':')[0]}"], stdout=subprocess.DEVNULL)


def choose(options):
    """Adapters to run; says which are not run and why."""
    adapters = os.listdir(os.path.join(options.peers, "adapters"))
    known = {name.partition(":")[0] for name in SYSTEMS}
    there = {file.removesuffix(".py") for file in adapters if file.endswith(".py")} | {GODWIT}
    install([name for name in SYSTEMS if name.partition(":")[0] in there])
    chosen = []
    for name, (called, _) in SYSTEMS.items():
        if name.partition(":")[0] not in there:
            say(f"  NOT COMPARED: {called}: {options.peers} has no adapter for it")
        elif packages := missing_packages(name):
            say(f"  NOT COMPARED: {called}: not installed: {' '.join(packages)}")
        else:
            chosen.append(name)
    for name in sorted(there - known):
        say(f"  not compared: {name}: {LEFT_OUT.get(name, 'not known to this bench')}")
    return chosen


def columns(quick):
    """(direction, mode in the harness's words, RTT, outage)"""
    rtts = RTTS[1:2] if quick else RTTS
    directions = ("down", "up")
    return [(direction, mode, rtt, 0.0) for mode in ("bbm", "mbm") for direction in directions
            for rtt in rtts] + [(direction, "bbm", 20, OUTAGE) for direction in directions]


def heading(column):
    direction, mode, rtt, outage = column
    return f"{direction} {'break' if mode == 'bbm' else 'make'} {rtt}" + \
        (f" +{outage:g} s" if outage else "")


def run_one(options, state, number, name, column):
    """Milliseconds for each move, None for one that was not got over; or what went wrong."""
    direction, mode, rtt, outage = column
    argv = [sys.executable, os.path.join(HERE, "peers", "measure.py"), options.peers, "move", name,
            "--rtt", str(rtt), "--mode", mode, "--dir", direction, "--moves", str(options.moves),
            "--every", str(DWELL + outage), "--outage", str(outage), "--prefix",
            f"h{os.getpid() % 10000}n{number}"]
    environment = {**os.environ, "PEERLAB_STATE": state, "GODWIT_BUILD_DIR": options.build}
    try:
        done = subprocess.run(argv, text=True, capture_output=True, env=environment,
                              timeout=PATIENCE + options.moves * (DWELL + outage + 1))
    except subprocess.TimeoutExpired:
        return "takes too long"
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line)["gaps_ms"]
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


def bench_peers(options, results):
    say(f"Handover: beside others, {options.moves} moves each; ms without a byte at the "
        "application, the outage included: median, worst")
    chosen = choose(options)
    wanted = columns(options.quick)
    state = tempfile.mkdtemp(prefix="godwit-peers-")
    try:
        subprocess.run([sys.executable, "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); "
                        "import lab; lab.build()", options.peers], check=True,
                       env={**os.environ, "PEERLAB_STATE": state})
        # All systems in one column, then the next: what else the machine does meets all alike.
        jobs = [(column, name) for column in wanted for name in chosen]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            futures = {pool.submit(run_one, options, state, number, name, column): (name, column)
                       for number, (column, name) in enumerate(jobs)}
            outcomes = {}
            for future in concurrent.futures.as_completed(futures):
                outcomes[futures[future]] = future.result()
                say(f"  {len(outcomes)}/{len(jobs)} {SYSTEMS[futures[future][0]][0]}, "
                    f"{heading(futures[future][1])}: {cell(future.result())}")
    finally:
        shutil.rmtree(state, ignore_errors=True)
    say()
    for part in [wanted[i:i + 6] for i in range(0, len(wanted), 6)]:
        table([["", *(heading(column) for column in part), ""],
               *([SYSTEMS[name][0], *(cell(outcomes[name, column]) for column in part), ""]
                 for name in chosen)])
        say()
    for (name, column), outcome in outcomes.items():
        record(results, name, column, outcome)


def cell(outcome):
    if isinstance(outcome, str):
        return "failed: " + outcome[:60]
    came = [gap for gap in outcome if gap is not None]
    text = f"{statistics.median(came):.0f}, {max(came):.0f}" if came else "-"
    dead = len(outcome) - len(came)
    return text + (f", {dead} dead" if dead else "")


def record(results, name, column, outcome):
    title = f"handover: {SYSTEMS[name][0]}: {heading(column)} ms"
    gaps = [] if isinstance(outcome, str) else outcome
    came = [gap for gap in gaps if gap is not None]
    if came:
        reference = column[2] + MEDIAN + column[3] * 1e3 if column[1] == "bbm" else None
        results.add(title, came, "ms", reference if name == GODWIT else None)
    results.add(title + ": dead", [len(gaps) - len(came)], "moves", None)


def bench_handover(options, results):
    need("nft", "ss", "ping")
    if options.peers and not os.path.exists(os.path.join(options.peers, "adapters")):
        raise LabError(f"--peers {options.peers}: no harness there; it has bench.py, lab.py and "
                       "adapters/")
    bench_godwit(options, results)
    if options.peers:
        bench_peers(options, results)
    else:
        say("Not compared with others: that needs the peer harness (bench.py, lab.py, adapters/). "
            "Give its directory as --peers DIR or in GODWIT_PEERS")
