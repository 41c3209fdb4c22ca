"""./dev bench ways-in: what the proxy costs its clients, beside proxies over the kernel's TCP
(Dante, microsocks), on one cable between two namespaces, all programs on the same cores.

For each: connections per second and the time of one (connect, SOCKS, request, response, end) with
32 clients at once; bulk goodput. For Godwit alone: what 10,000 idle connections cost in memory, and
what clients notice of a hundred others that wait for a destination that never answers.
"""
import json
import os
import statistics
import subprocess
import time

from godwit import SOCKS, Host
from lab import CH_ADDRESS, Lab, LabError, find_program, inside, run
from traffic import Download, make_file, start_nginx, wait_for_port

MIB = 1 << 20
CLIENTS, SECONDS = 32, 4.0
IDLE = 10_000
MOST_MEMORY = 100.0     # MB for them
BLACK_HOLE = "10.71.9.77"
WAITING = 100
MOST_SLOWER = 1.10      # the 99th percentile of the others while those wait
DANTE = """\
logoutput: stderr
internal: 127.0.0.1 port = 1080
external: ua
socksmethod: none
clientmethod: none
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect }}
"""


class Kernel:
    """A proxy over the kernel's TCP on the mobile host; None if it is not installed."""

    target = f"{CH_ADDRESS}:8081"

    def __init__(self, lab, name, argv):
        self.lab, self.name = lab, name
        self._process = lab.start(lab.mh, *argv, log=lab.path(f"{name}.log"))
        wait_for_port(lab, lab.mh, SOCKS, self._process)

    def stop(self):
        self.lab.stop(self._process)


class Godwit:
    target = f"{CH_ADDRESS}:80"
    name = "Godwit"

    def __init__(self, lab, mobile):
        self.lab, self.mobile = lab, mobile
        mobile.start()

    def stop(self):
        self.mobile.stop()


def proxies(lab, mobile):
    """Makers, by name, in the order of the table."""
    config = lab.path("danted.conf")
    with open(config, "w") as file:
        file.write(DANTE.format())
    makers = {"Godwit": lambda: Godwit(lab, mobile)}
    for name, argv in (("Dante", ["danted", "-f", config, "-p", lab.path("danted.pid")]),
                       ("microsocks", ["microsocks", "-i", "127.0.0.1", "-p", "1080"])):
        if find_program(argv[0]):
            makers[name] = lambda name=name, argv=argv: Kernel(lab, name, argv)
    return makers


def load(lab, task, target, clients, *more):
    _, output, _ = lab.run(lab.mh, lab.program("socks_load"), task, SOCKS, target, str(clients),
                           *more, timeout=60)
    return json.loads(output)


class Held:
    """Connections that are open, or asked for, until it is closed."""

    def __init__(self, lab, task, target, clients, patience=60):
        self._lab = lab
        self._process = lab.start(lab.mh, lab.program("socks_load"), task, SOCKS, target,
                                  str(clients), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, log=lab.path("held.log"))
        line = self._process.stdout.readline()
        if not line:
            raise LabError("socks_load: " + self._process.log_tail())
        self.said = json.loads(line)

    def close(self):
        self._lab.stop(self._process)


def memory_of(process):
    """Resident, in MB, without what is shared with a file."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1000


def bench_ways_in(options, results, say, show):
    with Lab(wire=False, build=options.build) as lab:
        www = lab.path("www")
        os.makedirs(www)
        make_file(os.path.join(www, "file"), 128 * MIB, 1)
        make_file(os.path.join(www, "small"), 100, 1)
        start_nginx(lab, www, ["127.0.0.1:8080", f"{CH_ADDRESS}:8081"], connections=16384)
        mobile, correspondent = hosts(lab)
        correspondent.start()
        measured = compare(lab, options, proxies(lab, mobile))
        mobile.start()
        try:
            idle = idle_connections(lab, mobile, correspondent)
            others = beside_a_black_hole(lab)
        finally:
            mobile.stop()
            correspondent.stop()
    say(f"Ways in: {CLIENTS} clients at once, {SECONDS:g} s; a bulk of 128 MiB by curl")
    first = len(results.items)
    reference = "Dante" if "Dante" in measured else None
    for what, unit in (("connections", "1/s"), ("p50", "ms"), ("p99", "ms"), ("bulk", "Mbit/s")):
        held = statistics.median(measured[reference][what]) if reference else None
        for name, rows in measured.items():
            results.add(f"ways in: {name}: {what}", rows[what], unit,
                        None if name == reference else held)
    results.add("ways in: Godwit: 10,000 idle, proxy", [idle[0]], "MB", MOST_MEMORY)
    results.add("ways in: Godwit: 10,000 idle, publishing", [idle[1]], "MB", MOST_MEMORY)
    results.add("ways in: Godwit: p99 beside a black hole", others[1], "ms",
                statistics.median(others[0]))
    show(results.items[first:])
    if not reference:
        say("  Dante is not installed, so there is nothing to compare with: "
            "third_party/bootstrap packages peer-dante")
    judge(results, measured, idle, others, say)


def judge(results, measured, idle, others, say):
    missed = []
    if "Dante" in measured:
        ours, theirs = (statistics.median(measured[name]["connections"])
                        for name in ("Godwit", "Dante"))
        if ours < theirs:
            missed.append("ways in: connections per second")
    missed += [f"ways in: memory of idle connections ({name})"
               for name, megabytes in zip(("proxy", "publishing"), idle) if megabytes > MOST_MEMORY]
    alone, beside = (statistics.median(times) for times in others)
    if beside > alone * MOST_SLOWER:
        missed.append("ways in: others beside a black hole")
    say("  targets: connections per second at least Dante's, 10,000 idle connections in 100 MB, "
        "10 % for a black hole: " + ("missed: " + ", ".join(missed) if missed else "reached") + "\n")
    results.missed += missed


def hosts(lab):
    mobile, correspondent = Host(lab, lab.mh, "mh"), Host(lab, lab.ch, "ch")
    keys = {host.name: host.init() for host in (mobile, correspondent)}
    # A host that policy lets out in clear, and that is not there.
    policy = [{"bypass": f"any to {BLACK_HOLE}"}, {"protect": "any", "with": "esp aes256gcm16"}]
    mobile.configure(socks={"listen": SOCKS}, policy=policy,
                     peers=[{"name": "ch", "addresses": [CH_ADDRESS], "key": keys["ch"]}])
    correspondent.configure(publish=[{"port": 80, "to": "127.0.0.1:8080"}], policy=policy,
                            peers=[{"name": "mh", "key": keys["mh"]}])
    # Its packets vanish: nobody says that it is not there.
    run(*inside(lab.rt), "ip", "route", "add", "blackhole", BLACK_HOLE + "/32")
    return mobile, correspondent


def compare(lab, options, makers):
    measured = {name: {"connections": [], "p50": [], "p99": [], "bulk": []} for name in makers}
    for _ in range(options.runs):
        for name, make in makers.items():
            proxy = make()
            # The first connection makes a session; what is measured are those after it.
            load(lab, "rate", proxy.target, 1, "0.5")
            done = load(lab, "rate", proxy.target, CLIENTS, str(SECONDS))
            if done["failures"]:
                raise LabError(f"{name}: {done['failures']} connections failed")
            rows = measured[name]
            rows["connections"].append(done["connections"] / done["seconds"])
            rows["p50"].append(done["p50_ms"])
            rows["p99"].append(done["p99_ms"])
            download = Download(lab, f"http://{proxy.target}/file", "--socks5-hostname", SOCKS)
            if download.wait(120) != 0:
                raise LabError(f"{name}: {download.errors()}")
            rows["bulk"].append(download.bytes * 8e-6 /
                                (download.ended - download.arrivals[0][0]))
            proxy.stop()
    return measured


def idle_connections(lab, mobile, correspondent):
    """MB, at the proxy's host and at the other."""
    daemons = [host.process for host in (mobile, correspondent)]
    load(lab, "rate", Godwit.target, 1, "0.5")
    before = [memory_of(process) for process in daemons]
    held = Held(lab, "hold", Godwit.target, IDLE)
    try:
        if held.said["failures"]:
            raise LabError(f"{held.said['failures']} of {IDLE} idle connections failed")
        time.sleep(1)
        return [memory_of(process) - was for process, was in zip(daemons, before)]
    finally:
        held.close()


def beside_a_black_hole(lab):
    """99th percentiles in ms: alone, and beside clients that wait for nobody; in turns."""
    alone, beside = [], []
    for _ in range(5):
        alone.append(load(lab, "rate", Godwit.target, CLIENTS, "2")["p99_ms"])
        held = Held(lab, "wait", f"{BLACK_HOLE}:80", WAITING)
        try:
            beside.append(load(lab, "rate", Godwit.target, CLIENTS, "2")["p99_ms"])
        finally:
            held.close()
    return alone, beside
