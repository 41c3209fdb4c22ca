"""ssh sessions through moves: the shell behind one stays the same, every key that is typed is
answered, nothing of its output is missing; and rsync over ssh delivers what it was given."""
import os
import statistics
import threading
import time
import unittest

import journey
from godwit import configure_pair
from journey import BREAK, MAKE, Stop
from lab import CH_ADDRESS, Lab, now
from ssh import SERVICE, Ssh
from traffic import make_file

RTT = 0.020
KEY_EVERY = 0.1
# What sshd, the pseudo terminals and the proxy may take on top of a round trip: on a busy machine
# each of the six programs a key passes waits for its turn.
KEY_ALLOWANCE = 0.250


class SshTest(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab(delay_ms=RTT * 1e3 / 2))
        self.remote = Ssh(self.lab)
        self.addCleanup(self.remote.remove)
        self.mobile, correspondent = configure_pair(self.lab, publish=((22, SERVICE),))
        correspondent.start()
        self.mobile.start()

    def ssh(self, *command):
        terminal = self.remote.terminal(*command)
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

    # S3, B1: a person types on while the host moves; each line comes back by the far end's echo.
    def test_each_typed_line_is_echoed_within_a_round_trip_and_what_the_move_costs(self):
        terminal = self.ssh("stty raw -echo; echo ready; exec cat")
        terminal.expect("ready", 30)
        stops = [Stop("B", 2, BREAK), Stop("A", 3, MAKE), Stop("B", 2, BREAK), Stop("A", 2, MAKE)]
        moves, delays = [], []
        mover = threading.Thread(target=lambda: moves.extend(journey.travel(self.lab, stops, 2.0)))
        mover.start()
        number = 0
        while mover.is_alive() or number % 10:
            number += 1
            typed = now()
            terminal.type(f"line-{number}.")
            seen = terminal.expect(f"line-{number}.", 10)
            self.assertNotIn("line-", seen[:-len(f"line-{number}.")], "an echo came twice")
            delays.append((typed, now() - typed))
            time.sleep(max(0.0, typed + KEY_EVERY - now()))
        mover.join()
        around = [delay for typed, delay in delays
                  if any(move.left - RTT < typed < move.came + RTT for move in moves)]
        self.assertGreater(len(around), 0, "nothing was typed during a move")
        usual = statistics.median(delay for _, delay in delays)
        worst = max(delay for _, delay in delays)
        print(f"typed {number} lines: usually {usual * 1e3:.0f} ms to the echo, at worst "
              f"{worst * 1e3:.0f} ms; around moves {max(around) * 1e3:.0f} ms")
        self.assertLess(max(around), usual + RTT + KEY_ALLOWANCE)
        self.assertEqual(self.mobile.status()["peers"][0]["moves"], len(stops))

    # S3, S13: many files, changed and unchanged, both ways; compared by rsync's own checksums.
    def test_rsync_delivers_every_byte_through_moves(self):
        for number in range(20):
            os.makedirs(self.lab.path("from", f"folder{number % 4}"), exist_ok=True)
            make_file(self.lab.path("from", f"folder{number % 4}", f"file{number}"),
                      (1 << 20) + number * 4321, seed=number)
        shell = " ".join(["ssh", *(f"'{word}'" if " " in word else word
                                   for word in self.remote.options())])
        far = f"root@{CH_ADDRESS}:{self.lab.path('to')}"
        log = self.lab.path("rsync.log")
        rsync = self.lab.start(self.lab.mh, "rsync", "-a", "--bwlimit=5m", "-e", shell,
                               self.lab.path("from") + "/", far, log=log)
        stops = [Stop("B", 2, BREAK), Stop("A", 3, MAKE), Stop("B", 2, BREAK, outage=1.0)]
        journey.travel(self.lab, stops, 0.7)
        self.assertIsNone(rsync.poll(), "rsync was over before the moves were: " + rsync.log_tail())
        self.assertEqual(rsync.wait(90), 0, rsync.log_tail())
        again = self.lab.run(self.lab.mh, "rsync", "-a", "--checksum", "--dry-run",
                             "--itemize-changes", "-e", shell, self.lab.path("from") + "/", far)
        self.assertEqual(again[1], "", "these differ")
        self.lab.run(self.lab.mh, "diff", "-r", self.lab.path("from"), self.lab.path("to"))


if __name__ == "__main__":
    unittest.main()
