"""What runs over the lab in every scenario: a file of random bytes, nginx that serves and takes
files, curl whose every read is timed where it arrives, flows in both directions, tcpdump on the
router.
"""
import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

from lab import LabError, now

_F_SETPIPE_SZ = 1031


def make_file(path, size, seed, marker=b"", every=512):
    """Random bytes with the marker every so often, so that one readable packet would show it.
    Returns the SHA-256 in hexadecimal."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        while size > 0:
            block = bytearray(rng.randbytes(min(size, 1 << 20)))
            if marker:
                for at in range(0, len(block) - len(marker), every):
                    block[at:at + len(marker)] = marker
            file.write(block)
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


_NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
user root;
events {{ worker_connections {connections}; }}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/temp;
  fastcgi_temp_path {directory}/temp; uwsgi_temp_path {directory}/temp;
  scgi_temp_path {directory}/temp;
  client_max_body_size 0; send_timeout 3600s; client_body_timeout 3600s;
  server {{
    {listen}
    root {root};
    {pace}
    location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


def start_nginx(lab, root, listen, pace=None, connections=256):
    """nginx in the correspondent's namespace; `listen` is a list of "address:port". `pace` is
    (bytes, milliseconds): so much at once, then so long a pause. A flow below what the path
    carries stands in no queue, so its silences are those of the moves alone."""
    directory = lab.path("nginx")
    os.makedirs(os.path.join(directory, "body"), exist_ok=True)
    path = os.path.join(directory, "nginx.conf")
    pacing = ""
    if pace:
        # nginx pauses for the whole milliseconds that a chunk takes at this rate.
        chunk, pause = pace
        pacing = f"sendfile_max_chunk {chunk}; limit_rate {chunk * 1000 // pause};"
    with open(path, "w") as file:
        file.write(_NGINX.format(directory=directory, root=root, pace=pacing,
                                 connections=connections,
                                 listen=" ".join(f"listen {where};" for where in listen)))
    process = lab.start(lab.ch, "nginx", "-p", directory, "-c", path, "-e", "stderr",
                        log=lab.path("nginx.out"))
    wait_for_port(lab, lab.ch, listen[0], process)
    return process


def paced_rate(pace):
    """Bytes per second that start_nginx(pace=pace) comes near to, never above."""
    chunk, pause = pace
    return chunk * 1000 // pause


def wait_for_port(lab, namespace, where, process, patience=10.0):
    """Until something in the namespace listens at "address:port"."""
    port = int(where.rpartition(":")[2])
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LabError(f"{process.what} ended: {process.log_tail()}")
        listening = lab.run(namespace, "ss", "-Hltn", f"sport = :{port}")[1]
        if listening.strip():
            return
        time.sleep(0.05)
    raise LabError(f"{process.what} does not listen at {where}: {process.log_tail()}")


class Arrivals:
    """When how much came to the reader of a stream."""

    def __init__(self):
        self.arrivals = []  # (seconds since boot, bytes)
        self.bytes = 0
        self.began = now()
        self.ended = None

    def arrived(self, at, size):
        self.arrivals.append((at, size))
        self.bytes += size

    def running(self):
        return self.ended is None

    def last_arrival(self):
        return self.arrivals[-1][0] if self.arrivals else self.began

    def bytes_between(self, begin, end):
        return sum(size for at, size in self.arrivals if begin <= at < end)

    def gaps(self, end):
        """Every time without a byte up to `end`: (its begin, its end)."""
        times = [self.began, *(at for at, _ in self.arrivals if at < end), end]
        return list(zip(times, times[1:]))

    def silence(self, begin, end):
        """The longest gap that reaches into the window: (length, its begin, its end). It counts
        from before the window, but not beyond it."""
        return max(((ended - began, began, ended) for began, ended in self.gaps(end)
                    if ended >= begin), default=(0.0, begin, begin))


class Download(Arrivals):
    """curl, its output read from a pipe as it comes: when how much arrived, and what it was."""

    def __init__(self, lab, url, *options, through=()):
        """`through`: the words before curl's own."""
        super().__init__()
        reader, writer = os.pipe()
        fcntl.fcntl(reader, _F_SETPIPE_SZ, 1 << 20)
        self._digest = hashlib.sha256()
        self.process = lab.start(lab.mh, *through, "curl", "-sS", "-N", "--connect-timeout", "20",
                                 *options, url, stdout=writer, log=lab.path(f"curl-{id(self)}.log"))
        os.close(writer)
        self._lab = lab
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def _read(self, reader):
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while block := pipe.read(1 << 18):
                self.arrived(now(), len(block))
                self._digest.update(block)
        self.ended = now()

    def sha256(self):
        return self._digest.hexdigest()

    def wait(self, patience):
        """curl's exit status; None if it was still at it and has been stopped."""
        self._thread.join(patience)
        if self._thread.is_alive():
            self._lab.stop(self.process)
            self._thread.join()
            return None
        return self.process.wait()

    def errors(self):
        return self.process.log_tail().strip()


class Flow(Arrivals):
    """flow.py at both hosts, its bytes compared where they arrive. It goes through the proxy to
    "host:port", which leads to `service` on the correspondent; proxy "none": the kernel's own."""

    _PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow.py")

    def __init__(self, lab, direction, mbit, seconds, proxy, to, service):
        super().__init__()
        self._lab = lab
        # Only the receiver has something to say.
        heard = {"stdout": subprocess.PIPE, "text": True}
        down = direction == "down"
        self.server = lab.start(lab.ch, sys.executable, self._PROGRAM, "serve", service,
                                log=lab.path(f"flow-{id(self)}-ch.log"), **({} if down else heard))
        wait_for_port(lab, lab.ch, service, self.server)
        self.client = lab.start(lab.mh, sys.executable, self._PROGRAM, "ask", proxy, to, direction,
                                str(mbit), str(seconds), log=lab.path(f"flow-{id(self)}-mh.log"),
                                **(heard if down else {}))
        self._receiver = self.client if down else self.server
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._receiver.stdout:
            at, size = line.split()
            self.arrived(float(at), int(size))
        self.ended = now()

    def wait(self, patience):
        """What went wrong, or nothing. Both ends are gone afterwards."""
        self._thread.join(patience)
        problem = "" if self.ended else "it does not end"
        for process in (self.client, self.server):
            if not problem and process.wait(5):
                problem = process.log_tail() or f"status {process.returncode}"
        self.stop()
        return problem

    def stop(self):
        self._receiver.terminate()
        self._thread.join()
        for process in (self.client, self.server):
            self._lab.stop(process)


class Tcpdump:
    """Everything that passes the router's link towards the correspondent, in a file."""

    def __init__(self, lab, path, snap=0):
        self.path = path
        self._lab = lab
        # -Z root: it writes into a directory of ours, and must not give its rights away for that.
        self._process = lab.start(lab.rt, "tcpdump", "-Z", "root", "-i", "rc", "-s", str(snap),
                                  "-B", "65536", "-w", path, log=lab.path("tcpdump.log"))
        deadline = time.monotonic() + 10
        while "listening on" not in self._process.log_tail():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LabError("tcpdump does not start: " + self._process.log_tail())
            time.sleep(0.02)

    def stop(self):
        """Returns how many packets the kernel had to drop because the file was too slow."""
        time.sleep(1.5)  # the kernel hands over blocks of packets, the last after a second
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        log = self._process.log_tail()
        self._lab.stop(self._process)
        for line in log.splitlines():
            if line.endswith("dropped by kernel"):
                return int(line.split()[0])
        raise LabError("tcpdump did not say what it dropped: " + log)
