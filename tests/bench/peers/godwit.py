"""Godwit: a daemon on each host with the host's own addresses, the application through its SOCKS
proxy and, at ch, behind a published port. In the form of the peer harness (see README.md of
tests/bench); its programs are those of $GODWIT_BUILD_DIR.

No move hook is needed: the daemon follows the addresses by itself.
"""
import json
import os
import time

from lab import CH, Peer

PORT = 5201


class Adapter(Peer):
    name = "godwit"
    socks = "127.0.0.1:1080"
    tuning = "as delivered"

    def up(self, lab):
        self.build = os.environ["GODWIT_BUILD_DIR"]
        keys = {name: self._init(lab, namespace, name)
                for name, namespace in (("mh", lab.mh), ("ch", lab.ch))}
        self.server_proc = self._daemon(
            lab, lab.ch, "ch", publish=[{"port": PORT, "to": f"127.0.0.1:{PORT}"}],
            peers=[{"name": "mh", "key": keys["mh"]}])
        self.client_proc = self._daemon(
            lab, lab.mh, "mh", socks={"listen": self.socks},
            peers=[{"name": "ch", "addresses": [CH], "key": keys["ch"]}])

    def _directory(self, lab, name):
        return os.path.join(lab.dir, "godwit-" + name)

    def _init(self, lab, namespace, name):
        directory = self._directory(lab, name)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for file in os.listdir(directory):
            os.unlink(os.path.join(directory, file))
        program = os.path.join(self.build, "godwit")
        lab.run(namespace, [program, "init", "--dir", directory, "--name", name])
        return lab.run(namespace, [program, "key", "--config",
                                   os.path.join(directory, "godwit.json")]).strip()

    def _daemon(self, lab, namespace, name, **settings):
        directory = self._directory(lab, name)
        path = os.path.join(directory, "godwit.json")
        control = os.path.join(directory, "control.sock")
        with open(path, "w") as file:
            json.dump({"name": name, "identity": "identity.pem", "control": control,
                       "link": {"tun": {"device": "godwit0", "address": "host"}},
                       "policy": [{"protect": "any", "with": "esp aes256gcm16"}], **settings},
                      file)
        daemon = lab.start(namespace, [os.path.join(self.build, "godwitd"), "--config", path],
                           f"godwitd-{name}.log")
        deadline = time.monotonic() + 10
        while not os.path.exists(control):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"godwitd on {name} does not start, see "
                                   f"{lab.dir}/godwitd-{name}.log")
            time.sleep(0.02)
        return daemon
