"""Reads what tcpdump recorded on the router and says what an onlooker there could see: which
kinds of packets, how large, and whether anything between the hosts was readable.
"""
import collections
import mmap
import socket
import struct

ICMP, IPIP, TCP, UDP, IPV6_IN_IP, ESP = 1, 4, 6, 17, 41, 50
IKE, NAT_TRAVERSAL = 500, 4500
PROTECTED = ("esp", "ike", "esp in udp", "keepalive")

# One packet: seconds since the epoch, source and destination of the outermost header, kind
# ("esp", "ike", "tcp", ..., with "tunnelled " in front if it came in IP-in-IP; a later fragment is
# of the kind of its first one), its IP length, and of ESP the SPI and the sequence number.
Seen = collections.namedtuple("Seen", "at source destination kind length esp", defaults=(None,))


class Capture:
    """The packets of one file, oldest first."""

    def __init__(self, path):
        self.packets = []
        self.frames = 0
        self._fragmented = {}  # what is the same in all fragments of a datagram -> its kind
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            if size < 24:
                raise ValueError(f"{path}: not a capture")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic = struct.unpack_from("<I", self._bytes)[0]
        if magic not in (0xa1b2c3d4, 0xa1b23c4d):
            raise ValueError(f"{path}: not a capture of this machine's byte order")
        self._unit = 1e-9 if magic == 0xa1b23c4d else 1e-6
        self._read(size)

    def close(self):
        self._bytes.close()

    def _read(self, size):
        at, view = 24, memoryview(self._bytes)
        header = struct.Struct("<IIII")
        try:
            while at + 16 <= size:
                seconds, fraction, kept, length = header.unpack_from(view, at)
                at += 16
                if at + kept > size:
                    break  # tcpdump was stopped within a record
                self.frames += 1
                packet = self._packet_of(view[at:at + kept])
                if packet:
                    self.packets.append(Seen(seconds + fraction * self._unit, *packet))
                at += kept
        finally:
            view.release()

    def _packet_of(self, frame):
        """What a Seen has after its time, or nothing for what is not IPv4 or IPv6."""
        if len(frame) < 34:
            return None
        ethertype = frame[12] << 8 | frame[13]
        if ethertype == 0x0800:
            return self._ipv4(frame[14:])
        if ethertype == 0x86dd and len(frame) >= 54:
            return _ipv6(frame[14:])
        return None

    def _ipv4(self, packet):
        source, destination, kind, length, esp = _ipv4(packet)
        more, offset = packet[6] & 0x20, (packet[6] & 31) << 8 | packet[7]
        if more or offset:
            datagram = bytes(packet[4:6]) + bytes(packet[9:10]) + bytes(packet[12:20])
            if not offset:
                self._fragmented[datagram] = kind
            else:  # nobody can say what it is unless its first fragment was seen
                kind = self._fragmented.get(datagram, "fragment")
        return source, destination, kind, length, esp

    def count(self, marker):
        """How often these bytes occur anywhere in the file."""
        found, at = 0, self._bytes.find(marker)
        while at >= 0:
            found, at = found + 1, self._bytes.find(marker, at + 1)
        return found

    def clear_text_bytes(self, hosts):
        """Bytes of IP packets between these addresses that were neither ESP nor IKE, nor RFC 3948's."""
        return sum(packet.length for packet in self.packets
                   if packet.source in hosts and packet.destination in hosts and
                   packet.kind.removeprefix("tunnelled ") not in PROTECTED)

    def by_kind(self):
        """kind -> (packets, bytes)"""
        kinds = collections.defaultdict(lambda: [0, 0])
        for packet in self.packets:
            kinds[packet.kind][0] += 1
            kinds[packet.kind][1] += packet.length
        return {kind: tuple(counts) for kind, counts in sorted(kinds.items())}

    def sent_by(self, source, kinds, begin, end):
        """(packets, bytes) of these kinds that `source` sent in that time."""
        lengths = [packet.length for packet in self.packets
                   if packet.source == source and packet.kind in kinds and
                   begin <= packet.at < end]
        return len(lengths), sum(lengths)

    def associations(self, sources):
        """SPI -> (packets, how many had a sequence number that was not above all before) of the
        ESP that one host has sent from any of these addresses."""
        found, highest = collections.defaultdict(lambda: [0, 0]), {}
        for packet in self.packets:
            if packet.esp is None or packet.source not in sources:
                continue
            spi, sequence = packet.esp
            found[spi][0] += 1
            if sequence <= highest.get(spi, 0):
                found[spi][1] += 1
            highest[spi] = max(sequence, highest.get(spi, 0))
        return {spi: tuple(counts) for spi, counts in found.items()}

    def full_size(self, source, kinds, begin, end):
        """The length of a full-size segment: what most of the large packets of `source` have."""
        lengths = collections.Counter(
            packet.length for packet in self.packets
            if packet.source == source and packet.kind in kinds and begin <= packet.at < end and
            packet.length > 1000)
        return lengths.most_common(1)[0][0] if lengths else None


def _ipv4(packet):
    header = (packet[0] & 15) * 4
    length = packet[2] << 8 | packet[3]
    source = f"{packet[12]}.{packet[13]}.{packet[14]}.{packet[15]}"
    destination = f"{packet[16]}.{packet[17]}.{packet[18]}.{packet[19]}"
    later_fragment = (packet[6] & 31) << 8 | packet[7]
    kind, esp = ("fragment", None) if later_fragment else _kind(packet[9], packet[header:])
    return source, destination, kind, length, esp


def _ipv6(packet):
    source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
    destination = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    kind, esp = _kind(packet[6], packet[40:])
    return source, destination, kind, 40 + (packet[4] << 8 | packet[5]), esp


def _esp_numbers(body):
    return tuple(struct.unpack_from(">II", body)) if len(body) >= 8 else None


def _kind(protocol, body):
    """(kind, (SPI, sequence number) of ESP)"""
    if protocol == ESP:
        return "esp", _esp_numbers(body)
    if protocol == TCP:
        return "tcp", None
    if protocol == UDP and len(body) >= 8:
        return _udp_kind(body)
    if protocol == IPIP and len(body) >= 20:
        _, _, kind, _, esp = _ipv4(body)
        return "tunnelled " + kind, esp
    if protocol == IPV6_IN_IP and len(body) >= 40:
        kind, esp = _kind(body[6], body[40:])
        return "tunnelled " + kind, esp
    if protocol in (ICMP, 58):
        return "icmp", None
    return f"protocol {protocol}", None


def _udp_kind(body):
    ports = (body[0] << 8 | body[1], body[2] << 8 | body[3])
    if NAT_TRAVERSAL in ports:  # the other one may be a NAT's
        payload = body[8:body[4] << 8 | body[5]]
        if payload == b"\xff":
            return "keepalive", None
        return ("ike", None) if payload[:4] == bytes(4) else ("esp in udp", _esp_numbers(payload))
    return ("ike" if IKE in ports else "udp"), None  # a NAT may have changed the other
