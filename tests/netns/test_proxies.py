"""Programs that speak to the proxy in every way it has: SOCKS4a, HTTP with and without a tunnel,
UDP through SOCKS5, a Unix socket, godwit nc; to a peer by its name and while the host moves."""
import fcntl
import os
import socket
import struct
import time
import unittest

import journey
from godwit import PROTECT, SOCKS, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, LabError
from netlink import in_namespace
from socks_connect import connect, exactly
from test_voice import Voice
from traffic import Download, make_file, start_nginx

MIB = 1 << 20
MOVES = (Stop("B", 2, BREAK), Stop("A", 3, MAKE))
# Which way in, and what curl calls it; the name of the peer is resolved behind the proxy.
WAYS = (("SOCKS4a", ("--socks4a", SOCKS)),
        ("HTTP", ("-x", f"http://{SOCKS}")),
        ("CONNECT", ("-p", "-x", f"http://{SOCKS}")))


class ProxiesTest(unittest.TestCase):
    def stage(self, size, pace=None, policy=(PROTECT,)):
        lab = self.enterContext(Lab(delay_ms=5))
        os.makedirs(lab.path("www", "upload"))
        self.sha256 = make_file(lab.path("www", "file"), size, seed=71)
        start_nginx(lab, lab.path("www"), ["127.0.0.1:8080"], pace)
        self.mobile, self.correspondent = configure_pair(lab, policy=policy)
        return lab

    def start(self, forward=(), **socks):
        if socks or forward:
            self.mobile.configure(
                socks=socks or {"listen": SOCKS}, policy=[PROTECT], forward=list(forward), peers=[
                    {"name": "ch", "addresses": [CH_ADDRESS],
                     "key": self.correspondent.godwit("key").strip()}])
        self.correspondent.start()
        self.mobile.start()

    # C6, S3: three programs at once, each by another protocol, through two moves.
    def test_downloads_survive_moves_whichever_protocol_they_use(self):
        lab = self.stage(12 * MIB, pace=(1 << 14, 6))
        self.start()
        downloads = {way: Download(lab, "http://ch/file", *options) for way, options in WAYS}
        moves = journey.travel(lab, MOVES, dwell=0.6)
        self.assertEqual(len(moves), len(MOVES))
        for way, download in downloads.items():
            self.assertTrue(download.running(), f"{way}: the file was too small to prove anything")
        for way, download in downloads.items():
            self.assertEqual(download.wait(60), 0, f"{way}: {download.errors()}")
            self.assertEqual(download.sha256(), self.sha256, way)
        self.assertEqual(self.mobile.status()["peers"][0]["moves"], len(moves))

    # The content of a request, with a length and in chunks, and two requests in a row.
    def test_requests_reach_the_peer_whole(self):
        lab = self.stage(1 * MIB)
        self.start()
        for number, more in enumerate(((), ("-H", "Transfer-Encoding: chunked"))):
            copy = f"copy{number}"
            for options in (("-T", lab.path("www", "file"), *more,
                             f"http://ch/upload/{copy}"),
                            ("-o", lab.path(copy), "-o", os.devnull, f"http://ch/upload/{copy}",
                             "http://ch/file")):
                lab.run(lab.mh, "curl", "-sS", "-f", "--max-time", "20", "-x", f"http://{SOCKS}",
                        *options)
            with open(lab.path(copy), "rb") as got, open(lab.path("www", "file"), "rb") as sent:
                self.assertEqual(got.read(), sent.read())

    def test_failures_say_what_to_do(self):
        lab = self.stage(1)
        self.start()
        for url, status, said in (("http://ch:81/", "502", "connection refused"),
                                  ("http://nobody/", "502", "host unreachable"),
                                  ("http://10.71.9.77/", "502", "network unreachable")):
            _, output, _ = lab.run(lab.mh, "curl", "-sS", "--max-time", "30", "-w",
                                   "%{http_code}", "-x", f"http://{SOCKS}", url)
            self.assertIn(f"cannot reach {url[7:-1]}", output)
            self.assertIn(said, output)
            self.assertTrue(output.endswith(status), output)

    # A user and a password, two listeners, and netcat of our own.
    def test_private_proxy_and_unix_socket(self):
        lab = self.stage(1 * MIB)
        path = lab.path("mh", "socks.sock")
        self.start(listen=[SOCKS, f"unix:{path}"],
                   users=[{"name": "ann", "password": "open sesame"}])
        url = "http://ch/file"
        for options in (("--socks5-hostname", SOCKS, "--proxy-user", "ann:open sesame"),
                        ("-x", f"http://{SOCKS}", "--proxy-user", "ann:open sesame")):
            lab.run(lab.mh, "curl", "-sS", "-f", "--max-time", "20", *options, "-o",
                    lab.path("got"), url)
            with open(lab.path("got"), "rb") as got, open(lab.path("www", "file"), "rb") as sent:
                self.assertEqual(got.read(), sent.read())
        output = lab.run(lab.mh, "curl", "-sS", "-x", f"http://{SOCKS}", url)[1]
        self.assertIn("--proxy-user", output)
        asked = lab.run(lab.mh, "sh", "-c",
                        "(printf 'GET /file HTTP/1.0\\r\\n\\r\\n'; sleep 5) | " +  # nginx wants no half-close
                        f"GODWIT_PROXY_PASSWORD='open sesame' {lab.program('godwit')} nc ch 80 "
                        f"--proxy unix:{path} --user ann | tail -c {MIB} | sha256sum")[1]
        self.assertTrue(asked.startswith(self.sha256), asked)

    # Programs that know no proxy: a port and a socket of this host lead to the peer's service.
    def test_forwards_survive_moves(self):
        lab = self.stage(24 * MIB, pace=(1 << 14, 6))
        path = lab.path("mh", "web.sock")
        self.start(forward=[{"listen": "127.0.0.1:8081", "to": "ch:80"},
                            {"listen": f"unix:{path}", "to": f"{CH_ADDRESS}:80"},
                            {"listen": "127.0.0.1:8082", "to": "ch:81"}])
        downloads = [Download(lab, "http://127.0.0.1:8081/file"),
                     Download(lab, "http://any/file", "--unix-socket", path)]
        journey.travel(lab, MOVES, dwell=0.6)
        for download in downloads:
            self.assertTrue(download.running(), f"ended too soon: {download.errors()}")
            self.assertEqual(download.wait(60), 0, download.errors())
            self.assertEqual(download.sha256(), self.sha256)
        code, _, errors = lab.run(lab.mh, "curl", "-sS", "--max-time", "10",
                                  "http://127.0.0.1:8082/", check=False)
        self.assertEqual(code, 56, errors)  # curl's word for a reset
        self.assertIn("forward: 127.0.0.1:", self.mobile.process.log_tail())
        self.assertIn("to ch:81: connection refused", self.mobile.process.log_tail())

    # What the service manager has opened: systemd's protocol, which is descriptors from 3 on.
    def test_sockets_of_the_service_manager(self):
        lab = self.stage(1 * MIB)
        path = lab.path("mh", "activated.sock")
        self.mobile.configure(
            socks={"listen": "systemd:socks"}, policy=[PROTECT],
            forward=[{"listen": "systemd:web", "to": "ch:80"}],
            peers=[{"name": "ch", "addresses": [CH_ADDRESS],
                    "key": self.correspondent.godwit("key").strip()}])
        self.correspondent.start()
        with self.assertRaisesRegex(LabError, "socks.listen: cannot listen on systemd:socks: "):
            self.mobile.start()
        tcp = in_namespace(lab.mh, lambda: socket.create_server(("127.0.0.1", 1080)))
        local = socket.socket(socket.AF_UNIX)
        local.bind(path)
        local.listen()
        with tcp, local:
            # Far from 3 and 4: the one must not be overwritten before the other is copied.
            given = [fcntl.fcntl(listener, fcntl.F_DUPFD, 20) for listener in (tcp, local)]
            daemon = lab.start(
                lab.mh, "bash", "-c",
                f"exec 3<&{given[0]} 4<&{given[1]}; "
                "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=socks:web exec "
                f"{lab.program('godwitd')} --config {self.mobile.config_path}",
                pass_fds=given, log=lab.path("activated.log"))
            for descriptor in given:
                os.close(descriptor)
            for options in (("-x", f"http://{SOCKS}"), ("--unix-socket", path)):
                lab.run(lab.mh, "curl", "-sS", "-f", "--max-time", "20", "--retry", "5",
                        "--retry-connrefused", *options, "-o", lab.path("got"), "http://ch/file")
                with open(lab.path("got"), "rb") as got, open(lab.path("www", "file"), "rb") as sent:
                    self.assertEqual(got.read(), sent.read())
            self.assertTrue(lab.stop(daemon))
            self.assertTrue(os.path.exists(path))  # not the daemon's to remove

    def test_rules_say_where_the_proxy_leads(self):
        lab = self.stage(1)
        self.start(listen=SOCKS, users=[{"name": "ann", "password": "open sesame"},
                                        {"name": "bob", "password": "open barley"}],
                   rules=[{"deny": "tcp to any port 81"},
                          {"allow": "tcp to ch", "users": ["ann"]},
                          {"allow": f"tcp to {CH_ADDRESS}/32 port 80", "users": ["bob"]}])
        for who, url, status in (("ann:open sesame", "http://ch/file", "200"),
                                 ("ann:open sesame", "http://ch:81/", "403"),
                                 ("ann:open sesame", f"http://{CH_ADDRESS}/file", "403"),
                                 ("bob:open barley", "http://ch/file", "200"),
                                 ("bob:open barley", f"http://{CH_ADDRESS}/file", "200"),
                                 ("bob:open barley", "http://ch:8080/", "403"),
                                 ("ann:open sesame", "http://elsewhere.example/", "403")):
            _, output, _ = lab.run(lab.mh, "curl", "-sS", "--max-time", "20", "-o", lab.path("got"),
                                   "-w", "%{http_code}", "-x", f"http://{SOCKS}", "--proxy-user",
                                   who, url)
            self.assertEqual(output, status, f"{who} to {url}")

    # RFC 1928, BIND: the peer connects to a port of the mobile host's stack, which then moves.
    def test_awaited_connections_survive_moves(self):
        lab = self.stage(1)
        self.correspondent.configure(
            socks={"listen": SOCKS}, policy=[PROTECT],
            peers=[{"name": "mh", "key": self.mobile.godwit("key").strip()}])
        self.start()

        def proxy(namespace):
            address, _, port = SOCKS.rpartition(":")
            return in_namespace(namespace, lambda: socket.create_connection((address, int(port)),
                                                                            timeout=20))

        def answer(stream):
            code, _, address, port = struct.unpack(">xBxB4sH", exactly(stream, 10))
            self.assertEqual(code, 0)
            return socket.inet_ntoa(address), port

        # The peer does not know where the mobile host is until there is a session.
        lab.run(lab.mh, "curl", "-s", "--max-time", "10", "--socks5-hostname", SOCKS, "http://ch/",
                check=False)
        with proxy(lab.mh) as awaiting, proxy(lab.ch) as calling:
            awaiting.sendall(b"\x05\x01\x00\x05\x02\x00\x03\x02ch\0\0")
            self.assertEqual(exactly(awaiting, 2), b"\x05\x00")
            where = answer(awaiting)
            self.assertEqual(where[0], lab.address("A", 2))
            connect(calling, *where)
            self.assertEqual(answer(awaiting)[0], CH_ADDRESS)
            for number, stop in enumerate(MOVES):
                journey.make_move(lab, stop, number)
                word = f"after move {number}".encode()
                calling.sendall(word)
                self.assertEqual(exactly(awaiting, len(word)), word)

    # S20: what goes through a UDP association moves with its peer.
    def test_datagrams_survive_moves(self):
        lab = self.stage(1)
        ear = Voice(lab, self.correspondent, "answer", "8")
        self.mobile.start()

        def associate():
            address, _, port = SOCKS.rpartition(":")
            control = socket.create_connection((address, int(port)), timeout=10)
            control.sendall(b"\x05\x01\x00" b"\x05\x03\x00\x01" + bytes(6))
            answer = exactly(control, 12)
            self.assertEqual(answer[:6], b"\x05\x00\x05\x00\x00\x01")
            mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mouth.connect((socket.inet_ntoa(answer[6:10]), *struct.unpack(">H", answer[10:])))
            return control, mouth

        control, mouth = in_namespace(lab.mh, associate)
        sent = 0

        def speak(seconds):
            nonlocal sent
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                mouth.send(b"\0\0\0\x03\x02ch" + struct.pack(">H", 4000) +
                           struct.pack(">I", sent).ljust(160, b"\0"))
                sent += 1
                time.sleep(0.02)

        with control, mouth:
            speak(1.0)
            before = sent
            lab.break_before_make("B", 2)
            speak(2.0)
        self.assertEqual(ear.wait(), 0)
        heard = set(ear.numbers)
        self.assertGreater(len([number for number in heard if number < before]), before // 2)
        after = [number for number in heard if number >= before]
        self.assertGreater(len(after), (sent - before) // 2,
                           f"{len(after)} of {sent - before} after the move")


if __name__ == "__main__":
    unittest.main()
