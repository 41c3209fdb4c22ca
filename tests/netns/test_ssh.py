"""One ssh session, typed in before, during and after moves: the shell behind it stays the same."""
import os
import pty
import select
import sys
import threading
import time
import unittest

from godwit import SOCKS, configure_pair
from lab import CH_ADDRESS, Lab
from traffic import wait_for_port

HERE = os.path.dirname(os.path.abspath(__file__))

_SSHD = """
ListenAddress 127.0.0.1:2222
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

    def __init__(self, lab, namespace, *argv):
        self._leader, follower = pty.openpty()
        self.process = lab.start(namespace, *argv, stdin=follower, stdout=follower,
                                 stderr=follower)
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


class SshTest(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab(delay_ms=10))
        self.directory = self.lab.path("ssh")
        os.makedirs(self.directory, mode=0o700)
        for name in ("host", "user"):
            self.lab.run(self.lab.mh, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                         os.path.join(self.directory, name))
        self.start_sshd()
        mobile, correspondent = configure_pair(self.lab, publish=((22, "127.0.0.1:2222"),))
        correspondent.start()
        mobile.start()

    def start_sshd(self):
        if not os.path.isdir("/run/sshd"):  # where sshd locks itself in
            os.makedirs("/run/sshd", mode=0o755)
            self.addCleanup(os.rmdir, "/run/sshd")
        config = os.path.join(self.directory, "sshd_config")
        with open(config, "w") as file:
            file.write(_SSHD.format(directory=self.directory))
        process = self.lab.start(self.lab.ch, "sshd", "-D", "-e", "-f", config,
                                 log=self.lab.path("sshd.log"))
        wait_for_port(self.lab, self.lab.ch, "127.0.0.1:2222", process)

    def ssh(self, *command):
        proxy = f"{sys.executable} {HERE}/socks_connect.py {SOCKS} %h %p"
        terminal = Terminal(
            self.lab, self.lab.mh, "ssh", "-tt", "-F", "none", "-i",
            os.path.join(self.directory, "user"), "-o", f"ProxyCommand={proxy}", "-o",
            f"UserKnownHostsFile={self.directory}/known_hosts", "-o",
            "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes", "-o",
            "ConnectTimeout=20", f"root@{CH_ADDRESS}", *command)
        self.addCleanup(terminal.close)
        return terminal

    def test_shell_is_typed_in_before_during_and_after_moves(self):
        lab = self.lab
        shell = self.ssh("PS1=; exec sh -i")
        # The answer differs from the echo of the question, so only a living shell gives it.
        shell.type("echo shell-$$-is-$((40+2))")
        seen = shell.expect("-is-42", 30)
        identity = seen[seen.rindex("shell-"):]

        lab.break_before_make("B", 2)
        shell.type("echo after-$((1+1))")
        shell.expect("after-2", 10)

        # Typed while there is no network at all: delivered when there is one.
        outage = threading.Thread(target=lab.break_before_make, args=("A", 3, 2.0))
        outage.start()
        time.sleep(0.5)
        shell.type("echo during-$((2+1))")
        shell.expect("during-3", 15)
        outage.join()

        lab.make_before_break("B", 2)
        lab.break_before_make("A", 2)
        shell.type("echo shell-$$-is-$((40+2))")
        self.assertIn(identity, shell.expect("-is-42", 10))
        shell.type("exit 7")
        self.assertEqual(shell.process.wait(15), 7)

    def test_output_flows_on_without_a_gap_through_moves(self):
        # Numbered lines: one that is missing, doubled or out of order would show.
        shell = self.ssh("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo n$i.; sleep 0.01; done; "
                         "echo the-end")
        shell.expect("n20.", 30)
        self.lab.break_before_make("B", 2)
        shell.expect("n150.", 30)
        self.lab.break_before_make("A", 2, outage=1.0)
        seen = shell.expect("the-end", 40)
        numbers = [int(word[1:-1]) for word in seen.split() if word.startswith("n")]
        self.assertEqual(numbers, list(range(151, 401)))


if __name__ == "__main__":
    unittest.main()
