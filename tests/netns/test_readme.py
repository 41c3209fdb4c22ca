"""The README's "A laptop and a server in five minutes", taken from the README line by line and run
as it is printed there, with /etc/godwit, /run and /usr/local/sbin of each host its own; then the
laptop goes to another network."""
import os
import re
import shlex
import shutil
import subprocess
import unittest

from lab import CH_ADDRESS, Lab, LabError, need
from ssh import Ssh, Terminal
from traffic import make_file, start_nginx, wait_for_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECTION = "## A laptop and a server in five minutes"
SERVER, LAPTOP = "server", "laptop"
NAME = "server.example.org"


def printed_lines():
    """[(who, line)] of the section's code, `who` none for "on both"."""
    with open(os.path.join(ROOT, "README.md")) as file:
        section = file.read().partition(SECTION)[2].partition("\n## ")[0]
    lines = []
    for block in re.findall(r"```\n(.*?)```", section, re.S):
        for line in block.splitlines():
            prompt = re.match(rf"({SERVER}|{LAPTOP})[#$] (.*)", line)
            lines.append((prompt[1], prompt[2]) if prompt else (None, line))
    return lines


class OwnFiles:
    """A host of the lab with files of its own where the README's commands keep theirs, and a
    command line on it."""

    def __init__(self, lab, namespace, name):
        self.lab, self.namespace, self.name = lab, namespace, name
        self._tools = lab.path(name, "tools")  # what comes before the system's programs
        os.makedirs(self._tools)
        held = lab.path(name, "held")
        mounts = "; ".join(f"mount -t tmpfs tmpfs {folder}" for folder in
                           ("/run", "/etc/godwit", "/usr/local/sbin"))
        self._holder = lab.start(namespace, "unshare", "--mount", "--propagation", "private", "sh",
                                 "-ec", f"{mounts}; mkdir /run/sshd; touch {held}; exec sleep 600")
        while not os.path.exists(held):
            if self._holder.poll() is not None:
                raise LabError(f"no files of its own for {name}: {self._holder.log_tail()}")
        self.environment = {**os.environ, "HOME": lab.path(name),
                             "PATH": f"{self._tools}:/usr/local/sbin:{os.environ['PATH']}"}

    def tool(self, name, text):
        path = os.path.join(self._tools, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def argv(self, line):
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--wd=" + ROOT, "sh", "-c",
                line]

    def run(self, line):
        return self.lab.run(self.namespace, *self.argv(line), environment=self.environment)[1]

    def start(self, line, **options):
        return self.lab.start(self.namespace, *self.argv(line), environment=self.environment,
                              log=self.lab.path(f"{self.name}.log"), **options)


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        need("curl", "nc", "nginx", "ssh", "sshd")
        made = [folder for folder in ("/etc/godwit",) if not os.path.isdir(folder)]
        for folder in made:  # to mount upon
            os.mkdir(folder)
            self.addCleanup(os.rmdir, folder)
        self.lab = self.enterContext(Lab(delay_ms=10))
        self.hosts = {SERVER: OwnFiles(self.lab, self.lab.ch, SERVER),
                      LAPTOP: OwnFiles(self.lab, self.lab.mh, LAPTOP)}
        self.lines = printed_lines()

    def take(self, who, begin):
        """The printed line that begins so, which is thereby accounted for."""
        found = [line for line in self.lines if line[0] == who and line[1].startswith(begin)]
        self.assertEqual(len(found), 1, f"{who}: {begin}: {self.lines}")
        self.lines.remove(found[0])
        return found[0][1]

    def serve(self):
        """What the README says one has: a web server, and sshd at its usual port."""
        lab = self.lab
        os.makedirs(lab.path("www"))
        make_file(lab.path("www", "index.html"), 1 << 16, seed=5)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:80"])
        remote = Ssh(lab, "127.0.0.1:22")
        self.addCleanup(remote.remove)
        # A person's ~/.ssh: a key, and a host that is met for the first time.
        options = shlex.join(["-F", "none", "-i", os.path.join(remote.directory, "user"), "-o",
                              f"UserKnownHostsFile={lab.path('known_hosts')}", "-o",
                              "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes"])
        self.hosts[LAPTOP].tool("ssh", f'exec {shutil.which("ssh")} {options} -tt "$@"\n')

    def test_five_minutes_work_as_printed(self):
        server, laptop = self.hosts[SERVER], self.hosts[LAPTOP]
        self.serve()
        # Built already, by whoever runs this test; the install line puts it where it says.
        self.take(None, "./dev build")
        install = self.take(None, "install ").replace("build/release", self.lab.build)
        for host in self.hosts.values():
            host.run(install)

        said = {SERVER: server.run(self.take(SERVER, "godwit init"))}
        server.run(self.take(SERVER, "godwit publish 22"))
        server.run("godwit publish 80")  # "The first needs ..."
        said[LAPTOP] = laptop.run(self.take(LAPTOP, "godwit init"))
        for told, teller, more in ((SERVER, LAPTOP, ""), (LAPTOP, SERVER, " " + CH_ADDRESS)):
            command = re.search(r"godwit peer add \S+ ed25519:\S+=$", said[teller], re.M)
            self.assertIsNotNone(command, said[teller])
            shown = self.take(told, "godwit peer add").replace("203.0.113.5", CH_ADDRESS)
            line = command[0] + more
            self.assertEqual(re.sub(r"ed25519:\S+", "ed25519:…", line), shown)
            self.hosts[told].run(line)

        for who, host in self.hosts.items():
            daemon = host.start(self.take(who, "godwitd"))
            while subprocess.run(["nsenter", f"--net=/run/netns/{host.namespace}",
                                  *host.argv("godwit status")], capture_output=True,
                                 env=host.environment).returncode:
                self.assertIsNone(daemon.poll(), daemon.log_tail())
        wait_for_port(self.lab, self.lab.mh, "127.0.0.1:1080", daemon)

        page = laptop.run(self.take(LAPTOP, "curl").replace("curl", "curl -sS --max-time 20 -o "
                                                            + self.lab.path("page"), 1))
        self.assertEqual(page, "")
        with open(self.lab.path("page"), "rb") as got, \
                open(self.lab.path("www", "index.html"), "rb") as sent:
            self.assertEqual(got.read(), sent.read())

        shell = Terminal(self.lab, self.lab.mh, *laptop.argv(self.take(LAPTOP, "ssh") +
                                                             " 'exec sh -i'"),
                         environment=laptop.environment)
        self.addCleanup(shell.close)
        shell.type("echo pid-$$-$((40+2))")
        seen = shell.expect("-42", 30)
        identity = seen[seen.rindex("pid-"):]
        self.lab.break_before_make("B", 2)
        shell.type("echo pid-$$-$((40+2))")
        self.assertIn(identity, shell.expect("-42", 15))
        shell.type("exit 7")
        self.assertEqual(shell.process.wait(15), 7)

        status = laptop.run("godwit status")
        self.assertIn(self.lab.address("B", 2), status)
        self.assertEqual(self.lines, [], "printed, and not run here")


if __name__ == "__main__":
    unittest.main()
