#!/usr/bin/env python3
"""Runs one measurement of the peer harness, which also finds the adapters of this folder, and
whose mobile host changes its addresses through one `ip` that stays: starting a dozen programs
takes a tenth of a second on a busy machine, which every system would be charged with.

usage: measure.py HARNESS_DIRECTORY ARGUMENTS_OF_ITS_BENCH…
"""
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Mover:
    """Stands in for the shell in which the harness runs `ip LINE; ...; echo .`: takes what it
    writes, answers with its line."""

    def __init__(self, namespace, log):
        self._ip = subprocess.Popen(
            ["ip", "netns", "exec", namespace, "ip", "-o", "-force", "-batch", "-"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.stdin, self.stdout = self, self
        self._lines = ""

    def write(self, text):
        self._lines = text

    def flush(self):
        commands = [line.removeprefix("ip ") for line in self._lines.splitlines() if line != "echo ."]
        # The question at the end is answered when what stands before it is done.
        self._ip.stdin.write("\n".join([*commands, "link show dev lo", ""]))
        self._ip.stdin.flush()

    def readline(self):
        while " lo: " not in (line := self._ip.stdout.readline()):
            if not line:
                raise RuntimeError("ip ended")
        return line

    def close(self):
        self._ip.stdin.close()

    def wait(self, patience):
        return self._ip.wait(patience)


def move_fast(lab_module):
    """Lab.ipb() speaks to lab.ip, a shell; from setup() on, to a Mover."""
    spoken = lab_module.Lab.ipb

    def ipb(lab, *lines):
        if not isinstance(lab.ip, Mover):
            lab.ip.stdin.close()
            lab.ip.wait(3)
            with open(os.path.join(lab.dir, "ip.log"), "ab") as log:
                lab.ip = Mover(lab.mh, log)
        spoken(lab, *lines)

    lab_module.Lab.ipb = ipb


def main():
    harness = os.path.abspath(sys.argv.pop(1))
    sys.dont_write_bytecode = True  # the harness may be a folder that is only to be read
    sys.path.insert(0, harness)
    import bench

    theirs = bench.load

    def load(name, variant=""):
        path = os.path.join(HERE, name + ".py")
        if not os.path.exists(path):
            return theirs(name, variant)
        spec = importlib.util.spec_from_file_location("adapter_" + name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Adapter(variant)

    bench.load = load
    move_fast(bench.L)
    bench.main()


if __name__ == "__main__":
    main()
