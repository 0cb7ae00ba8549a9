#!/usr/bin/env python3
"""Write a synthetic capture or trace log for the lynccap benchmarks.

    generate.py KIND SIZE OUT [--seed N]

The output is a classic pcap (microseconds, Ethernet, IPv4) of about SIZE
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
  logins            SIZE thousand logins of one day at a server, 16 messages each,
                    17 MiB for a thousand; eight connections are open at once.
  log               A client's trace log (.uccapilog) of nothing but logins.
  log-quiet         The same; 98 % of its lines belong to no message.
  hostile-halfopen  SYNs to port 5061, each from another address, no answers:
                    15625 for each MiB asked for, a million per 64.
  hostile-ooo       One connection to port 5060, every second segment missing
                    and never sent again.
  hostile-frags     First fragments of IPv4 datagrams, small and full-size in
                    turn, each of another datagram; no other fragments.
  hostile-tiny      Two connections to port 5061 that carry TLS records of one
                    byte, one in full segments, one in segments of one byte.
  hostile-reorder   256 connections to port 5060 with a MESSAGE in each segment;
                    the 44 segments of each window come last to first.

A login is one plain TCP connection to port 5060: REGISTER 401, 401, 200 with
NTLM headers, SERVICE 403, SUBSCRIBE 200 with 16 KB bodies, BENOTIFY without
answers, CRLFCRLF keep-alives, and REGISTER with Expires 0.  Messages are sent
in bursts that are cut into segments without regard to message borders.  A login
of "logins" is the same with one SERVICE, two SUBSCRIBEs and small bodies.

One line of JSON on standard output says what was written.  "sip_messages" is
the number of whole messages, null where none is to be expected; keep-alives
are counted apart.
"""
import argparse
import base64
import functools
import itertools
import json
import os
import random
import re
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
SMALL = [("vnd-microsoft-roaming-self", xml("roamingData", "category", 500)),
         ("vnd-microsoft-provisioning-v2", xml("provisionGroupList", "provisionGroup", 900))]
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


def ntlm_answer(user):
    return ntlm(3, 12 * "l", 12 * "n", "EX", user, "PC-" + user, "", NTLM_FLAGS + NTLM_VERSION)


def login_bursts(rng, user, client, port, count, bodies=BODIES, notes_of=None):
    """The bytes of one login as (side, bytes) bursts; notes_of: how many BENOTIFY each burst of them has."""
    notes_of = notes_of or [rng.randrange(1, 7) for _ in range(rng.randrange(4, 9))]
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
    yield CLIENT, request("REGISTER", reg, [event, auth + f'"{ntlm_answer(user)}"'])
    yield SERVER, reply("200 OK", "REGISTER", reg, [
        signed(SERVER), "Expires: 7200", "ms-keep-alive: UAS; tcp=no; hop-hop=yes; timeout=300",
        "Allow-Events: vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,presence"])

    calls = [call_id() for _ in range(1 + len(bodies))]     # SERVICE and the SUBSCRIBEs in one burst
    out = [request("SERVICE", calls[0], [signed(CLIENT)], "msrtc-getLocations", SERVICE)]
    back = [reply("403 Forbidden", "SERVICE", calls[0], [
        signed(SERVER), 'ms-diagnostics: 2044;reason="Operation forbidden";source="fe1.ex.test"'])]
    for call, (ctype, body) in zip(calls[1:], bodies):
        event = [f"Event: {ctype}", f"Accept: application/{ctype}+xml"]
        out.append(request("SUBSCRIBE", call, [*event, "Supported: ms-benotify, ms-piggyback-first-notify",
                                               signed(CLIENT)]))
        back.append(reply("200 OK", "SUBSCRIBE", call, [signed(SERVER), event[0], "Expires: 28800"],
                          ctype, body))
    yield CLIENT, b"".join(out)
    yield SERVER, b"".join(back)

    sub, notes = call_id(), 0
    for turn, number in enumerate(notes_of):
        ping = b"" if turn % 3 else b"\r\n\r\n"
        count["keepalives"] += bool(ping)
        if turn % 2:                        # turn 3: request and keep-alive in one segment
            yield CLIENT, request("SUBSCRIBE", sub, ["Event: presence", signed(CLIENT)],
                                  "msrtc-adrl-categorylist", SERVICE) + ping
            yield SERVER, reply("200 OK", "SUBSCRIBE", sub, [signed(SERVER), "Event: presence"])
        elif ping:
            yield CLIENT, ping
        burst = b""
        for _ in range(number):
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
    bursts = list(login_bursts(rng, f"user{number % 4000}", client, port, count))
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
        bursts = list(login_bursts(rng, f"user{number % 4000}", client, port, count))
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


def blocks(out, template, number, step_usec, fields, count, at_once=4096):
    """`number` copies of template; fields: (offset, struct code, value of the n-th copy)."""
    fields = [(0, "<I", lambda n: EPOCH + n * step_usec // 1000000),
              (4, "<I", lambda n: n * step_usec % 1000000), *fields]
    size = len(template)
    for begin in range(0, number, at_once):
        part = range(begin, min(number, begin + at_once))
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
    count["sip_messages"] = None            # how many are told is for the reader's bounds to say


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


TINY_RECORD = b"\x17\x03\x03\0\1x"


def tiny(out, rng, size_mib, count):
    hello = b"\3\3" + NOISE[:32] + b"\0"
    client = hello + b"\0\4\xc0\x30\xc0\x2c\1\0\0\0"
    server = hello + b"\xc0\x30\0"
    ends = []
    for port in 50000, 50001:
        stream = Stream(rng, 0x0A000001, port, POOL, 5061)
        frames = list(stream.open())
        for side, kind, body in (CLIENT, 1, client), (SERVER, 2, server):
            body = struct.pack(">I", kind << 24 | len(body)) + body
            frames += stream.send(side, b"\x16\3\3" + struct.pack(">H", len(body)) + body)
            frames += stream.send(side, b"\x14\3\3\0\1\1")
        for frame in frames:
            out.write(REC.pack(EPOCH - 1, 0, len(frame), len(frame)) + frame)
        count["packets"] += len(frames)
        ends.append(stream)
    full = TINY_RECORD * (MSS // len(TINY_RECORD))
    firsts = [stream.seq[CLIENT] for stream in ends]
    unit = record(ends[0].seg(CLIENT, ACK | PSH, full))
    places, runs = [(0, len(full), 0)], 24      # (offset, bytes for each copy, bytes before) of each record
    for i in range(runs):                       # as many bytes of capture in segments of one byte
        places.append((len(unit), runs, i))
        unit += record(ends[1].seg(CLIENT, ACK | PSH, TINY_RECORD[i % 6:][:1]))
    number = size_mib * MIB // len(unit)
    fields = []
    for i, (at, each, before) in enumerate(places):
        fields += [(at, "<I", lambda n: EPOCH + n * 500 // 1000000),
                   (at + 4, "<I", lambda n, i=i: (n * 500 + i * 20) % 1000000),
                   (at + 16 + 38, ">I", lambda n, first=firsts[i > 0], each=each, before=before:
                    first + n * each + before & 0xFFFFFFFF)]
    blocks(out, unit, number, 500, fields, count)
    count["packets"] += number * runs
    count["flows"] = 2


def reorder(out, rng, size_mib, count):
    connections, window = 256, 44
    head = (b"MESSAGE sip:user1@ex.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1:50000\r\n"
            b"From: <sip:user1@ex.test>;tag=1\r\nTo: <sip:user2@ex.test>\r\nCall-ID: 00000000\r\n"
            b"CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: ")
    head += b"%d\r\n\r\n" % (MSS - len(head) - 8)
    for i in range(connections):
        stream = Stream(random.Random(0), 0x0A000001, 50000 + i, POOL, 5060)
        for frame in stream.open():
            out.write(REC.pack(EPOCH - 1, 0, len(frame), len(frame)) + frame)
        count["packets"] += 3
    first, call = stream.seq[CLIENT], 16 + 54 + head.index(b"00000000")
    segment = record(stream.seg(CLIENT, ACK | PSH, head.ljust(MSS, b"x")))
    fields, turns = [], size_mib * MIB // (window * len(segment))
    for i in range(window):
        at, place = i * len(segment), window - 1 - i
        fields += [
            (at, "<I", lambda n: EPOCH + n * 1000 // 1000000),
            (at + 4, "<I", lambda n, i=i: (n * 1000 + i * 20) % 1000000),
            (at + 16 + 34, ">H", lambda n: 50000 + n % connections),
            (at + 16 + 38, ">I", lambda n, place=place: first + (n // connections * window + place) * MSS & 0xFFFFFFFF),
            (at + call, ">Q", lambda n, place=place: int.from_bytes(b"%08x" % (n * window + place), "big"))]
    blocks(out, segment * window, turns, 1000, fields, count, 256)
    count["packets"] += turns * (window - 1)
    count["sip_messages"] = turns * window
    count["flows"] = connections


HOSTILE = {"hostile-halfopen": halfopen, "hostile-ooo": ooo, "hostile-frags": frags, "hostile-tiny": tiny,
           "hostile-reorder": reorder}


# --- Logins by the thousand and logs: copies of a template, some of their bytes patched --------

class Template:
    """Bytes to be written many times, and what is put at places of them in the n-th copy."""

    def __init__(self):
        self.data, self.patches = bytearray(), []

    def patch(self, value, places):
        """value(n): what the n-th copy has; places: of each byte of it the offset."""
        self.patches.append((value, places))

    def write(self, out, number):
        size = len(self.data)
        at_once = max(1, min(256, (16 * MIB) // size))
        for begin in range(0, number, at_once):
            part = range(begin, min(number, begin + at_once))
            data = self.data * len(part)
            for value, places in self.patches:
                column = b"".join(map(value, part))
                width = len(column) // len(part)
                for i in range(width):
                    values = column[i::width]
                    for place in places:
                        data[place[i]::size] = values
            out.write(data)


def guest(number):
    """User, address and port of the login with that number, always of the same length."""
    octets = 10, 100 + number // 10000 % 100, 100 + number // 100 % 100, 100 + number % 100
    return f"user{number:06d}", int.from_bytes(octets, "big"), 50000 + number % 10000


def where(address, port):
    return b"%d.%d.%d.%d:%d" % (*address.to_bytes(4, "big"), port)


def mark(number):
    """Eight digits that no other login has, in place of those that identifiers begin with."""
    return b"%08x" % (number * 2654435761 & 0xFFFFFFFF)


def identifiers(text):
    """What the identifiers in a text begin with."""
    return set(re.findall(rb"(?:Call-ID: |tag=|epid=)([0-9a-f]{8})", text))


def find(text, words):
    """Offsets of the bytes of each of the words, which are of one length."""
    return [range(*found.span()) for found in re.finditer(b"|".join(map(re.escape, words)), text)]


def logins(out, rng, thousands, count):
    at_once, lasts, day = 8, 6_900_000, 86_400_000_000
    copies = thousands * 1000 // at_once
    template, once, queues, streams = Template(), dict.fromkeys(count, 0), [], []
    for j in range(at_once):
        user, client, port = guest(j)
        stream = Stream(rng, client, port, POOL, 5060)
        frames = list(stream.open())
        for side, data in login_bursts(rng, user, client, port, once, SMALL, [2]):
            frames += stream.send(side, data)
        queues.append([*frames, *stream.close()][::-1])
        streams.append(([], []))                # of each byte that a side sent: where it stands
    while any(queues):
        j = rng.choice([j for j, queue in enumerate(queues) if queue])
        frame, at = queues[j].pop(), len(template.data)
        side = CLIENT if frame[26:30] == guest(j)[1].to_bytes(4, "big") else SERVER
        template.data += record(frame)
        address, port = at + 16 + (26, 30)[side], at + 16 + (34, 36)[side]
        template.patch(lambda n, j=j: struct.pack(">IH", *guest(at_once * n + j)[1:]),
                       [[*range(address, address + 4), port, port + 1]])
        if not frame[47] & SYN:
            streams[j][side].extend(range(at + 16 + 54, len(template.data)))
        once["packets"] += 1
    at, i, step = 0, 0, day // copies
    while at < len(template.data):
        begin = EPOCH * 1_000_000 + i * lasts // once["packets"]
        template.patch(lambda n, begin=begin: struct.pack("<II", *divmod(begin + n * step, 1_000_000)),
                       [range(at, at + 8)])
        at, i = at + 16 + REC.unpack_from(template.data, at)[2], i + 1
    for j, sides in enumerate(streams):
        user, client, port = guest(j)
        for side in sides:
            text = bytes(template.data[at] for at in side)

            def patch(value, *words):
                places = [[side[at] for at in span] for span in find(text, words)]
                if places:
                    template.patch(lambda n, j=j: value(at_once * n + j), places)

            patch(lambda k: guest(k)[0].encode(), user.encode())
            patch(lambda k: where(*guest(k)[1:]), where(client, port))
            patch(lambda k: ntlm_answer(guest(k)[0]).encode(), ntlm_answer(user).encode())
            patch(mark, *identifiers(text))
    template.write(out, copies)
    for key, value in once.items():
        count[key] += value * copies
    count["logins"] = count["flows"] = copies * at_once


def messages(data):
    """The SIP messages of a burst."""
    while data := data.lstrip(b"\r\n"):
        end = data.index(b"\r\n\r\n") + 4
        end += int(re.search(rb"\r\nContent-Length: (\d+)", data[:end])[1])
        yield data[:end]
        data = data[end:]


QUIET = ["Function: CUccSubscription::OnTimer, subscription=0A3F{0:04X}, state=3",
         "CUccDnsQuery::GetNextTarget - no more targets, hr=0x00000000",
         "SIP_STACK: ASYNC_WORKITEM::ProcessWorkItem this 0x1B{0:04X}40 type 12",
         "OUTGOING_TRANSACTION::OnRequestTimer, timer fired, id={0}",
         "TRANSPORT_LAYER::IsTransportAlive, socket=0x{0:04X}, last activity {0} ms ago, keep-alive not due",
         "[presence] CUserBag::Update: {0} categories, container=200, instance=0, no change",
         "CUccEndpoint::get_Id enter\r\n<endpoint id=\"{0}\" enabled=\"true\" />\r\n  of 1 endpoints",
         "Lync::Contacts::GroupList::Sort - {0} items in 0 ms, no exception"]
RARE = "CUccServerEndpoint::Enable failed, HRESULT=0x80ee0058, attempt {0}"


def log(quiet, out, rng, size_mib, count):
    template, clock, lines, noise = Template(), 0, 0, 0
    client, server, begins = guest(0)[1], b"192.0.2.10:5061", 1_902_539_850_000
    once, at_once = dict.fromkeys(count, 0), 1 if quiet else 8

    def line(level, text):
        template.data.extend(b"%23d 1F68:%s  :: %s\r\n" % (0, level, text))

    def stamp(begin, clock, length):
        def value(n):
            seconds, millis = divmod(begins + clock + n * length[0], 1000)
            days, second = divmod(seconds, 86400)
            return b"04/%02d/2030|%02d:%02d:%02d.%03d" % (
                1 + days % 30, second // 3600, second // 60 % 60, second % 60, millis)
        blank = re.compile(rb" {22}0(?= 1F68)")
        template.patch(value, [range(*found.span()) for found in blank.finditer(template.data, begin)])

    length = [0]                                # milliseconds of a copy, once they are known
    for j in range(at_once):
        begin = len(template.data)
        for side, data in login_bursts(rng, "user1", client, guest(j)[2], once):
            for message in messages(data):
                at, clock = len(template.data), clock + rng.randrange(5, 60)
                form = b"Data Received -%s (To Local Address: %s) %d bytes" if side else \
                    b"Sending Packet - %s (From Local Address: %s) %d bytes"
                form %= server, where(client, guest(j)[2]), len(message)
                line(b"C14 INFO", form + b":")
                line(b"C14 INFO", message)
                line(b"C14 INFO", b"End of " + form)
                lines = template.data.count(b"\n", at)
                for i in range(49 * lines if quiet else 0):
                    text = (RARE if noise % 199 == 198 else QUIET[noise * 7 % 11 % 8]).format(rng.getrandbits(16))
                    line(rng.choice((b"C14 INFO", b"D20 TRACE", b"D20 INFO", b"A4 TRACE")), text.encode())
                    noise += 1
                stamp(at, clock, length)
        text = bytes(template.data[begin:])
        for value, words in ((lambda k: b":%d" % guest(k)[2], [b":%d" % guest(j)[2]]), (mark, identifiers(text))):
            places = [range(begin + span.start, begin + span.stop) for span in find(text, words)]
            template.patch(lambda n, j=j, value=value: value(at_once * n + j), places)
    length[0] = clock + 1000
    copies = max(1, size_mib * MIB // len(template.data))
    template.write(out, copies)
    count["logins"] = count["flows"] = copies * at_once
    count["sip_messages"] = once["sip_messages"] * copies
    count["lines"] = template.data.count(b"\n") * copies


LOGS = {"log": functools.partial(log, False), "log-quiet": functools.partial(log, True)}


def main():
    parser = argparse.ArgumentParser(description="Write a synthetic capture or log for the lynccap benchmarks.")
    parser.add_argument("kind", choices=["mixed", "sip", "sip-tls12", "sip-tls13", "logins", *LOGS, *HOSTILE])
    parser.add_argument("size", type=int)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    count = dict.fromkeys(["packets", "bytes", "sip_messages", "keepalives", "dns_messages", "flows", "logins"], 0)
    with open(args.out, "wb", buffering=MIB) as out:
        if args.kind not in LOGS:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        if whole := {"logins": logins, **LOGS, **HOSTILE}.get(args.kind):
            whole(out, rng, args.size, count)
        else:
            shares = {"mixed": MIXED, "sip": SIP}.get(args.kind)
            shares = shares or {tls_login(tls_contexts(args.kind, args.out.removesuffix(".pcap") + ".keys")): 1.0}
            interleave(out, rng, args.size * MIB, shares,
                       400 if args.kind == "mixed" else 200, count)
        count["bytes"] = out.tell()
    json.dump({"kind": args.kind, "seed": args.seed, **count}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
