"""A small internet in network namespaces, made and removed completely:

    mh --- network A 10.71.1.0/24 --- rt --- [wire element] --- ch 10.71.9.2
      \\-- network B 10.71.2.0/24 ---/

`mh` is the mobile host, `ch` its correspondent, `rt` a router that forwards only what comes from
the network it belongs to (BCP 38) and drops silently what it cannot deliver. The wire element
(wire/) gives the path delay, rate and loss. No namespace has a way out.

A lab's names carry the id of its process, so several may stand at once. Everything started in a
lab dies with it, by its own process id; what a killed run has left is removed by the next.
"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from netlink import LinkWatch, Netlink

CH_ADDRESS = "10.71.9.2"
NETWORKS = {"A": {"device": "ua", "port": "ra", "prefix": "10.71.1.", "gateway": "10.71.1.1"},
            "B": {"device": "ub", "port": "rb", "prefix": "10.71.2.", "gateway": "10.71.2.1"}}
STATE = os.path.join(tempfile.gettempdir(), "godwit-lab")

_NOT_PREFERRED = 100000  # the metric of a default route that waits behind another
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def inside(namespace):
    """The words before a command that is to run in a namespace. Not 'ip netns exec', which wants
    to remount / and cannot where / is no mount of its own, as in a chroot."""
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


class LabError(Exception):
    """Something of the lab itself is missing or failed; says what to do."""


def now():
    """Seconds since boot: the clock of Godwit's events."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def need(*programs):
    """Fails naming every program that is missing."""
    missing = [program for program in programs if not find_program(program)]
    if missing:
        raise LabError(f"not installed: {', '.join(missing)}; "
                       "'third_party/bootstrap packages run' installs what the lab needs")
    if os.geteuid() != 0:
        raise LabError("network namespaces need root")


def go_first():
    """Raises the priority of this process and of all it starts: what else the machine does is
    not to be measured. Without the right to do so nothing changes."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except OSError:
        pass


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def run(*argv, check=True):
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def build_directory():
    """Where the programs are: GODWIT_BUILD_DIR, or build/release of this checkout."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.environ.get("GODWIT_BUILD_DIR") or os.path.join(root, "build", "release")


class Process(subprocess.Popen):
    """One program in one namespace; remembers where its output goes."""

    def __init__(self, namespace, argv, log=None, environment=None, **options):
        self.what = os.path.basename(argv[0])
        self.log = log
        sink = open(log, "ab") if log else subprocess.DEVNULL
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", sink)
        options.setdefault("stderr", sink)
        try:
            super().__init__([*inside(namespace), *argv], start_new_session=True,
                             env={**os.environ, **(environment or {})},
                             preexec_fn=_die_with_parent, **options)
        finally:
            if log:
                sink.close()

    def stop(self, patience=5.0):
        """Ends it and everything it started; true if it went when asked."""
        went = True
        if self.poll() is None:
            _signal_group(self.pid, signal.SIGTERM)
            try:
                self.wait(patience)
            except subprocess.TimeoutExpired:
                went = False
        _signal_group(self.pid, signal.SIGKILL)
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                stream.close()
        return went

    def log_tail(self, lines=15):
        if not self.log or not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-lines:])


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(leader, number):
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass


class Wire:
    """The wire element's console."""

    def __init__(self, process):
        self._process = process
        self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise LabError("the wire element ended: " + self._process.log_tail())
        return json.loads(line)

    def tell(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer == {"ok": False}:
            raise LabError(f"the wire element does not understand: {command}")
        return answer

    def counters(self):
        """For each direction (0: from rt to ch, 1: from ch to rt) a dictionary of counts."""
        return self.tell("counters")


class Namespaces:
    """Network namespaces, cables between them, and programs in them; gone when it ends."""

    roles = ()

    def __init__(self, build=None):
        self.build = build or build_directory()
        self.name = f"gw{os.getpid()}"
        self.directory = os.path.join(STATE, self.name)
        self.processes = []

    def lay(self):
        """Made by the subclass: cables, addresses, routes."""
        raise NotImplementedError

    def lift(self):
        """Undone by the subclass before the namespaces go."""

    def __enter__(self):
        need("ip", "ethtool", "sysctl")
        sweep()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        try:
            self._record()
            for namespace in self._namespaces():
                run("ip", "netns", "add", namespace)
                run(*inside(namespace), "ip", "link", "set", "lo", "up")
                if os.path.isdir("/proc/sys/net/ipv6"):  # its neighbour discovery is noise here
                    self.sysctl(namespace, "net.ipv6.conf.all.disable_ipv6=1",
                                "net.ipv6.conf.default.disable_ipv6=1")
            self.lay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        self.processes.clear()
        self.lift()
        for namespace in self._namespaces():
            run("ip", "netns", "del", namespace, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        try:
            os.rmdir(STATE)
        except OSError:
            pass  # another lab stands

    def _namespaces(self):
        return [self.name + role for role in self.roles]

    def _record(self):
        """What the next run must remove if this one is killed."""
        processes = [[process.pid, _started(process.pid)] for process in self.processes]
        record = {"owner": [os.getpid(), _started(os.getpid())], "processes": processes,
                  "namespaces": self._namespaces()}
        path = os.path.join(self.directory, "lab.json")
        with open(path + ".new", "w") as file:
            json.dump(record, file)
        os.replace(path + ".new", path)

    def cable(self, namespace, device, peer_namespace, peer_device):
        run(*inside(namespace), "ip", "link", "add", device, "type", "veth", "peer", "name",
            peer_device, "netns", peer_namespace)
        # What leaves is what is counted: frames of Ethernet's size, with their checksums.
        for where, what in ((namespace, device), (peer_namespace, peer_device)):
            run(*inside(where), "ethtool", "-K", what, "tso", "off", "gso", "off",
                "gro", "off", "tx", "off", "sg", "off")
            run(*inside(where), "ip", "link", "set", what, "txqueuelen", "10000")

    def sysctl(self, namespace, *settings):
        run(*inside(namespace), "sysctl", "-q", "-w", *settings)

    # --- programs -------------------------------------------------------------------------------

    def program(self, name):
        path = os.path.join(self.build, name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is missing; './dev build' makes it "
                           "(GODWIT_BUILD_DIR names another build directory)")
        return path

    def start(self, namespace, *argv, **options):
        process = Process(namespace, [find_program(argv[0]) or argv[0], *argv[1:]], **options)
        self.processes.append(process)
        self._record()
        return process

    def run(self, namespace, *argv, timeout=60, check=True, input=None, **options):
        """Runs to the end; returns (exit status, output, errors)."""
        process = self.start(namespace, *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True,
                             stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
                             **options)
        try:
            output, errors = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(argv)}: nothing after {timeout} s") from None
        finally:
            self.stop(process)
        if check and process.returncode:
            raise LabError(f"{' '.join(argv)}: status {process.returncode}: "
                           f"{errors.strip() or output.strip()}")
        return process.returncode, output, errors

    def stop(self, process):
        went = process.stop()
        self.processes.remove(process)
        self._record()
        return went

    def path(self, *parts):
        return os.path.join(self.directory, *parts)


class Pair(Namespaces):
    """Two hosts on one cable, nothing between them: `one` is 10.71.5.1, `two` is 10.71.5.2."""

    roles = ("p1", "p2")
    addresses = ("10.71.5.1", "10.71.5.2")

    def __init__(self, build=None):
        super().__init__(build)
        self.one, self.two = self._namespaces()

    def lay(self):
        self.cable(self.one, "wire", self.two, "wire")
        self._address()

    def _address(self):
        for namespace, address in zip((self.one, self.two), self.addresses):
            run(*inside(namespace), "ip", "addr", "add", address + "/24", "dev", "wire")
            run(*inside(namespace), "ip", "link", "set", "wire", "up")


class WiredPair(Pair):
    """The same two hosts with a wire element in the middle of the cable."""

    roles = ("p1", "p2", "el")

    def __init__(self, delay_ms=0.0, build=None):
        Namespaces.__init__(self, build)
        self.one, self.two, self.el = self._namespaces()
        self.wire = None
        self._delay_ms = delay_ms

    def lay(self):
        self.cable(self.one, "wire", self.el, "e0")
        self.cable(self.el, "e1", self.two, "wire")
        for device in ("e0", "e1"):
            run(*inside(self.el), "ip", "link", "set", device, "up")
        self._address()
        process = self.start(self.el, self.program("wire_element"), "e0", "e1", "--delay",
                             str(self._delay_ms), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
        self.wire = Wire(process)


class Lab(Namespaces):
    """with Lab(delay_ms=10) as lab: ... The mobile host starts attached to network A."""

    roles = ("mh", "rt", "ch", "el")

    def __init__(self, wire=True, delay_ms=0.0, rate=0, queue=0, loss=0.0, seed=1, build=None):
        super().__init__(build)
        self.mh, self.rt, self.ch, self.el = self._namespaces()
        self._wire_options = None
        if wire:
            self._wire_options = ["--delay", str(delay_ms), "--rate", str(int(rate)), "--queue",
                                  str(int(queue)), "--loss", str(loss), "--seed", str(seed)]
        self.wire = None
        self.netlink = None
        self._ports = {}    # network -> LinkWatch of the router's end of its cable
        self.attached = {}  # network -> (address, metric of its default route)
        self._metric = _NOT_PREFERRED

    def lay(self):
        self.cable(self.mh, "ua", self.rt, "ra")
        self.cable(self.mh, "ub", self.rt, "rb")
        if self._wire_options is not None:
            self.cable(self.rt, "rc", self.el, "e0")
            self.cable(self.el, "e1", self.ch, "uc")
            for device in ("e0", "e1"):
                run(*inside(self.el), "ip", "link", "set", device, "up")
        else:
            self.cable(self.rt, "rc", self.ch, "uc")
        self._configure_router()
        run(*inside(self.ch), "ip", "addr", "add", CH_ADDRESS + "/24", "dev", "uc")
        run(*inside(self.ch), "ip", "link", "set", "uc", "up")
        run(*inside(self.ch), "ip", "route", "add", "default", "via", "10.71.9.1")
        if self._wire_options is not None:
            process = self.start(self.el, self.program("wire_element"), "e0", "e1",
                                 *self._wire_options, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
            self.wire = Wire(process)
        self.netlink = Netlink(self.mh)
        self._ports = {name: LinkWatch(self.rt, network["port"])
                       for name, network in NETWORKS.items()}
        self.attach("A", 2)

    def lift(self):
        for watch in (self.netlink, *self._ports.values()):
            if watch:
                watch.close()

    def _configure_router(self):
        for device, address in (("ra", "10.71.1.1/24"), ("rb", "10.71.2.1/24"),
                                ("rc", "10.71.9.1/24")):
            run(*inside(self.rt), "ip", "addr", "add", address, "dev", device)
            run(*inside(self.rt), "ip", "link", "set", device, "up")
        # A network whose cable is out swallows its packets: nobody is told.
        self.sysctl(self.rt, "net.ipv4.ip_forward=1",
                    "net.ipv4.conf.all.ignore_routes_with_linkdown=1",
                    "net.ipv4.conf.ra.rp_filter=1", "net.ipv4.conf.rb.rp_filter=1")
        for network in NETWORKS.values():
            run(*inside(self.rt), "ip", "route", "add", "blackhole", network["prefix"] + "0/24",
                "metric", "4000")

    def masquerade(self, ports="20000-30000", mapping_s=None):
        """The router becomes a NAT (the kernel's) towards the correspondent: the mobile host is
        seen under the router's address and one of these ports. A mapping that is not used is
        forgotten after `mapping_s` seconds; none: when the kernel thinks fit."""
        self.run(self.rt, "nft", "-f", "-", input=f"""
            table ip nat {{
              chain out {{
                type nat hook postrouting priority srcnat;
                oifname "rc" meta l4proto udp masquerade to :{ports}
                oifname "rc" masquerade
              }}
            }}""")
        if mapping_s is not None:
            self.sysctl(self.rt, f"net.netfilter.nf_conntrack_udp_timeout={mapping_s}",
                        f"net.netfilter.nf_conntrack_udp_timeout_stream={mapping_s}")

    # --- moves ----------------------------------------------------------------------------------

    def address(self, network, host):
        return NETWORKS[network]["prefix"] + str(host)

    def attach(self, network, host):
        """The cable is plugged in; once the router's end works, an address is leased. Preferred
        only if it is the only one."""
        place = NETWORKS[network]
        address = self.address(network, host)
        metric = _NOT_PREFERRED if self.attached else self._next_metric()
        self._ports[network].forget()
        self.netlink.link_up(place["device"])
        self._ports[network].wait_until_running()
        self.netlink.add_address(place["device"], address + "/24")
        self.netlink.add_default_route(place["device"], place["gateway"], metric)
        self.attached[network] = (address, metric)
        return address

    def prefer(self, network):
        """The default route goes by this network from here on."""
        place = NETWORKS[network]
        address, old_metric = self.attached[network]
        metric = self._next_metric()
        self.netlink.add_default_route(place["device"], place["gateway"], metric)
        self.netlink.remove_default_route(place["device"], place["gateway"], old_metric)
        self.attached[network] = (address, metric)

    def _next_metric(self):
        self._metric -= 1
        return self._metric

    def detach(self, network):
        """Address, routes and link go, as when a network is left behind."""
        place = NETWORKS[network]
        address, _ = self.attached.pop(network)
        self.netlink.remove_address(place["device"], address + "/24")
        self.netlink.link_down(place["device"])

    def break_before_make(self, network, host, outage=0.0):
        """Leaves where it is, then joins `network`. Returns (when it left, when it had the new
        address)."""
        left = now()
        for old in list(self.attached):
            self.detach(old)
        if outage:
            time.sleep(outage)
        self.attach(network, host)
        return left, now()

    def make_before_break(self, network, host, overlap=1.0):
        """Joins `network` beside the old one, prefers it in the middle of the overlap, then leaves
        the old one. Returns (when it was preferred, the same)."""
        old = list(self.attached)
        self.attach(network, host)
        time.sleep(overlap / 2)
        preferred = now()
        self.prefer(network)
        time.sleep(overlap / 2)
        for network_left in old:
            self.detach(network_left)
        return preferred, preferred


def sweep():
    """Removes what labs whose owner is dead have left behind."""
    for name in os.listdir(STATE) if os.path.isdir(STATE) else []:
        directory = os.path.join(STATE, name)
        try:
            with open(os.path.join(directory, "lab.json")) as file:
                record = json.load(file)
        except (OSError, ValueError):
            continue
        pid, started = record["owner"]
        if _started(pid) == started:
            continue
        for pid, started in record["processes"]:
            if started is not None and _started(pid) == started:
                _signal_group(pid, signal.SIGKILL)
        for namespace in record["namespaces"]:
            run("ip", "netns", "del", namespace, check=False)
        shutil.rmtree(directory, ignore_errors=True)
        print(f"lab: removed what {name} had left behind", file=sys.stderr)


def _started(pid):
    """When the process was started, in clock ticks: a process id alone may have been reused."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
