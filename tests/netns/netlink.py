"""Changes addresses, links and routes inside a network namespace without starting a program:
a move costs microseconds, and what the kernel acknowledged is what has happened.

Only what a lab needs of rtnetlink(7): links up and down, IPv4 and IPv6 addresses, default routes.
"""
import ctypes
import ipaddress
import os
import socket
import struct
import threading
import time

_CLONE_NEWNET = 0x40000000
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWROUTE, _RTM_DELROUTE = 16, 20, 21, 24, 25
_REQUEST, _ACK, _REPLACE, _CREATE = 1, 4, 0x100, 0x400
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 4, 5, 6
_IFA_F_NODAD = 2
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)


def in_namespace(name, call):
    """The result of call(), made by a thread that lives in the namespace. Sockets opened there
    stay there, whoever uses them afterwards."""
    outcome = []

    def enter():
        try:
            with open(f"/run/netns/{name}") as namespace:
                if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    error = ctypes.get_errno()
                    raise OSError(error, f"cannot enter namespace {name}: {os.strerror(error)}")
            outcome.append((call(), None))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.append((None, error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error:
        raise error
    return result


class Netlink:
    """Requests to the kernel about one namespace. Each returns when the kernel has done it."""

    def __init__(self, namespace):
        self._socket = in_namespace(
            namespace,
            lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))
        self._socket.bind((0, 0))
        self._index = {}
        self._namespace = namespace
        self._sequence = 0

    def close(self):
        self._socket.close()

    def link_up(self, device):
        self._link(device, _IFF_UP)

    def link_down(self, device):
        self._link(device, 0)

    def add_address(self, device, prefix):
        self._address(_RTM_NEWADDR, _CREATE | _REPLACE, device, prefix)

    def remove_address(self, device, prefix):
        self._address(_RTM_DELADDR, 0, device, prefix)

    def add_default_route(self, device, gateway, metric):
        self._route(_RTM_NEWROUTE, _CREATE | _REPLACE, device, gateway, metric)

    def remove_default_route(self, device, gateway, metric):
        self._route(_RTM_DELROUTE, 0, device, gateway, metric)

    def _link(self, device, flags):
        self._request(_RTM_NEWLINK, 0,
                      struct.pack("=BxHiII", 0, 0, self._index_of(device), flags, _IFF_UP), device)

    def _address(self, kind, flags, device, prefix):
        interface = ipaddress.ip_interface(prefix)
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        body = struct.pack("=BBBBi", family, interface.network.prefixlen, _IFA_F_NODAD, 0,
                           self._index_of(device))
        octets = interface.ip.packed
        body += _attribute(_IFA_LOCAL, octets) + _attribute(_IFA_ADDRESS, octets)
        self._request(kind, flags, body, f"{prefix} on {device}")

    def _route(self, kind, flags, device, gateway, metric):
        address = ipaddress.ip_address(gateway)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        table_main, protocol_static, scope_universe, type_unicast = 254, 4, 0, 1
        body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, table_main, protocol_static,
                           scope_universe, type_unicast, 0)
        body += _attribute(_RTA_GATEWAY, address.packed)
        body += _attribute(_RTA_OIF, struct.pack("=i", self._index_of(device)))
        body += _attribute(_RTA_PRIORITY, struct.pack("=I", metric))
        self._request(kind, flags, body, f"default route by {gateway}")

    def _index_of(self, device):
        if device not in self._index:
            self._index[device] = in_namespace(self._namespace,
                                               lambda: socket.if_nametoindex(device))
        return self._index[device]

    def _request(self, kind, flags, body, what):
        self._sequence += 1
        header = struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST | _ACK,
                             self._sequence, 0)
        self._socket.send(header + body)
        while True:
            answer = self._socket.recv(65536)
            _, answer_kind, _, sequence, _ = struct.unpack_from("=IHHII", answer)
            if sequence == self._sequence and answer_kind == 2:  # NLMSG_ERROR, also of success
                break
        error = -struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(error, f"{what}: {os.strerror(error)}")


class LinkWatch:
    """Says when a device of a namespace can carry packets. The kernel lets a queue run only some
    time after the carrier is there; what is sent before is lost."""

    _RTMGRP_LINK = 1
    _IFF_RUNNING = 0x40

    def __init__(self, namespace, device):
        self._socket = in_namespace(
            namespace,
            lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))
        self._socket.bind((0, self._RTMGRP_LINK))
        self._index = in_namespace(namespace, lambda: socket.if_nametoindex(device))
        self._device = device

    def close(self):
        self._socket.close()

    def forget(self):
        """What was said until now does not count."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(65536)
        except BlockingIOError:
            pass

    def wait_until_running(self, patience=5.0):
        deadline = time.monotonic() + patience
        while True:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                messages = self._socket.recv(65536)
            except TimeoutError:
                raise OSError(f"{self._device} does not come up within {patience} s") from None
            while len(messages) >= 32:
                length, kind = struct.unpack_from("=IH", messages)
                _, _, index, flags = struct.unpack_from("=BxHiI", messages, 16)
                if kind == _RTM_NEWLINK and index == self._index and flags & self._IFF_RUNNING:
                    return
                messages = messages[(length + 3) & ~3:]


def _attribute(kind, value):
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(padding)
