"""Packets, TCP connections and the pcapng file."""

import hashlib
import ipaddress
import struct
from datetime import timedelta

from .common import ALERTS, MS, MSS, Mistake, SECOND, START


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(address):
    return b"\x02\x15" + hashlib.sha256(str(address).encode()).digest()[:4]


class Recorder:
    """The packets, their times, and the pcapng file."""

    def __init__(self, rng):
        self.now, self.packets, self.rng, self.secrets = 0, [], rng, []
        self.only, self.clients, self.number = None, set(), {}
        self.idle = lambda: None

    def when(self):
        return START + timedelta(microseconds=self.now // 1000)

    def pass_time(self, nanoseconds):
        if nanoseconds >= 40 * MS:
            self.idle()
        self.now += nanoseconds

    def ip(self, source, target, protocol, payload, ttl=128, lost=False):
        self.now += MS // 10
        source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
        if lost or (self.only and (self.only == ">") != (str(source) in self.clients)):
            return
        if source.version == 4:
            self.number[source] = number = self.number.get(source, self.rng.getrandbits(15)) + 1
            head = (
                struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, 0x4000, ttl, protocol, 0)
                + source.packed
                + target.packed
            )
            head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        else:
            head = struct.pack(">IHBB", 0x60000000, len(payload), protocol, ttl) + source.packed + target.packed
        kind = 0x0800 if source.version == 4 else 0x86DD
        self.packets.append((self.now, mac(target) + mac(source) + struct.pack(">H", kind) + head + payload))

    @staticmethod
    def pseudo(source, target, protocol, size):
        source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
        form = ">BBH" if source.version == 4 else ">IHBB"
        values = (0, protocol, size) if source.version == 4 else (size, 0, 0, protocol)
        return source.packed + target.packed + struct.pack(form, *values)

    def udp(self, source, source_port, target, target_port, data, lost=False):
        head = struct.pack(">HHHH", source_port, target_port, 8 + len(data), 0)
        check = checksum(self.pseudo(source, target, 17, 8 + len(data)) + head + data) or 0xFFFF
        self.ip(source, target, 17, head[:6] + struct.pack(">H", check) + data, lost=lost)

    def write(self, path):
        def block(kind, body):
            body += b"\0" * (-len(body) % 4)
            return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

        out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        out += block(1, struct.pack("<HHI", 1, 0, 262144) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0))
        if self.secrets:
            log = "".join(line + "\n" for line in self.secrets).encode()
            out += block(10, struct.pack("<II", 0x544C534B, len(log)) + log)
        begin = int(START.timestamp()) * SECOND
        for now, packet in self.packets:
            time = begin + now
            out += block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(packet), len(packet)) + packet)
        path.write_bytes(out)


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Connection:
    """One TCP connection, its TLS, and what SIP on it must remember."""

    def __init__(self, record, client, server, port):
        self.record, self.client, self.server = record, client, server
        self.addresses = {">": (client.ip, client.next_port()), "<": (server, port)}
        self.next = {">": record.rng.getrandbits(32), "<": record.rng.getrandbits(32)}
        self.seen = {">": 0, "<": 0}  # what the end of that direction has acknowledged
        self.hidden, self.black, self.open = {">": 0, "<": 0}, False, False
        self.tls = self.compressor = None
        self.garbled = False
        self.requests, self.last, self.options = {}, None, {}
        self.ladder, self.sa = None, None
        self.cid = f"{record.rng.getrandbits(20):X}"
        self.name = None

    @staticmethod
    def other(way):
        return "<" if way == ">" else ">"

    def segment(self, way, flags, data=b"", options=b"", lost=False):
        (source, source_port), (target, target_port) = self.addresses[way], self.addresses[self.other(way)]
        acked = self.next[self.other(way)] if flags & ACK else 0
        self.seen[way] = acked
        options += b"\1" * (-len(options) % 4)
        head = (
            struct.pack(
                ">HHIIBBHHH",
                source_port,
                target_port,
                self.next[way] & 0xFFFFFFFF,
                acked & 0xFFFFFFFF,
                (5 + len(options) // 4) << 4,
                flags,
                64240 if flags & SYN else 1026,
                0,
                0,
            )
            + options
        )
        check = checksum(self.record.pseudo(source, target, 6, len(head) + len(data)) + head + data)
        self.record.ip(source, target, 6, head[:16] + struct.pack(">H", check) + head[18:] + data, lost=lost)

    SYN_OPTIONS = bytes.fromhex("020405b40103030801010402")

    def shake_hands(self):
        self.segment(">", SYN, options=self.SYN_OPTIONS)
        self.next[">"] += 1
        self.segment("<", SYN | ACK, options=self.SYN_OPTIONS)
        self.next["<"] += 1
        self.segment(">", ACK)
        self.open = True

    def send(self, way, data):
        """Bytes of one flight, in segments; the other end acknowledges every second one."""
        if self.black:
            return self.send_in_vain(way, data)
        pieces = [data[at : at + MSS] for at in range(0, len(data), MSS)]
        for number, piece in enumerate(pieces, 1):
            lost = self.hidden[way] > 0
            self.hidden[way] -= lost
            self.segment(way, ACK | (PSH if number == len(pieces) else 0), piece, lost=lost)
            self.next[way] += len(piece)
            if number % 2 == 0 and number < len(pieces):
                self.segment(self.other(way), ACK)

    def send_in_vain(self, way, data):
        for pause in (0, 0.3, 0.6, 1.2, 2.4, 4.8):
            self.record.now += int(pause * SECOND)
            self.segment(way, ACK | PSH, data[:MSS])
        self.record.now += int(9.6 * SECOND)
        self.segment(way, RST | ACK)
        self.open = False

    def acknowledge(self):
        """Acknowledgements that waited for data to go with."""
        for way in "><":
            if self.open and not self.black and self.seen[way] != self.next[self.other(way)]:
                self.segment(way, ACK)

    def say(self, way, data):
        """Application data."""
        if not self.open:
            raise Mistake("the connection is not open")
        if self.garbled:
            data = bytes([0x17]) + self.record.rng.randbytes(len(data) // 2)
        elif self.compressor:
            data = b"".join(self.compressor[way].packet(data[at : at + 4096]) for at in range(0, len(data), 4096))
        self.send(way, self.tls.wrap(way, data) if self.tls else data)

    def finish(self, way):
        if not self.open:
            return
        if self.tls:
            self.send(way, self.tls.close(way))
        for side in (way, self.other(way)):
            self.segment(side, FIN | ACK)
            self.next[side] += 1
        self.segment(way, ACK)
        self.open = False

    def reset(self, way):
        if self.open:
            self.segment(way, RST | ACK)
        self.open = False

    def alert(self, way, name, version=b"\3\3"):
        self.send(way, b"\x15" + version + b"\0\2\2" + bytes([ALERTS[name]]))
