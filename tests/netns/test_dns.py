"""Names: where this host is told by dynamic update to real name servers, BIND and Knot (S18), and
a peer found by its name, also when both have moved at once (S17). Whatever the server does, a move
completes, and not later for it."""
import contextlib
import os
import subprocess
import time
import unittest

from godwit import PROTECT, SOCKS, Host
from lab import CH_ADDRESS, Lab, inside, need, now, run
from name_server import KEY_NAME, REVERSE_V6, REVERSE_ZONES, SECRET, ZONE, NameServer
from traffic import Download, make_file, start_nginx

MIB = 1 << 20
SERVER = "10.71.9.1"  # the router: both hosts reach it
MH, CH = f"mh.{ZONE}", f"ch.{ZONE}"
PROXY = ("--socks5-hostname", SOCKS)
SERVERS = ("bind", "knot")
# A move takes a round trip of 20 ms; what a lost try would cost is more than this.
MOVE_TIME = 1.0


def update_section(**changes):
    section = {"server": SERVER, "zone": ZONE, "name": MH,
               "reverse_zones": [*REVERSE_ZONES, REVERSE_V6],
               "key": {"name": KEY_NAME, "algorithm": "hmac-sha256", "secret": SECRET}}
    return {**section, **changes}


def ptr(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


class DnsTest(unittest.TestCase):
    def stage(self, update=None, servers=None, peer_addresses=(CH_ADDRESS,), size=24 * MIB,
              mobility=None):
        """Both daemons, nginx behind the correspondent's; the mobile host updates its name."""
        need("named", "knotd", "dig")
        lab = self.lab
        os.makedirs(lab.path("www"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=3)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"], (1 << 15, 3))
        self.mobile, self.correspondent = Host(lab, lab.mh, MH), Host(lab, lab.ch, CH)
        keys = {host.name: host.init() for host in (self.mobile, self.correspondent)}
        dns = {}
        if update:
            dns["update"] = update
        if servers:
            dns["servers"] = list(servers)
        peer = {"name": CH, "key": keys[CH]}
        if peer_addresses:
            peer["addresses"] = list(peer_addresses)
        settings = {"mobility": mobility} if mobility else {}
        self.mobile.configure(socks={"listen": SOCKS}, policy=[PROTECT], peers=[peer], dns=dns,
                              **settings)
        dns = {"update": {**update_section(), "name": CH, "reverse_zones": []}}
        if servers:
            dns["servers"] = list(servers)
        self.correspondent.configure(publish=[{"port": 80, "to": "127.0.0.1:8080"}],
                                     policy=[PROTECT], dns=dns,
                                     peers=[{"name": MH, "key": keys[MH]}])
        self.correspondent.start()
        self.mobile.start()
        self.events = self.mobile.watch().events

    @contextlib.contextmanager
    def laboratory(self, **case):
        with self.subTest(**case), Lab(delay_ms=10) as self.lab:
            yield self.lab

    def wait_for_event(self, kind, patience=20.0, **fields):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for event in list(self.events):
                if event["event"] == kind and all(text in str(event.get(field))
                                                  for field, text in fields.items()):
                    return event
            time.sleep(0.05)
        self.fail(f"no event {kind} {fields}; there are: {self.events}")

    def problems(self):
        """What the daemon has said went wrong, also before anybody watched."""
        with open(self.lab.path(f"godwitd-{MH}.log"), errors="replace") as log:
            return [line for line in log if " problem what=" in line]

    def wait_for_problem(self, what, reason, patience=20.0):
        deadline = time.monotonic() + patience
        while not any(what in line and reason in line for line in self.problems()):
            if time.monotonic() > deadline:
                self.fail(f"nobody said '{what}: {reason}'; there is: {self.problems()}")
            time.sleep(0.1)

    def move_under_load(self):
        """A download goes on while the host moves to network B, and the move takes its time."""
        download = Download(self.lab, f"http://{CH_ADDRESS}/file", *PROXY)
        deadline = time.monotonic() + 20
        while download.bytes < MIB:
            self.assertLess(time.monotonic(), deadline, download.errors())
            time.sleep(0.05)
        self.lab.break_before_make("B", 2)
        migrated = self.wait_for_event("peer_migrated")
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertLess(migrated["since_detected_ms"], MOVE_TIME * 1e3)
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)

    # S18: A and PTR, at the start and after a move; what was before is gone.
    def test_name_and_ptr_follow_the_host(self):
        for kind in SERVERS:
            with self.laboratory(server=kind) as lab:
                server = NameServer(lab, lab.rt, SERVER, kind, [f"{MH}. IN A 192.0.2.99"])
                self.stage(update_section())
                old, new = lab.address("A", 2), lab.address("B", 2)
                self.assertEqual(server.wait_for(MH, "A", [old]), [old])
                self.assertEqual(server.wait_for(ptr(old), "PTR", [MH + "."]), [MH + "."])
                self.assertEqual(server.ttl(MH, "A"), 30)
                self.move_under_load()
                self.assertEqual(server.wait_for(MH, "A", [new]), [new])
                self.assertEqual(server.wait_for(ptr(new), "PTR", [MH + "."]), [MH + "."])
                self.assertEqual(server.wait_for(ptr(old), "PTR", []), [])
                self.wait_for_event("name_published", zone=ZONE, address=new)
                self.assertEqual(self.problems(), [])

    # S18: both families; IPv6 addresses have records of their own.
    def test_aaaa_and_its_ptr(self):
        if not os.path.isdir("/proc/sys/net/ipv6"):
            raise unittest.SkipTest("this kernel has no IPv6")
        for kind in SERVERS:
            with self.laboratory(server=kind) as lab:
                server = NameServer(lab, lab.rt, SERVER, kind, algorithm="hmac-sha512")
                lab.sysctl(lab.mh, "net.ipv6.conf.all.disable_ipv6=0",
                           "net.ipv6.conf.ua.disable_ipv6=0")
                run(*inside(lab.mh), "ip", "addr", "add", "2001:db8:71::2/64", "dev", "ua",
                    "nodad")
                key = {"name": KEY_NAME, "algorithm": "hmac-sha512", "secret": SECRET}
                self.stage(update_section(key=key, ttl="12s"))
                self.assertEqual(server.wait_for(MH, "AAAA", ["2001:db8:71::2"]),
                                 ["2001:db8:71::2"])
                self.assertEqual(server.wait_for(MH, "A", [lab.address("A", 2)]),
                                 [lab.address("A", 2)])
                self.assertEqual(server.ttl(MH, "AAAA"), 12)
                owner = "2." + "0." * 19 + REVERSE_V6
                self.assertEqual(server.wait_for(owner, "PTR", [MH + "."]), [MH + "."])

    # S18: failures are told for what they are, and hold nothing up.
    def fail_and_move(self, kind, section, what, reason):
        with self.laboratory(server=kind, reason=reason) as lab:
            if kind:
                NameServer(lab, lab.rt, SERVER, kind)
            self.stage(section)
            self.move_under_load()
            self.wait_for_problem(what, reason)
            self.assertEqual([event["zone"] for event in self.events
                              if event["event"] == "name_published" and event["zone"] in what], [])

    def test_wrong_secret(self):
        other = {"name": KEY_NAME, "secret": SECRET.replace("Z29k", "AAAA")}
        for kind in SERVERS:
            self.fail_and_move(kind, update_section(key=other), f"dns update of {ZONE}",
                               "the signature wrong (NOTAUTH); secret and algorithm")

    def test_unknown_key(self):
        other = {"name": "stranger", "secret": SECRET}
        for kind in SERVERS:
            self.fail_and_move(kind, update_section(key=other), f"dns update of {ZONE}",
                               "does not know the key (NOTAUTH)")

    def test_refused(self):
        other = {"name": "powerless", "secret": SECRET}
        # Knot says of a key that may not update the zone what it says of one it does not have.
        for kind, reason in (("bind", "refuses the update (REFUSED)"),
                             ("knot", "does not know the key (NOTAUTH)")):
            self.fail_and_move(kind, update_section(key=other), f"dns update of {ZONE}", reason)

    def test_nobody_answers(self):
        self.fail_and_move(None, update_section(server="10.71.9.77"), f"dns update of {ZONE}",
                           "does not answer")

    def test_reverse_zone_of_somebody_else(self):
        strange = update_section(reverse_zones=["71.10.in-addr.arpa"])
        for kind in SERVERS:
            with self.laboratory(server=kind) as lab:
                server = NameServer(lab, lab.rt, SERVER, kind)
                self.stage(strange)
                self.move_under_load()
                new = lab.address("B", 2)
                self.assertEqual(server.wait_for(MH, "A", [new]), [new])
                self.wait_for_problem("71.10.in-addr.arpa", "does not hold this zone")
                # Once, though it was tried for both addresses.
                self.assertEqual(len(self.problems()), 1)

    # S18: what failed is tried again until it is done.
    def test_a_server_that_comes_later_is_told(self):
        with self.laboratory(server="knot") as lab:
            server = NameServer(lab, lab.rt, SERVER, "knot")
            server.stop()
            self.stage(update_section(reverse_zones=[]), size=MIB)
            self.wait_for_problem(f"dns update of {ZONE}", "does not answer")
            server.start()
            here = [lab.address("A", 2)]
            self.assertEqual(server.wait_for(MH, "A", here, 30), here)

    # S17: a peer that has only a name.
    def test_a_peer_is_found_by_its_name(self):
        for kind in SERVERS:
            with self.laboratory(server=kind) as lab:
                NameServer(lab, lab.rt, SERVER, kind, [f"{CH}. IN CNAME home.{ZONE}.",
                                                       f"home.{ZONE}. IN A {CH_ADDRESS}"])
                self.stage(servers=[SERVER], peer_addresses=(), size=1 * MIB)
                download = Download(lab, f"http://{CH}/file", *PROXY)
                self.assertEqual(download.wait(30), 0, download.errors())
                self.assertEqual(download.sha256(), self.sha256)
                self.wait_for_event("peer_found_by_name", address=CH_ADDRESS)

    # S17: both move at once, so neither hears the other's announcement; DNS brings them together.
    def test_both_move_at_once_and_meet_through_dns(self):
        for kind in SERVERS:
            with self.laboratory(server=kind) as lab:
                server = NameServer(lab, lab.rt, SERVER, kind)
                self.stage(update_section(), servers=[SERVER], peer_addresses=())
                self.assertEqual(server.wait_for(CH, "A", [CH_ADDRESS]), [CH_ADDRESS])
                download = Download(lab, f"http://{CH}/file", *PROXY)
                deadline = time.monotonic() + 20
                while download.bytes < MIB:
                    self.assertLess(time.monotonic(), deadline, download.errors())
                    time.sleep(0.05)
                lab.detach("A")
                subprocess.run([*inside(lab.ch), "ip", "-batch", "-"], check=True, text=True,
                               input="addr del 10.71.9.2/24 dev uc\n"
                                     "addr add 10.71.9.3/24 dev uc\n"
                                     "route add default via 10.71.9.1\n")
                lab.attach("B", 2)
                came = now()
                self.assertEqual(server.wait_for(CH, "A", ["10.71.9.3"]), ["10.71.9.3"])
                self.assertEqual(download.wait(60), 0, download.errors())
                self.assertEqual(download.sha256(), self.sha256)
                self.wait_for_event("peer_migrated", side="local")
                self.wait_for_event("peer_found_by_name", address="10.71.9.3")
                first = next(at for at, _ in download.arrivals if at > came)
                print(f"both moved, {kind}: first byte {1e3 * (first - came):.0f} ms after the "
                      "second address")


if __name__ == "__main__":
    unittest.main()
