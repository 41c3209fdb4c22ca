"""UDP of programs as they are under 'godwit run': dig, and Python's sockets and asyncio, as client
and as server, while the host moves."""
import json
import os
import subprocess
import sys
import time
import unittest

import journey
from godwit import PROTECT, configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, need
from name_server import ZONE, NameServer

PORT = 7007
MOVES = (Stop("B", 2, BREAK), Stop("A", 3, MAKE))
IPERF3 = ("iperf3", "--udp", "--client", CH_ADDRESS, "--bitrate", "1M", "--json")

# Answers whom it hears, and says at the end whom that was.
SERVER = """
import json, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
heard = {}
while True:
    datagram, peer = server.recvfrom(2048)
    heard.setdefault(str(peer), 0)
    heard[str(peer)] += 1
    if datagram == b"end":
        break
    server.sendto(datagram, peer)
print(json.dumps(heard), flush=True)
"""

# One connected socket, from the first datagram to the last: what comes back is checked.
CLIENT = """
import json, select, socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], int(sys.argv[2])))
name, sent, got, last = client.getsockname(), 0, set(), time.monotonic()
end = last + float(sys.argv[3])
while time.monotonic() < end:
    client.send(b"number %d" % sent)
    sent += 1
    until = time.monotonic() + 0.02
    while (left := until - time.monotonic()) > 0:
        if select.select([client], [], [], left)[0]:
            word, number = client.recv(2048).split()
            assert word == b"number" and int(number) < sent, (word, number)
            if not got:
                print("flowing", flush=True)
            got.add(int(number))
print(json.dumps({"sent": sent, "got": sorted(got), "same": client.getsockname() == name,
                  "peer": client.getpeername()}), flush=True)
client.send(b"end")
"""

# Several unconnected endpoints in one event loop, each with datagrams of its own.
ASYNCIO = """
import asyncio, sys
class Echo(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()
    def datagram_received(self, data, address):
        self.answers.put_nowait((data, address))
    def error_received(self, error):
        self.answers.put_nowait((error, None))
async def ask(number, where):
    loop = asyncio.get_running_loop()
    transport, echo = await loop.create_datagram_endpoint(Echo, local_addr=("0.0.0.0", 0))
    for turn in range(5):
        question = b"%d/%d" % (number, turn)
        for attempt in range(20):
            transport.sendto(question, where)
            try:
                answer, address = await asyncio.wait_for(echo.answers.get(), 1)
                if answer == question:
                    break  # and not an earlier one that was asked twice
            except asyncio.TimeoutError:
                pass
        assert (answer, address) == (question, where), (answer, address)
    transport.close()
async def main():
    where = (sys.argv[1], int(sys.argv[2]))
    await asyncio.gather(*(ask(number, where) for number in range(4)))
    print("all")
asyncio.run(main())
"""


class RunUdpTest(unittest.TestCase):
    def stage(self, publish=()):
        lab = self.lab = self.enterContext(Lab(delay_ms=5))
        self.mobile, self.correspondent = configure_pair(lab, publish=())
        for host, peer, addresses in ((self.mobile, self.correspondent, [CH_ADDRESS]),
                                      (self.correspondent, self.mobile, [])):
            more = {"addresses": addresses} if addresses else {}
            shim = os.path.join(host.directory, "shim.sock")
            host.configure(shim={"listen": f"unix:{shim}"}, policy=[PROTECT],
                           publish=list(publish) if host is self.correspondent else [],
                           peers=[{"name": peer.name, "key": peer.godwit("key").strip(), **more}])
        self.correspondent.start()
        self.mobile.start()
        return lab

    def through(self, host, *options):
        return [self.lab.program("godwit"), "run", "--config", host.config_path, *options]

    def python(self, host, code, *words, options=(), log):
        return self.lab.start(host.namespace, *self.through(host, *options), sys.executable, "-c",
                              code, *words, stdout=subprocess.PIPE, text=True,
                              log=self.lab.path(log))

    def serve(self):
        server = self.python(self.correspondent, SERVER, str(PORT), options=("--server",),
                             log="server.log")
        self.assertEqual(server.stdout.readline(), "ready\n", server.log_tail())
        return server

    def count_unprotected(self):
        self.lab.run(self.lab.mh, "nft", "-f", "-", input="""
            table inet watch {
              chain out {
                type filter hook output priority 0;
                oifname != "lo" udp dport != { 500, 4500 } counter
              }
            }""")

    def assert_nothing_unprotected(self):
        rules = self.lab.run(self.lab.mh, "nft", "list", "table", "inet", "watch")[1]
        self.assertIn("counter packets 0 ", rules)

    # C7: dig, over the stack, to a name server behind the peer.
    def test_dig_asks_over_the_stack(self):
        need("named", "dig")
        lab = self.stage(publish=[{"port": 53, "protocol": "udp", "to": "127.0.0.1:53"},
                                  {"port": 53, "to": "127.0.0.1:53"}])
        NameServer(lab, lab.ch, "127.0.0.1", "bind", records=[f"www.{ZONE}. IN A 192.0.2.80"])
        self.count_unprotected()
        for more in ((), ("+tcp",), ("+bufsize=1232", "+dnssec"), ("-b", "0.0.0.0#5353")):
            _, answer, _ = lab.run(lab.mh, *self.through(self.mobile), "dig", "+short",
                                   "+norecurse", "+time=2", "+tries=3", f"@{CH_ADDRESS}", *more,
                                   f"www.{ZONE}", "A")
            self.assertEqual(answer.split(), ["192.0.2.80"], more)
        self.assert_nothing_unprotected()

    # C7, S3, S20: one connected socket at each end of two moves, and the server sees one client.
    def test_a_connected_socket_survives_two_moves(self):
        lab = self.stage()
        self.count_unprotected()
        server = self.serve()
        before = lab.address("A", 2)
        client = self.python(self.mobile, CLIENT, CH_ADDRESS, str(PORT), "6", log="client.log")
        self.assertEqual(client.stdout.readline(), "flowing\n", client.log_tail())
        moves = journey.travel(lab, MOVES, 0.8)
        self.assertIsNone(client.poll(), "it was over before the moves were")
        told, _ = client.communicate(timeout=30)
        self.assertEqual(client.returncode, 0, client.log_tail())
        said = json.loads(told)
        self.assertTrue(said["same"], "getsockname() changed")
        self.assertEqual(said["peer"], [CH_ADDRESS, PORT])
        lost = said["sent"] - len(said["got"])
        self.assertGreaterEqual(said["got"][-1], said["sent"] - 5, "nothing came after the moves")
        # Break before make loses what is sent meanwhile, and the start what IKE has no room for.
        self.assertLess(lost, said["sent"] / 3, said)
        heard = json.loads(server.communicate(timeout=10)[0])
        self.assertEqual(len(heard), 1, heard)
        self.assertIn(before, next(iter(heard)))
        self.assertEqual(self.mobile.status()["peers"][0]["moves"], len(moves))
        self.assert_nothing_unprotected()

    def test_asyncio_endpoints_and_a_server(self):
        lab = self.stage()
        server = self.serve()
        status, output, errors = lab.run(lab.mh, *self.through(self.mobile), sys.executable, "-c",
                                         ASYNCIO, CH_ADDRESS, str(PORT), check=False)
        self.assertEqual((status, output), (0, "all\n"), errors)
        self.assertIsNone(server.poll(), server.log_tail())

    # iperf3 connects its server's socket to each client and opens the next one at the same port.
    def test_iperf3_measures_over_udp_through_a_move(self):
        need("iperf3")
        lab = self.stage()
        self.count_unprotected()
        server = lab.start(lab.ch, *self.through(self.correspondent, "--server"), "iperf3", "-s",
                           log=lab.path("iperf3-server.log"))
        for more in ((), ("-R",), ("-P", "3"), ("--bidir",)):
            report = self.iperf3(*more, "-t", "1")
            self.assertGreater(report["end"]["sum"]["packets"], 20, more)
            self.assertEqual(report["end"]["sum"]["lost_packets"], 0, more)
        client = lab.start(lab.mh, *self.through(self.mobile), *IPERF3, "-t", "4",
                           stdout=subprocess.PIPE, text=True, log=lab.path("iperf3.log"))
        time.sleep(1.5)
        journey.travel(lab, MOVES[:1], 0.5)
        report = json.loads(client.communicate(timeout=30)[0])
        self.assertNotIn("error", report)
        end = report["end"]["sum"]
        self.assertGreater(end["packets"], 100, end)
        self.assertLess(end["lost_packets"], end["packets"] / 4, end)
        self.assertIsNone(server.poll(), server.log_tail())
        self.assert_nothing_unprotected()

    def iperf3(self, *words):
        deadline = time.monotonic() + 15
        while True:
            status, output, errors = self.lab.run(self.lab.mh, *self.through(self.mobile), *IPERF3,
                                                  *words, check=False)
            if status == 0 or time.monotonic() > deadline:
                break
            time.sleep(0.2)  # the server is not there yet
        self.assertEqual(status, 0, output + errors)
        return json.loads(output)

    # A client is no server: who was not asked is not heard.
    def test_strangers_are_heard_by_servers_only(self):
        lab = self.stage()
        code = SERVER.replace("server.recvfrom", "server.settimeout(2) or server.recvfrom")
        client = self.python(self.correspondent, code, str(PORT), log="client.log")
        self.assertEqual(client.stdout.readline(), "ready\n", client.log_tail())
        deadline = time.monotonic() + 4
        knock = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                 f"s.sendto(b'end', ('{CH_ADDRESS}', {PORT}))")
        while client.poll() is None and time.monotonic() < deadline:
            lab.run(lab.mh, *self.through(self.mobile), sys.executable, "-c", knock)
        self.assertEqual(client.wait(10), 1, "it heard a stranger")
        self.assertIn("timed out", client.log_tail())

    # Where there is no way, sendto() says so.
    def test_no_way_is_said(self):
        lab = self.stage()
        code = ("import errno, socket\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "for where in ('10.71.9.77', '224.0.0.251', '255.255.255.255'):\n"
                "    try: s.sendto(b'x', (where, 5353)); print('sent')\n"
                "    except OSError as error: print(errno.errorcode[error.errno])\n")
        _, output, _ = lab.run(lab.mh, *self.through(self.mobile), sys.executable, "-c", code)
        self.assertEqual(output.split(), ["ENETUNREACH", "ENETUNREACH", "EACCES"])


if __name__ == "__main__":
    unittest.main()
