"""Godwit on the hosts of a lab: keys, configurations, the daemon, and what it tells."""
import json
import os
import subprocess
import threading
import time

from lab import CH_ADDRESS, LabError

SOCKS = "127.0.0.1:1080"


class Host:
    """One host with a godwitd. Files are in the lab's directory, under the host's name."""

    def __init__(self, lab, namespace, name):
        self.lab = lab
        self.namespace = namespace
        self.name = name
        self.directory = lab.path(name)
        self.config_path = os.path.join(self.directory, "godwit.json")
        self.control = os.path.join(self.directory, "control.sock")
        self.process = None
        self.watcher = None
        os.makedirs(self.directory, mode=0o700, exist_ok=True)

    def init(self):
        """Makes its key; returns the public half."""
        self.lab.run(self.namespace, self.lab.program("godwit"), "init", "--dir", self.directory,
                     "--name", self.name)
        return self.godwit("key").strip()

    def configure(self, link=None, **settings):
        tun = {"tun": {"device": "godwit0", "address": "host"}}
        config = {"name": self.name, "identity": "identity.pem", "control": self.control,
                  "link": {**tun, **(link or {})}, **settings}
        with open(self.config_path, "w") as file:
            json.dump(config, file, indent=2)

    def start(self, patience=10.0):
        log = self.lab.path(f"godwitd-{self.name}.log")
        self.process = self.lab.start(self.namespace, self.lab.program("godwitd"), "--config",
                                      self.config_path, log=log)
        deadline = time.monotonic() + patience
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"godwitd on {self.name} does not start: {self.process.log_tail()}")
            time.sleep(0.05)

    def _answers(self):
        status, _, _ = self.lab.run(self.namespace, self.lab.program("godwit"), "status",
                                    "--config", self.config_path, "--json", check=False)
        return status == 0

    def stop(self):
        """Ends the daemon; true if it went when asked."""
        if self.watcher:
            self.watcher.stop()
            self.watcher = None
        went = self.lab.stop(self.process)
        self.process = None
        return went

    def godwit(self, command, *arguments):
        return self.lab.run(self.namespace, self.lab.program("godwit"), command, "--config",
                            self.config_path, *arguments)[1]

    def status(self):
        return json.loads(self.godwit("status", "--json"))

    def watch(self):
        self.watcher = Watcher(self)
        return self.watcher


class Watcher:
    """`godwit watch --json`, line by line as it comes."""

    def __init__(self, host):
        self._lab = host.lab
        self.events = []
        self._process = host.lab.start(host.namespace, host.lab.program("godwit"), "watch",
                                       "--config", host.config_path, "--json",
                                       stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._wait_until_connected()

    def _wait_until_connected(self):
        """What happens from here on is seen: it asks as soon as it is connected."""
        deadline = time.monotonic() + 5
        while not self._connected():
            if time.monotonic() > deadline:
                raise LabError("godwit watch does not connect")
            time.sleep(0.01)
        time.sleep(0.1)

    def _connected(self):
        folder = f"/proc/{self._process.pid}"
        try:
            with open(f"{folder}/comm") as comm:
                if comm.read().strip() != "godwit":
                    return False  # still on its way into the namespace
            return any(os.readlink(f"{folder}/fd/{number}").startswith("socket:")
                       for number in os.listdir(f"{folder}/fd"))
        except FileNotFoundError:
            return False  # a descriptor that was closed meanwhile

    def _read(self):
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def stop(self):
        self._lab.stop(self._process)
        self._thread.join()

    def annotate(self, moves):
        """Fills in what the mobile host says about its moves."""
        for move, following in zip(moves, [*moves[1:], None]):
            until = following.left if following else float("inf")
            mine = [(event, event["at_ms"] / 1e3 - move.came) for event in list(self.events)
                    if move.left <= event["at_ms"] / 1e3 < until and
                    event.get("to") == move.destination]
            announced = [after for event, after in mine if event["event"] == "move_announced"]
            completed = [after for event, after in mine if event["event"] == "peer_migrated"]
            move.attempts = len(announced)
            # The daemon may hear of the address before the harness that gave it.
            move.announced = max(0.0, announced[0]) if announced else None
            move.completed = max(0.0, completed[0]) if completed else None


PROTECT = {"protect": "any", "with": "esp aes256gcm16"}


def configure_pair(lab, publish=((80, "127.0.0.1:8080"),), policy=(PROTECT,), link=None,
                   psk=None):
    """Two hosts that know each other's keys, or the one secret `psk`: (mobile, correspondent). The mobile one has the
    SOCKS proxy, the correspondent hands its published ports to services on its loopback. `link`:
    what both say of theirs beside the TUN device."""
    mobile, correspondent = Host(lab, lab.mh, "mh"), Host(lab, lab.ch, "ch")
    keys = {host.name: host.init() for host in (mobile, correspondent)}
    policy = list(policy)
    proof = {name: {"psk": psk} if psk else {"key": key} for name, key in keys.items()}
    mobile.configure(link, socks={"listen": SOCKS}, policy=policy,
                     peers=[{"name": "ch", "addresses": [CH_ADDRESS], **proof["ch"]}])
    correspondent.configure(link, publish=[{"port": port, "to": to} for port, to in publish],
                            policy=policy, peers=[{"name": "mh", **proof["mh"]}])
    return mobile, correspondent
