"""sshd on the correspondent, ssh on the mobile host through the SOCKS proxy, and a terminal to type
at.
"""
import os
import pty
import select
import time

from godwit import SOCKS
from lab import CH_ADDRESS
from traffic import wait_for_port

SERVICE = "127.0.0.1:2222"

_SSHD = """
ListenAddress {service}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
"""


class Terminal:
    """A program on a terminal of its own, typed at and read from."""

    def __init__(self, lab, namespace, *argv, **options):
        self._leader, follower = pty.openpty()
        self.process = lab.start(namespace, *argv, stdin=follower, stdout=follower,
                                 stderr=follower, **options)
        os.close(follower)
        self.output = ""

    def type(self, line):
        os.write(self._leader, (line + "\n").encode())

    def expect(self, text, patience):
        """What came up to and with `text`; it is taken away."""
        deadline = time.monotonic() + patience
        while text not in self.output:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._leader], [], [], left)[0]:
                raise AssertionError(f"'{text}' did not come within {patience} s; there is: "
                                     f"{self.output[-2000:]!r}")
            try:
                block = os.read(self._leader, 65536)
            except OSError:
                block = b""
            if not block:
                raise AssertionError(f"the session ended before '{text}': {self.output[-2000:]!r}")
            self.output += block.decode(errors="replace")
        seen, _, self.output = self.output.partition(text)
        return seen + text

    def close(self):
        os.close(self._leader)


class Ssh:
    """Keys and a running sshd; port 22 is to be published as `service`."""

    def __init__(self, lab, service=SERVICE):
        self.lab = lab
        self.service = service
        self.directory = lab.path("ssh")
        os.makedirs(self.directory, mode=0o700)
        for name in ("host", "user"):
            lab.run(lab.mh, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                    os.path.join(self.directory, name))
        self._made = None
        self._start_sshd()

    def _start_sshd(self):
        if not os.path.isdir("/run/sshd"):  # where sshd locks itself in
            os.makedirs("/run/sshd", mode=0o755)
            self._made = "/run/sshd"
        config = os.path.join(self.directory, "sshd_config")
        with open(config, "w") as file:
            file.write(_SSHD.format(directory=self.directory, service=self.service))
        process = self.lab.start(self.lab.ch, "sshd", "-D", "-e", "-f", config,
                                 log=self.lab.path("sshd.log"))
        wait_for_port(self.lab, self.lab.ch, self.service, process)

    def remove(self):
        if self._made:
            os.rmdir(self._made)

    def options(self, proxy=f"nc -X 5 -x {SOCKS} %h %p"):
        """ssh's, for a connection through Godwit: by the proxy as the README prints it, or
        "none" under 'godwit run'."""
        return ["-F", "none", "-i", os.path.join(self.directory, "user"), "-o",
                f"ProxyCommand={proxy}", "-o", f"UserKnownHostsFile={self.directory}/known_hosts",
                "-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes", "-o",
                "ConnectTimeout=20"]

    def terminal(self, *command):
        return Terminal(self.lab, self.lab.mh, "ssh", "-tt", *self.options(),
                        f"root@{CH_ADDRESS}", *command)
