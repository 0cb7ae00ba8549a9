#!/usr/bin/env python3
"""Write a synthetic capture for the lynccap benchmarks.

    generate.py KIND SIZE_MIB OUT.pcap [--seed N]

The output is a classic pcap (microseconds, Ethernet, IPv4) of about SIZE_MIB
MiB, the same bytes for the same arguments (but for the TLS kinds, whose keys
are new each time).  IP, TCP and UDP lengths and all
sequence and acknowledgement numbers are right; checksums are 0, as they are
seen with checksum offloading.  Memory use does not grow with the size.

  mixed             About a million packets per GiB.  99 % is other traffic:
                    TCP 443, media-like UDP on high ports, QUIC-like UDP 443.
                    Scattered in it are DNS lookups (A, AAAA, SRV, some
                    NXDOMAIN) and the SIP logins described below.
  sip               Only the logins, many connections interleaved.
  sip-tls12         The same inside TLS to port 5061: TLS 1.2, AES-256-GCM. The
                    key log is OUT.keys (OUT without .pcap). Needs the program openssl.
  sip-tls13         The same inside TLS 1.3.
  hostile-halfopen  SYNs to port 5061, each from another address, no answers:
                    15625 for each MiB asked for, a million per 64.
  hostile-ooo       One connection to port 5060, every second segment missing
                    and never sent again.
  hostile-frags     First fragments of IPv4 datagrams, small and full-size in
                    turn, each of another datagram; no other fragments.

A login is one plain TCP connection to port 5060: REGISTER 401, 401, 200 with
NTLM headers, SERVICE 403, SUBSCRIBE 200 with 16 KB bodies, BENOTIFY without
answers, CRLFCRLF keep-alives, and REGISTER with Expires 0.  Messages are sent
in bursts that are cut into segments without regard to message borders.

One line of JSON on standard output says what was written.  "sip_messages" is
the number of whole messages; keep-alives are counted apart.
"""
import argparse
import base64
import functools
import itertools
import json
import os
import random
import ssl
import struct
import subprocess
import sys
import tempfile

MIB = 1 << 20
MSS = 1460
EPOCH = 1_700_000_000
REC = struct.Struct("<IIII")                # pcap record header
TCP = struct.Struct(">16sH20sIIBBHHH")      # Ethernet, IPv4 and TCP headers
UDP = struct.Struct(">16sH8sIIHHHH")        # Ethernet, IPv4 and UDP headers
L2 = bytes.fromhex("020000000002" "020000000001" "0800" "4500")
FIN, SYN, PSH, ACK = 1, 2, 8, 16
CLIENT, SERVER = 0, 1
DNS_SERVER, POOL, WEB = 0x0AFE0035, 0x0AFE0A0A, 0xCB007100


def ip_rest(proto, flags=0x4000, ident=0):
    """The IPv4 header from the identification to the (zero) checksum."""
    return struct.pack(">HHBBH", ident, flags, 64, proto, 0)


def udp(src, sport, dst, dport, data):
    size = len(data) + 8
    return UDP.pack(L2, size + 20, ip_rest(17), src, dst, sport, dport, size, 0) + data


class Stream:
    """One TCP connection; both ends have seen all that was sent before."""

    def __init__(self, rng, client, cport, server, sport):
        rest = ip_rest(6)
        self.mid = (rest + struct.pack(">IIHH", client, server, cport, sport),
                    rest + struct.pack(">IIHH", server, client, sport, cport))
        self.seq = [rng.getrandbits(32), rng.getrandbits(32)]

    def seg(self, side, flags, data=b"", options=b""):
        seq, ack = self.seq[side], self.seq[1 - side]
        size = len(data) + (1 if flags & (SYN | FIN) else 0)
        self.seq[side] = (seq + size) & 0xFFFFFFFF
        tail = options + data
        return TCP.pack(L2, 40 + len(tail), self.mid[side], seq, ack if flags & ACK else 0,
                        80 + 4 * len(options), flags, 64240, 0, 0) + tail

    def open(self):
        mss = struct.pack(">BBH", 2, 4, MSS)
        yield self.seg(CLIENT, SYN, options=mss)
        yield self.seg(SERVER, SYN | ACK, options=mss)
        yield self.seg(CLIENT, ACK)

    def close(self):
        yield self.seg(CLIENT, FIN | ACK)
        yield self.seg(SERVER, FIN | ACK)
        yield self.seg(CLIENT, ACK)

    def send(self, side, data, first=MSS):
        """Segments of data, the first of at most `first` bytes, and the ACKs."""
        at, end, unacked = 0, min(first, MSS), 0
        while at < len(data):
            last = end >= len(data)
            yield self.seg(side, ACK | PSH if last else ACK, data[at:end])
            at, end, unacked = end, end + MSS, unacked + 1
            if unacked == 2:
                yield self.seg(1 - side, ACK)
                unacked = 0


# --- DNS -------------------------------------------------------------------

NAMES = [("_sipinternaltls._tcp.ex.test", 33), ("_sip._tls.ex.test", 33),
         ("lyncdiscoverinternal.ex.test", 1), ("lyncdiscover.ex.test", 1),
         ("pool.ex.test", 1), ("sip.ex.test", 28)]
NAMES += [(f"{host}{i}.shop{i % 7}.test", 1) for i in range(20) for host in ("www", "cdn", "mail")]


def dns_name(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"


def lookup(rng, client, name, kind):
    """A DNS question and its answer."""
    port, ident = 49152 + rng.getrandbits(14), rng.getrandbits(16)
    question = dns_name(name) + struct.pack(">HH", kind, 1)
    answers, rcode = [], 0
    if kind == 1:
        answers = [struct.pack(">I", 0x0AFE0A00 + i) for i in range(10, 10 + rng.choice((1, 1, 2)))]
    elif kind == 33 and name.startswith("_sipinternaltls"):
        answers = [struct.pack(">HHH", 0, 0, 5061) + dns_name("pool.ex.test")]
    elif kind == 33:
        rcode = 3
    rrs = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 600, len(a)) + a for a in answers)
    head = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0)
    yield udp(client, port, DNS_SERVER, 53, head + question)
    head = struct.pack(">HHHHHH", ident, 0x8180 | rcode, 1, len(answers), 0, 0)
    yield udp(DNS_SERVER, 53, client, port, head + question + rrs)


# --- SIP -------------------------------------------------------------------

def xml(root, item, size):
    """A well-formed body of about `size` bytes."""
    rows = (f'<{item} id="{i}" uri="sip:user{i}@ex.test" name="User Number {i}" groups="1 {i % 9}" '
            f'subscribed="true" externalURI="" />\r\n' for i in itertools.count(1000))
    body = f'<{root} xmlns="http://schemas.ex.test/2006/09/sip/{root}" deltaNum="12">\r\n'
    while len(body) < size:
        body += next(rows)
    return (body + f"</{root}>\r\n").encode()


BODIES = [("vnd-microsoft-roaming-contacts", xml("contactList", "contact", 16000)),
          ("vnd-microsoft-provisioning-v2", xml("provisionGroupList", "provisionGroup", 16400)),
          ("vnd-microsoft-roaming-self", xml("roamingData", "category", 15600))]
NOTES = [xml("categories", "category", size) for size in (400, 700, 900, 1600)]
SERVICE = xml("getLocations", "location", 300)
REALM = 'NTLM realm="SIP Communications Service", targetname="pool.ex.test", version=4'


NTLM_FLAGS, NTLM_VERSION = struct.pack("<I", 0xE2898235), bytes.fromhex("0601b11d0000000f")


def ntlm(kind, *parts):
    """A well-formed NTLMSSP message: text parts by reference, bytes in place."""
    head, blobs = b"NTLMSSP\0" + struct.pack("<I", kind), b""
    start = len(head) + sum(8 if isinstance(part, str) else len(part) for part in parts)
    for part in parts:
        if isinstance(part, str):
            blob = part.encode("utf-16-le")
            part = struct.pack("<HHI", len(blob), len(blob), start + len(blobs))
            blobs += blob
        head += part
    return base64.b64encode(head + blobs).decode()


CHALLENGE = ntlm(2, "EX", NTLM_FLAGS + bytes(range(8)) + bytes(8), "\2\4EX\0\0", NTLM_VERSION)


def login_bursts(rng, number, client, port, count):
    """The bytes of one login as (side, bytes) bursts."""
    user = f"user{number % 4000}"
    uri, epid, tag = f"sip:{user}@ex.test", f"{rng.getrandbits(40):010x}", f"{rng.getrandbits(40):010x}"
    host = ".".join(map(str, client.to_bytes(4, "big")))
    opaque = f"{rng.getrandbits(32):08X}"
    state = {"cseq": 0, "snum": 0}

    def build(start, call, cseq, method, extra, ctype="", body=b""):
        count["sip_messages"] += 1
        lines = [start, f"Via: SIP/2.0/TCP {host}:{port};branch=z9hG4bK{cseq:04X}{call[:12]}",
                 f'From: "{user}"<{uri}>;tag={tag};epid={epid}',
                 f"To: <{uri}>" + f";tag={call[:10]}" * start.startswith("SIP/"),
                 f"Call-ID: {call}", f"CSeq: {cseq} {method}", *extra]
        if body:
            lines.append(f"Content-Type: application/{ctype}+xml")
        return ("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body

    def request(method, call, extra, ctype="", body=b""):
        state["cseq"] += 1
        return build(f"{method} {uri} SIP/2.0", call, state["cseq"], method, [
            "Max-Forwards: 70",
            f"Contact: <sip:{host}:{port};transport=tcp;ms-opaque={opaque}>;proxy=replace;"
            'methods="INVITE, MESSAGE, INFO, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY"',
            "User-Agent: UCCAPI/16.0.4266.1001 OC/16.0.4266.1001 (Skype for Business)",
            "Supported: gruu-10, adhoclist, msrtc-event-categories, ms-forking, ms-cluster-failover",
            "ms-keep-alive: UAC;hop-hop=yes", *extra], ctype, body)

    def reply(status, method, call, extra, ctype="", body=b"", cseq=None):
        return build(f"SIP/2.0 {status}", call, cseq or state["cseq"], method,
                     ["Server: RTC/6.0", "ms-user-logon-data: RemoteUser", *extra], ctype, body)

    def signed(side):
        state["snum"] += 1
        kind = ("Proxy-Authorization", "crand", "cnum", "response") if side == CLIENT else \
               ("Proxy-Authentication-Info", "srand", "snum", "rspauth")
        return (f'{kind[0]}: NTLM qop="auth", opaque="{opaque}", {kind[1]}="{rng.getrandbits(32):08x}", '
                f'{kind[2]}="{state["snum"]}", {kind[3]}="0100000{rng.getrandbits(100):025x}", '
                'realm="SIP Communications Service", targetname="pool.ex.test", version=4')

    def call_id():
        return f"{rng.getrandbits(128):032x}"

    reg = call_id()
    event = "Event: registration"
    auth = f'Authorization: {REALM}, qop="auth", opaque="{opaque}", gssapi-data='
    yield CLIENT, request("REGISTER", reg, [event])
    yield SERVER, reply("401 Unauthorized", "REGISTER", reg, [
        "WWW-Authenticate: " + REALM.replace("NTLM", "Kerberos").replace("pool.", "sip/pool."),
        "WWW-Authenticate: " + REALM])
    yield CLIENT, request("REGISTER", reg, [event, auth + '""'])
    yield SERVER, reply("401 Unauthorized", "REGISTER", reg, [
        f'WWW-Authenticate: {REALM}, opaque="{opaque}", gssapi-data="{CHALLENGE}"'])
    answer = ntlm(3, 12 * "l", 12 * "n", "EX", user, "PC-" + user, "", NTLM_FLAGS + NTLM_VERSION)
    yield CLIENT, request("REGISTER", reg, [event, auth + f'"{answer}"'])
    yield SERVER, reply("200 OK", "REGISTER", reg, [
        signed(SERVER), "Expires: 7200", "ms-keep-alive: UAS; tcp=no; hop-hop=yes; timeout=300",
        "Allow-Events: vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,presence"])

    calls = [call_id() for _ in range(4)]   # SERVICE and three SUBSCRIBEs in one burst
    out = [request("SERVICE", calls[0], [signed(CLIENT)], "msrtc-getLocations", SERVICE)]
    back = [reply("403 Forbidden", "SERVICE", calls[0], [
        signed(SERVER), 'ms-diagnostics: 2044;reason="Operation forbidden";source="fe1.ex.test"'])]
    for call, (ctype, body) in zip(calls[1:], BODIES):
        event = [f"Event: {ctype}", f"Accept: application/{ctype}+xml"]
        out.append(request("SUBSCRIBE", call, [*event, "Supported: ms-benotify, ms-piggyback-first-notify",
                                               signed(CLIENT)]))
        back.append(reply("200 OK", "SUBSCRIBE", call, [signed(SERVER), event[0], "Expires: 28800"],
                          ctype, body))
    yield CLIENT, b"".join(out)
    yield SERVER, b"".join(back)

    sub, notes = call_id(), 0
    for turn in range(rng.randrange(4, 9)):
        ping = b"" if turn % 3 else b"\r\n\r\n"
        count["keepalives"] += bool(ping)
        if turn % 2:                        # turn 3: request and keep-alive in one segment
            yield CLIENT, request("SUBSCRIBE", sub, ["Event: presence", signed(CLIENT)],
                                  "msrtc-adrl-categorylist", SERVICE) + ping
            yield SERVER, reply("200 OK", "SUBSCRIBE", sub, [signed(SERVER), "Event: presence"])
        elif ping:
            yield CLIENT, ping
        burst = b""
        for _ in range(rng.randrange(1, 7)):
            notes += 1
            burst += build(f"BENOTIFY sip:{host}:{port};transport=tcp SIP/2.0", sub, notes, "BENOTIFY", [
                "Max-Forwards: 69", signed(SERVER), "Event: presence",
                "subscription-state: active;expires=28800"], "msrtc-event-categories", rng.choice(NOTES))
        yield SERVER, burst
    yield CLIENT, request("REGISTER", reg, ["Expires: 0", signed(CLIENT)])
    yield SERVER, reply("200 OK", "REGISTER", reg, [signed(SERVER), "Expires: 0"])


# --- Flows: each returns (packets, bytes, generator of frames), the first two about right ------

def endpoint(number):
    """A client address and port that no other flow has."""
    return 0x0A000001 + number % 2500, 49152 + number // 2500 % 16384


def login(rng, number, count, with_dns=True):
    client, port = endpoint(number)
    bursts = list(login_bursts(rng, number, client, port, count))
    count["logins"] += 1

    def frames():
        if with_dns:
            for name, kind in NAMES[:5]:
                yield from lookup(rng, client, name, kind)
        stream = Stream(rng, client, port, POOL + rng.getrandbits(2), 5060)
        yield from stream.open()
        for side, data in bursts:
            yield from stream.send(side, data, rng.randrange(100, MSS) if rng.random() < 0.2 else MSS)
        yield from stream.close()

    count["dns_messages"] += 10 * with_dns
    count["flows"] += 1 + 5 * with_dns
    size = sum(len(data) for _, data in bursts)
    packets = size // MSS * 3 // 2 + 6 + 5 * len(bursts) // 4 + 10 * with_dns
    return packets, size + 70 * packets, frames()


def tls_contexts(kind, keylog):
    """What both ends of all connections share."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    version = ssl.TLSVersion.TLSv1_2 if kind == "sip-tls12" else ssl.TLSVersion.TLSv1_3
    for context in client, server:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    if os.path.exists(keylog):
        os.unlink(keylog)                   # it would be appended to
    client.keylog_filename = keylog
    with tempfile.TemporaryDirectory() as folder:
        key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "3650", "-subj", "/CN=pool.ex.test"],
                       check=True, capture_output=True)
        server.load_cert_chain(cert, key)
    return client, server


def tls_bursts(contexts, bursts):
    """The bytes of a connection that carries these bursts in TLS, both ends of which are in this process."""
    ins, outs = [ssl.MemoryBIO(), ssl.MemoryBIO()], [ssl.MemoryBIO(), ssl.MemoryBIO()]
    ends = [context.wrap_bio(ins[side], outs[side], server_side=side == SERVER, server_hostname=name)
            for side, (context, name) in enumerate(zip(contexts, ("pool.ex.test", None)))]

    def moved(side):
        data = outs[side].read()
        if data:
            ins[1 - side].write(data)
            yield side, data

    def attempt(action, *args):
        try:
            return action(*args) or True
        except ssl.SSLWantReadError:
            return False

    done = [False, False]
    while not all(done):
        for side in CLIENT, SERVER:
            done[side] = done[side] or attempt(ends[side].do_handshake)
            yield from moved(side)
    for side, data in bursts:
        ends[side].write(data)
        yield from moved(side)
        while attempt(ends[1 - side].read, 65536):
            pass
    for side in CLIENT, SERVER:
        attempt(ends[side].unwrap)
        yield from moved(side)


def tls_login(contexts):
    def flow(rng, number, count):
        client, port = endpoint(number)
        bursts = list(login_bursts(rng, number, client, port, count))
        count["logins"] += 1
        count["flows"] += 1

        def frames():
            stream = Stream(rng, client, port, POOL + rng.getrandbits(2), 5061)
            yield from stream.open()
            for side, data in tls_bursts(contexts, bursts):
                yield from stream.send(side, data)
            yield from stream.close()

        size = sum(len(data) + 40 for _, data in bursts) + 2000
        packets = size // MSS * 3 // 2 + 12 + 5 * len(bursts) // 4
        return packets, size + 70 * packets, frames()
    return flow


def dns(rng, number, count):
    count["dns_messages"] += 2
    count["flows"] += 1
    return 2, 220, lookup(rng, endpoint(number)[0], *rng.choice(NAMES))


NOISE = random.Random(443).randbytes(256 * MSS)
RECORDS = [b"\x17\x03\x03\x05\xaf" + NOISE[i * MSS:][:MSS - 5] for i in range(256)]


def https(rng, number, count):
    """TLS-like: one record to a segment, two segments to an ACK."""
    pairs = int(rng.triangular(5, 300, 40))
    sender = CLIENT if rng.random() < 0.2 else SERVER

    def frames():
        stream = Stream(rng, *endpoint(number), WEB + rng.getrandbits(8), 443)
        yield from stream.open()
        yield from stream.send(CLIENT, b"\x16\x03\x01\x02\x00" + RECORDS[number % 256][5:517])
        for i in range(pairs):
            yield stream.seg(sender, ACK, RECORDS[(number + i) % 256])
            yield stream.seg(sender, ACK | PSH, RECORDS[(number + 3 * i) % 256])
            yield stream.seg(1 - sender, ACK)
        yield from stream.close()

    count["flows"] += 1
    return 7 + 3 * pairs, 1000 + pairs * 3130, frames()


def datagrams(port, first, sizes):
    """A maker of UDP flows: their port (0: some high one), first byte and sizes of payload."""
    def flow(rng, number, count):
        client, cport = endpoint(number)
        server, sport = WEB + rng.getrandbits(8), port or 50000 + rng.randrange(0, 9998, 2)
        total, noise = rng.randrange(50, 600), rng.randbytes(rng.choice(sizes) - 4)

        def frames():
            for i in range(total):
                data = struct.pack(">BBH", first, 111, i) + noise
                yield udp(client, cport, server, sport, data) if i % 3 else udp(server, sport, client, cport, data)

        count["flows"] += 1
        return total, total * (len(noise) + 62), frames()
    return flow


MIXED = {login: 0.007, dns: 0.003, https: 0.70, datagrams(0, 0x80, (172, 1050, 1180)): 0.20,
         datagrams(443, 0x40, (1200, 1252)): 0.09}      # shares of packets
SIP = {functools.partial(login, with_dns=False): 1.0}


def interleave(out, rng, target, shares, slots, count):
    """Write flows of these shares, `slots` of them at a time, until about `target` bytes."""
    started, active, batch = dict.fromkeys(shares, 0), [], []
    planned, number, usec = 0, 0, 0
    while True:
        while len(active) < slots and planned < target:
            kind = min(shares, key=lambda k: started[k] / shares[k])
            packets, size, frames = kind(rng, number, count)
            started[kind] += packets
            planned += size
            number += 1
            active.append(frames)
        if not active:
            break
        at = int(rng.random() * len(active))
        frame = next(active[at], None)
        if frame is None:
            active[at] = active[-1]
            active.pop()
            continue
        usec += 20 + rng.getrandbits(7)
        count["packets"] += 1
        batch += REC.pack(EPOCH + usec // 1000000, usec % 1000000, len(frame), len(frame)), frame
        if len(batch) >= 2000:
            out.write(b"".join(batch))
            batch.clear()
    out.write(b"".join(batch))


# --- Hostile inputs: a block of equal records, some of their fields patched --------------------

def record(frame):
    return REC.pack(0, 0, len(frame), len(frame)) + frame


def blocks(out, template, number, step_usec, fields, count):
    """`number` copies of template; fields: (offset, struct code, value of the n-th copy)."""
    fields = [(0, "<I", lambda n: EPOCH + n * step_usec // 1000000),
              (4, "<I", lambda n: n * step_usec % 1000000), *fields]
    size = len(template)
    for begin in range(0, number, 4096):
        part = range(begin, min(number, begin + 4096))
        data = bytearray(template * len(part))
        for offset, code, value in fields:
            column = struct.pack(f"{code[0]}{len(part)}{code[1]}", *map(value, part))
            width = struct.calcsize(code)
            for i in range(width):
                data[offset + i::size] = column[i::width]
        out.write(data)
    count["packets"] += number


def halfopen(out, rng, size_mib, count):
    syn = Stream(rng, 0, 0, POOL, 5061).seg(CLIENT, SYN, options=b"\2\4\5\xb4")
    number = 15625 * size_mib
    blocks(out, record(syn), number, 15, [
        (16 + 26, ">I", lambda n: 0x0B000001 + n), (16 + 34, ">H", lambda n: 1024 + n * 7919 % 64000),
        (16 + 38, ">I", lambda n: n * 2654435761 & 0xFFFFFFFF)], count)
    count["flows"] = number


def ooo(out, rng, size_mib, count):
    stream = Stream(rng, 0x0A000001, 50000, POOL, 5060)
    for frame in stream.open():
        out.write(REC.pack(EPOCH - 1, 0, len(frame), len(frame)) + frame)
        count["packets"] += 1
    head = (b"MESSAGE sip:user1@ex.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1:50000\r\n"
            b"From: <sip:user1@ex.test>;tag=1\r\nTo: <sip:user1@ex.test>\r\nCall-ID: 1\r\n"
            b"CSeq: 1 MESSAGE\r\nContent-Length: 1200\r\n\r\n")
    first = stream.seq[CLIENT]
    data = stream.seg(CLIENT, ACK | PSH, head + bytes(MSS - len(head)).replace(b"\0", b"x"))
    number = size_mib * MIB // (16 + len(data))
    blocks(out, record(data), number, 100, [
        (16 + 38, ">I", lambda n: first + 2 * MSS * n & 0xFFFFFFFF)], count)
    count["flows"] = 1


def frags(out, rng, size_mib, count):
    both = b""
    for size in (64, 1480):                 # two records, patched as one
        frame = udp(0, 5060, POOL, 5060, rng.randbytes(size - 8))
        both += record(frame[:20] + b"\x20\0" + frame[22:])
    second = 16 + 34 + 64
    number = size_mib * MIB // len(both)
    blocks(out, both, number, 30, [
        (16 + 18, ">H", lambda n: n & 0xFFFF), (16 + 26, ">I", lambda n: 0x0B000001 + n // 256),
        (second, "<I", lambda n: EPOCH + n * 30 // 1000000), (second + 4, "<I", lambda n: n * 30 % 1000000),
        (second + 16 + 18, ">H", lambda n: n & 0xFFFF), (second + 16 + 26, ">I", lambda n: 0x0C000001 + n // 256)],
        count)
    count["packets"] += number
    count["flows"] = 2 * number


HOSTILE = {"hostile-halfopen": halfopen, "hostile-ooo": ooo, "hostile-frags": frags}


def main():
    parser = argparse.ArgumentParser(description="Write a synthetic capture for the lynccap benchmarks.")
    parser.add_argument("kind", choices=["mixed", "sip", "sip-tls12", "sip-tls13", *HOSTILE])
    parser.add_argument("size_mib", type=int)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    count = dict.fromkeys(["packets", "bytes", "sip_messages", "keepalives", "dns_messages", "flows", "logins"], 0)
    with open(args.out, "wb", buffering=MIB) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        if args.kind in HOSTILE:
            HOSTILE[args.kind](out, rng, args.size_mib, count)
        else:
            shares = {"mixed": MIXED, "sip": SIP}.get(args.kind)
            shares = shares or {tls_login(tls_contexts(args.kind, args.out.removesuffix(".pcap") + ".keys")): 1.0}
            interleave(out, rng, args.size_mib * MIB, shares,
                       400 if args.kind == "mixed" else 200, count)
        count["bytes"] = out.tell()
    json.dump({"kind": args.kind, "seed": args.seed, **count}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
