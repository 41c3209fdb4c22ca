"""Programs as they are under 'godwit run': curl, ssh, rsync, Python, while the host moves; and
what is refused: programs the library cannot be loaded into, and sockets it would not see."""
import os
import subprocess
import sys
import time
import unittest

import journey
from godwit import PROTECT, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab
from ssh import SERVICE, Ssh, Terminal
from traffic import Download, make_file, start_nginx

MIB = 1 << 20
MOVES = (Stop("B", 2, BREAK), Stop("A", 3, MAKE))

# Several connections at once, each read to its end, in one event loop.
ASYNCIO = """
import asyncio, hashlib, sys
async def fetch(number):
    reader, writer = await asyncio.open_connection("ch", 80)
    writer.write(b"GET /file HTTP/1.0\\r\\nHost: ch\\r\\n\\r\\n")
    await writer.drain()
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    digest = hashlib.sha256()
    while block := await reader.read(65536):
        digest.update(block)
    writer.close()
    return digest.hexdigest()
async def main():
    print(*await asyncio.gather(*(fetch(number) for number in range(4))))
asyncio.run(main())
"""

# What the kernel says to sockets made past the library.
PAST_THE_LIBRARY = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([(libc.syscall(ctypes.c_long(SOCKET), family, kind, 0), ctypes.get_errno())
       for family, kind in ((2, 1), (2, 2), (10, 1), (17, 3))])
"""


class RunTest(unittest.TestCase):
    def stage(self, size=1, pace=None, publish=((80, "127.0.0.1:8080"),)):
        lab = self.lab = self.enterContext(Lab(delay_ms=5))
        os.makedirs(lab.path("www", "upload"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=91)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"], pace)
        self.mobile, self.correspondent = configure_pair(lab, publish=publish)
        self.shim = {}
        for host, peer, addresses in ((self.mobile, self.correspondent, [CH_ADDRESS]),
                                      (self.correspondent, self.mobile, [])):
            self.shim[host] = os.path.join(host.directory, "shim.sock")
            more = {"addresses": addresses} if addresses else {}
            published = publish if host is self.correspondent else ()
            host.configure(shim={"listen": f"unix:{self.shim[host]}"}, policy=[PROTECT],
                           publish=[{"port": port, "to": to} for port, to in published],
                           peers=[{"name": peer.name, "key": peer.godwit("key").strip(), **more}])
        self.correspondent.start()
        self.mobile.start()
        return lab

    def through(self, host=None, *options):
        host = host or self.mobile
        return [self.lab.program("godwit"), "run", "--config", host.config_path, *options]

    def run_on_mobile(self, *argv, check=True, **options):
        return self.lab.run(self.lab.mh, *self.through(), *argv, check=check, **options)

    def wait_until_flowing(self, count, patience=20.0):
        """Until so many connections of the mobile host have brought a first byte: a move in the
        middle of a handshake is another test's business."""
        deadline = time.monotonic() + patience
        while True:
            connections = self.mobile.status()["connections"]
            if sum(1 for row in connections if row["bytes_in"] > 0) >= count:
                return
            self.assertLess(time.monotonic(), deadline, connections)
            time.sleep(0.02)

    def count_unprotected(self):
        """Counts what leaves the mobile host by the kernel's own TCP and UDP, but for IKE."""
        self.lab.run(self.lab.mh, "nft", "-f", "-", input="""
            table inet watch {
              chain out {
                type filter hook output priority 0;
                oifname != "lo" meta l4proto tcp counter
                oifname != "lo" udp dport != { 500, 4500 } counter
              }
            }""")

    def assert_nothing_unprotected(self):
        rules = self.lab.run(self.lab.mh, "nft", "list", "table", "inet", "watch")[1]
        counters = [line for line in rules.splitlines() if "counter" in line]
        self.assertEqual(len(counters), 2, rules)
        for line in counters:
            self.assertIn("counter packets 0 ", line)

    # C7, S3: the peer by its name, two moves, every octet.
    def test_curl_downloads_through_moves(self):
        lab = self.stage(12 * MIB, pace=(1 << 14, 6))
        self.count_unprotected()
        download = Download(lab, "http://ch/file", through=self.through())
        self.wait_until_flowing(1)
        moves = journey.travel(lab, MOVES, dwell=0.6)
        self.assertTrue(download.running(), "the file was too small to prove anything")
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        self.assertEqual(self.mobile.status()["peers"][0]["moves"], len(moves))
        self.assert_nothing_unprotected()

    def test_curl_uploads_and_many_at_once(self):
        lab = self.stage(1 * MIB)
        self.run_on_mobile("curl", "-sS", "-f", "--max-time", "20", "-T", lab.path("www", "file"),
                           "http://ch/upload/copy")
        with open(lab.path("www", "upload", "copy"), "rb") as got, \
                open(lab.path("www", "file"), "rb") as sent:
            self.assertEqual(got.read(), sent.read())
        many = [word for number in range(8)
                for word in ("-o", lab.path(f"got{number}"), f"http://{CH_ADDRESS}/file")]
        self.run_on_mobile("curl", "-sS", "-f", "--max-time", "20", "--parallel", *many)
        for number in range(8):
            with open(lab.path(f"got{number}"), "rb") as got, \
                    open(lab.path("www", "file"), "rb") as sent:
                self.assertEqual(got.read(), sent.read())

    def test_curl_says_why_it_cannot_connect(self):
        self.stage()
        for url, said in (("http://ch:81/", "Connection refused"),
                          ("http://10.71.9.77/", "Network is unreachable"),
                          ("http://nobody/", "Could not resolve host")):
            status, _, errors = self.run_on_mobile("curl", "-sSv", "--max-time", "30", url,
                                                   check=False)
            self.assertNotEqual(status, 0)
            self.assertIn(said, errors)

    # C7, S3: a shell stays the same through moves, and what it says has no gap.
    def test_ssh_session_survives_moves(self):
        lab = self.stage(publish=((22, SERVICE),))
        remote = Ssh(lab)
        self.addCleanup(remote.remove)
        self.count_unprotected()
        shell = Terminal(lab, lab.mh, *self.through(), "ssh", "-tt", *remote.options("none"),
                         "root@ch", "PS1=; exec sh -i")
        self.addCleanup(shell.close)
        shell.type("echo shell-$$-is-$((40+2))")
        seen = shell.expect("-is-42", 30)
        identity = seen[seen.rindex("shell-"):]
        lab.break_before_make("B", 2)
        shell.type("echo after-$((1+1))")
        shell.expect("after-2", 10)
        lab.make_before_break("A", 3)
        shell.type("echo shell-$$-is-$((40+2))")
        self.assertIn(identity, shell.expect("-is-42", 10))
        shell.type("exit 7")
        self.assertEqual(shell.process.wait(15), 7)
        self.assert_nothing_unprotected()

    # rsync starts ssh: what a program starts is under the same rule.
    def test_rsync_over_ssh_delivers_every_byte_through_a_move(self):
        lab = self.stage(publish=((22, SERVICE),))
        remote = Ssh(lab)
        self.addCleanup(remote.remove)
        for number in range(8):
            os.makedirs(lab.path("from"), exist_ok=True)
            make_file(lab.path("from", f"file{number}"), MIB + number * 4321, seed=number)
        shell = " ".join(["ssh", *(f"'{word}'" if " " in word else word
                                   for word in remote.options("none"))])
        log = lab.path("rsync.log")
        rsync = lab.start(lab.mh, *self.through(), "rsync", "-a", "--bwlimit=4m", "-e", shell,
                          lab.path("from") + "/", f"root@ch:{lab.path('to')}", log=log)
        self.wait_until_flowing(1)
        journey.travel(lab, MOVES[:1], 0.5)
        self.assertIsNone(rsync.poll(), "rsync was over before the move was: " + rsync.log_tail())
        self.assertEqual(rsync.wait(60), 0, rsync.log_tail())
        lab.run(lab.mh, "diff", "-r", lab.path("from"), lab.path("to"))

    def test_python_asyncio_reads_four_files_through_a_move(self):
        lab = self.stage(3 * MIB, pace=(1 << 14, 5))
        process = lab.start(lab.mh, *self.through(), sys.executable, "-c", ASYNCIO,
                            stdout=subprocess.PIPE, text=True, log=lab.path("asyncio.log"))
        self.wait_until_flowing(4)
        journey.travel(lab, MOVES[:1], 0.1)
        self.assertIsNone(process.poll(), "it was over before the move was: " + process.log_tail())
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, process.log_tail())
        self.assertEqual(output.split(), [self.sha256] * 4)

    # A server of the correspondent's, unchanged, reached by a client of the mobile host's.
    def test_python_server_is_reached_through_a_move(self):
        lab = self.stage(4 * MIB)
        server = lab.start(lab.ch, *self.through(self.correspondent, "--server"), sys.executable,
                           "-m", "http.server", "8000", "--directory", lab.path("www"),
                           log=lab.path("server.log"))
        deadline = time.monotonic() + 10
        while self.run_on_mobile("curl", "-sS", "-o", os.devnull, "http://ch:8000/",
                                 check=False)[0] != 0:
            self.assertIsNone(server.poll(), server.log_tail())
            self.assertLess(time.monotonic(), deadline, server.log_tail())
        download = Download(lab, "http://ch:8000/file", "--limit-rate", "2M",
                            through=self.through())
        self.wait_until_flowing(1)
        journey.travel(lab, MOVES[:1], 0.3)
        self.assertEqual(download.wait(60), 0, download.errors())
        self.assertEqual(download.sha256(), self.sha256)
        with open(lab.path("server.log")) as log:
            self.assertIn(lab.address("A", 2), log.read(), "who the server saw")

    # C7: never unprotected.
    def test_what_cannot_be_covered_is_refused(self):
        self.stage()
        status, _, errors = self.run_on_mobile("/sbin/ldconfig", "--version", check=False)
        self.assertEqual(status, 1)
        self.assertIn("/sbin/ldconfig is statically linked", errors)
        status, _, errors = self.run_on_mobile("sh", "-c", "/sbin/ldconfig --version", check=False)
        self.assertEqual(status, 126)
        self.assertIn("/sbin/ldconfig is statically linked", errors)
        status, _, errors = self.run_on_mobile("no-such-program", check=False)
        self.assertEqual(status, 1)
        self.assertIn("no-such-program: not found in PATH", errors)
        number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
        code = PAST_THE_LIBRARY.replace("SOCKET", str(number))
        _, output, _ = self.run_on_mobile(sys.executable, "-c", code)
        self.assertEqual(output.strip(), str([(-1, 13)] * 4))
        # Even a program that threw the library away.
        status, _, _ = self.run_on_mobile(
            "sh", "-c", f"unset LD_PRELOAD; curl -sS --max-time 5 http://{CH_ADDRESS}/", check=False)
        self.assertEqual(status, 0, "what sh starts has the library again")
        self.mobile.stop()
        status, _, errors = self.run_on_mobile("true", check=False)
        self.assertEqual(status, 1)
        self.assertIn("godwitd does not answer", errors)

if __name__ == "__main__":
    unittest.main()
