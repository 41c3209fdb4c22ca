"""Real name servers in a namespace of the lab: Knot and BIND, from the distribution's packages,
with zones that a key may update. No daemon of the host is touched: each runs in the foreground, in
a directory of the lab, and dies with it."""
import os
import time

from lab import LabError

KEY_NAME = "mh-key"
SECRET = "Z29kd2l0LXRlc3Qta2V5LWdvZHdpdC10ZXN0LWtleSE="  # 32 octets that protect nothing
ZONE = "example.org"
REVERSE_ZONES = ("1.71.10.in-addr.arpa", "2.71.10.in-addr.arpa")
REVERSE_V6 = "1.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

_ZONE_FILE = """\
$TTL 30
@ IN SOA ns.example.org. admin.example.org. 1 3600 600 86400 5
@ IN NS ns.example.org.
{records}
"""
_BIND = """\
options {{
  directory "{directory}";
  listen-on port 53 {{ {address}; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  lock-file none;
  recursion no;
  notify no;
  dnssec-validation no;
}};
controls {{ }};
key "{key}" {{ algorithm {algorithm}; secret "{secret}"; }};
key "powerless" {{ algorithm hmac-sha256; secret "{secret}"; }};
{zones}
"""
_BIND_ZONE = """\
zone "{zone}" {{ type primary; file "{zone}.zone"; allow-update {{ key "{key}"; }}; }};
"""
_KNOT = """\
server:
    rundir: "{directory}"
    listen: {address}@53
log:
  - target: stderr
    any: info
database:
    storage: "{directory}"
key:
  - id: {key}
    algorithm: {algorithm}
    secret: {secret}
  - id: powerless
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: {key}
    action: update
zone:
{zones}
"""
_KNOT_ZONE = """\
  - domain: {zone}
    storage: "{directory}"
    file: {zone}.zone
    acl: update
"""


class NameServer:
    """One server at one address of one namespace. `records`: lines of the forward zone."""

    def __init__(self, lab, namespace, address, kind, records=(), algorithm="hmac-sha256",
                 zones=(ZONE, *REVERSE_ZONES, REVERSE_V6)):
        self.lab, self.namespace, self.address, self.kind = lab, namespace, address, kind
        self.directory = lab.path(f"dns-{kind}")
        os.makedirs(self.directory)
        for zone in zones:
            lines = [f"ns.{ZONE}. IN A {address}", *records] if zone == ZONE else []
            with open(os.path.join(self.directory, f"{zone}.zone"), "w") as file:
                file.write(_ZONE_FILE.format(records="\n".join(lines)))
        words = {"directory": self.directory, "address": address, "key": KEY_NAME,
                 "secret": SECRET, "algorithm": algorithm}
        whole, each = (_BIND, _BIND_ZONE) if kind == "bind" else (_KNOT, _KNOT_ZONE)
        words["zones"] = "".join(each.format(zone=zone, **words) for zone in zones)
        self._config = os.path.join(self.directory, "server.conf")
        with open(self._config, "w") as file:
            file.write(whole.format(**words))
        self.start()

    def start(self):
        argv = ["named", "-g"] if self.kind == "bind" else ["knotd"]
        self.process = self.lab.start(self.namespace, *argv, "-c", self._config,
                                      log=self.lab.path(f"dns-{self.kind}.log"))
        deadline = time.monotonic() + 20
        while not self.ask(f"ns.{ZONE}", "A"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.kind} does not start: {self.process.log_tail(40)}")
            time.sleep(0.1)

    def stop(self):
        self.lab.stop(self.process)

    def ask(self, name, kind):
        """What dig has to say, in short, sorted."""
        _, output, _ = self.lab.run(self.namespace, "dig", "+short", "+norecurse", "+time=1",
                                    "+tries=1", f"@{self.address}", name, kind, check=False)
        return sorted(line for line in output.splitlines() if not line.startswith(";"))

    def ttl(self, name, kind):
        _, output, _ = self.lab.run(self.namespace, "dig", "+noall", "+answer", "+norecurse",
                                    f"@{self.address}", name, kind)
        return int(output.split()[1])

    def wait_for(self, name, kind, expected, patience=10.0):
        """Waits until the answer is the expected one; what it is at the end."""
        deadline = time.monotonic() + patience
        while (answer := self.ask(name, kind)) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        return answer
