#!/usr/bin/env python3
"""Compare what lynccap and tshark read in captures, message by message: DNS, and SIP in the clear.

    scripts/compare-tshark.py BINARY CAPTURE... [--known FILE] [--verbose] [-d PORT=dns|sip]

DNS, mDNS and LLMNR: frame, time, ends, id, response flag, first question, response code, the records of
the answer section (name, type, TTL; data of A, AAAA, CNAME, NS, PTR and SRV). SIP over UDP and TCP: frame,
time, ends, method or status, Call-ID, CSeq, a hash of the header fields, length of the body. Also how
many packets each of them reads.

tshark is asked for PDML: its `-T fields` joins the messages of a packet into one line, and one that has no
Call-ID shifts all that follow; in PDML each message is an element of its own, with its length and bytes.

A difference is explained by a category (EXPLANATIONS; docs/tshark-differences.md has examples) only where
something else in the capture or in either output shows it, else it is printed in full. --known FILE accepts
more of them, a line each: `capture-name: category: reason` (`unexplained` is the category of those that
have none; `*` and `?` stand for parts of a name; # begins a comment).

Exit codes: 0 no unexplained difference, 1 some, or lynccap crashed, hung or gave an odd exit code; 2 usage.
"""
import argparse, base64, collections, concurrent.futures, fnmatch, hashlib, json, os, re, subprocess, sys, tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

TIMEOUT = 60
OPTIONS = [
    "tcp.reassemble_out_of_order:TRUE", "tcp.desegment_tcp_streams:TRUE", "ip.defragment:TRUE", "ipv6.defragment:TRUE",
    "tcp.check_checksum:FALSE", "udp.check_checksum:FALSE", "ip.check_checksum:FALSE", "sip.desegment_headers:TRUE",
    "sip.desegment_body:TRUE", "sip.strict_sip_version:FALSE", "dns.desegment_dns_messages:TRUE",
]
DNS_LAYERS = ("dns", "mdns", "llmnr")
DNS_PORTS = {53, 5353, 5355}
PLACES = "frame ip ipv6 tcp udp icmp icmpv6 dns mdns llmnr sip _ws.malformed"

# IANA names, by number. Not taken from the program that is tested.
TYPES = dict(zip(range(1, 66), (
    "A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS "
    "AAAA LOC NXT EID NIMLOC SRV ATMA NAPTR KX CERT A6 DNAME SINK OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 "
    "NSEC3PARAM TLSA SMIMEA 54 HIP NINFO RKEY TALINK CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS").split()))
TYPES |= {99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB",
          254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV"}
RCODES = dict(enumerate(
    "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI".split()))
RCODES |= dict(enumerate("BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE".split(), 16))
DATA_FIELDS = {"A": "dns.a", "NS": "dns.ns", "CNAME": "dns.cname", "PTR": "dns.ptr.domain_name", "AAAA": "dns.aaaa"}

# Layers under which tshark finds messages that are not in the clear, or not on the wire at all.
ENCRYPTED = {"tls", "dtls", "quic", "esp", "ssh"}
TUNNELS = {"gtp", "teredo", "l2tp", "vxlan_gpe", "capwap", "wg", "nsh", "lisp", "pptp", "gtpprime", "sctp", "usb", "mpls-echo"}
METHODS = set("INVITE ACK BYE CANCEL REGISTER OPTIONS PRACK SUBSCRIBE NOTIFY PUBLISH INFO REFER MESSAGE UPDATE SERVICE BENOTIFY "
              "NEGOTIATE".split())
START_LINE = re.compile(rb"([!%'*+\-.0-9A-Z_`a-z~]+ [^\s]+ SIP/\d\.\d|SIP/\d\.\d [1-6]\d\d .*)$")

EXPLANATIONS = {
    "format-not-read": "a file format other than pcap and pcapng; tshark reads it",
    "refused-by-tshark": "tshark stops at a link type or a format version that it does not know; lynccap reads on",
    "custom-block": "tshark counts pcapng custom blocks as packets",
    "link-type": "a link type that lynccap does not decode and says so",
    "tunnel": "inside a tunnel that lynccap does not open",
    "encrypted": "tshark decrypted it, and only messages in the clear are compared",
    "quoted-in-icmp": "tshark decodes the packet that an ICMP error quotes; lynccap tells the error",
    "other-port": "DNS on other ports than 53, 5353 and 5355: tshark guesses by content, lynccap wants -d PORT=dns",
    "no-dns": "tshark takes other traffic for DNS and finds it malformed, or with a name that no DNS name can be",
    "short-header": "fewer than the 12 bytes of a DNS header: tshark shows what there is, lynccap a defect",
    "unreadable-name": "a name that cannot be read: tshark shows a remark in its place, lynccap nothing and a defect",
    "lone-fragment": "a fragment of a datagram that never becomes whole; tshark decodes the first by itself",
    "snaplen": "the packet is cut by the snap length",
    "ip-length": "an impossible length in the IP header, at which tshark stops",
    "start-line": "a start line against the grammar (RFC 3261 25.1): one of both takes it, the other does not",
    "header-form": "a header field in a form that RFC 3261 7.3.1 allows (blank before the colon, folding) and tshark does not know",
    "body-bounds": "Content-Length is negative, contradicts itself or the datagram: both go on in their own way",
    "header-extent": "tshark counts all bytes of the packet behind a message without a body among its header fields",
    "message-in-body": "tshark also shows the message that the body of another contains",
    "retransmission": "tshark decodes a retransmitted segment again",
    "keep-alive": "line ends before a start line in a TCP segment (RFC 5626 keep-alives): tshark does not find the message",
    "joined": "tshark takes the next message of a segment for the body or the continuation of the one before",
    "rubbish": "bytes of no message in a TCP stream: tshark takes them for the beginning of the next message",
    "stream-given-up": "tshark does not find the message in a stream with lost, repeated or reordered segments",
    "malformed": "tshark's dissector gave up in that packet (malformed)",
}


class Failed(Exception):
    """A program that did not do what it should."""


@dataclass
class Message:
    kind: str
    frame: int
    fields: dict
    identity: tuple
    context: dict = field(default_factory=dict)

    def text(self):
        told = {name: value for name, value in self.fields.items() if value not in (None, [])}
        return f"{self.kind} in frame {self.frame}: {json.dumps(told, ensure_ascii=False, default=str)}"


@dataclass
class Difference:
    capture: str
    what: str  # "differs", "only lynccap", "only tshark", "failure", "packets"
    text: str
    category: str | None = None


def run(command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(command[0]).name} does not end within {TIMEOUT} s") from None
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def visible(name):
    """A name for comparison. tshark writes unprintable bytes as octal escapes or as U+FFFD: both become one mark."""
    return re.sub("[^\x21-\x7e]+", "\N{REPLACEMENT CHARACTER}", name)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


# ---- lynccap

def unescaped(name):
    """A name in zone-file form without its escapes."""
    return visible(re.sub(r"\\(\d{3}|.)", lambda m: chr(int(m[1])) if len(m[1]) == 3 else m[1], name, flags=re.S))


class Lynccap:
    def __init__(self, binary, capture, ports):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            command = [binary, "analyze", str(capture), "--jsonl", "-", "--json", str(report), "--raw", "-q"]
            code, out, self.errors = run(command + [part for port in ports for part in ("-d", port)])
            self.code = code
            if code not in (0, 2, 3) or "panicked" in self.errors:
                raise Failed(f"lynccap ends with {code}: {self.errors.strip()}")
            self.report = json.loads(report.read_bytes()) if code != 2 else {}
        self.messages, self.others = [], collections.defaultdict(list)
        for line in out.splitlines():
            row = json.loads(line)
            if row["kind"] == "dns":
                self.messages.append(self.dns(row))
            elif row["kind"] == "sip" and not row["decrypted"]:
                self.messages.append(self.sip(row))
            else:
                self.others[row["frame"]].append(row)

    @staticmethod
    def common(row):
        seconds, fraction = row["time"].rstrip("Z").split(".")
        whole = int(datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc).timestamp())
        ends = [f"{row[end + '_ip']} {row[end + '_port']}" for end in ("src", "dst")]
        return {"time": f"{whole}.{fraction}", "ends": " > ".join(ends)}

    def dns(self, row):
        answers = [[unescaped(a["name"]), a["type"], a["ttl"] if a["type"] != "OPT" else None, self.data(a)]
                   for a in row.get("dns_answers", [])]
        name = unescaped(row["dns_name"]) if "dns_name" in row else None
        fields = {**self.common(row), "id": row["dns_id"], "response": row["dns_response"], "name": name,
                  "type": row.get("dns_type"), "rcode": row.get("dns_rcode"), "answers": answers}
        return Message("dns", row["frame"], fields, (row["dns_id"], row["dns_response"]), {"row": row})

    @staticmethod
    def data(answer):
        if answer["type"] == "SRV":
            return " ".join(map(unescaped, answer["data"].split(" ")))
        return unescaped(answer["data"]) if answer["type"] in DATA_FIELDS else None

    def sip(self, row):
        raw = row["raw"].encode() if "raw" in row else base64.b64decode(row["raw_base64"])
        line, _, head = raw[:len(raw) - row["body_bytes"]].partition(b"\n")
        start = row["status"] if "status" in row else row.get("method")
        if line.startswith(b"SIP/"):
            start = row.get("status")
        fields = {**self.common(row), "start": start, "call_id": row.get("call_id"), "cseq": row.get("cseq"),
                  "head": digest(head), "body": row["body_bytes"]}
        return Message("sip", row["frame"], fields, (start, fields["call_id"], fields["cseq"]), {"row": row, "line": line.rstrip(b"\r"), "head": head})


# ---- tshark

def tshark(capture, ports, *arguments):
    command = ["tshark", "-n", "-r", str(capture)]
    for option in OPTIONS:
        command += ["-o", option]
    for port, kind in (port.split("=") for port in ports):
        command += ["-d", f"udp.port=={port},{kind}", "-d", f"tcp.port=={port},{kind}"]
    return run(command + list(arguments))


def every(element, name):
    return [inner for inner in element.iter("field") if inner.get("name") == name]


def shown(element, name, attribute="show"):
    found = every(element, name)
    return found[0].get(attribute) if found else None


def tshark_name(name):
    if name in (None, "<Root>"):
        return "." if name else None
    return visible(re.sub(r"\\([0-3][0-7]{2}|\\)", "\ufffd", name))


class Tshark:
    CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

    def __init__(self, capture, ports):
        self.capture, self.ports = capture, ports
        _, out, self.errors = tshark(capture, ports, "-T", "pdml", "-Y", "dns || mdns || llmnr || sip", "-J", PLACES)
        text = self.CONTROL.sub("\ufffd", out.decode("utf-8", "replace")).strip()
        if not text.endswith("</pdml>"):  # it stopped at damage
            text = text[:text.rfind("</packet>") + 9] + "</pdml>" if "</packet>" in text else "<pdml/>"
        self.messages, self.continued = [], collections.defaultdict(list)
        for packet in ET.fromstring(text).iter("packet"):
            self.packet(packet)
        self.cached = None

    def packet(self, packet):
        layers, common, ip, frame = [], {}, [None, None], 0
        malformed = any(proto.get("name") == "_ws.malformed" for proto in packet.iter("proto"))
        for proto in packet:
            layer = proto.get("name")
            if layer == "frame":
                frame = int(shown(proto, "frame.number"))
                common["time"] = f"{Decimal(shown(proto, 'frame.time_epoch')):.9f}"
            elif layer in ("ip", "ipv6"):
                ip = [shown(proto, f"{layer}.{end}") for end in ("src", "dst")]
            elif layer in ("udp", "tcp"):
                ends = [f"{address} {shown(proto, f'{layer}.{end}port')}" for address, end in zip(ip, ("src", "dst"))]
                common["ends"] = " > ".join(ends)
            for inner in proto.iter("proto"):
                context = {"layers": list(layers), "within": layer if inner is not proto else None, "malformed": malformed}
                if inner.get("name") in DNS_LAYERS + ("sip",):
                    self.message(inner, frame, common, context)
            layers.append(layer)

    def message(self, proto, frame, common, context):
        read = self.sip if proto.get("name") == "sip" else self.dns
        message = read(proto, frame, common)
        if message:
            message.context |= context
            self.messages.append(message)
        else:
            self.continued[frame].append(f"{proto.get('showname')}, {proto.get('size')} bytes")

    def dns(self, proto, frame, common):
        if shown(proto, "dns.id") is None:
            return None
        number, response = int(shown(proto, "dns.id"), 16), shown(proto, "dns.flags.response") == "1"
        rcode, kind = shown(proto, "dns.flags.rcode"), shown(proto, "dns.qry.type")
        if rcode is not None:
            rcode = int(rcode) | int(shown(proto, "dns.resp.ext_rcode") or "0", 0) << 4
            rcode = RCODES.get(rcode, f"RCODE{rcode}")
        sections = [section for section in proto.findall("field") if section.get("show") == "Answers"]
        answers = [self.record(record) for section in sections for record in section.findall("field")
                   if response and shown(record, "dns.resp.type")]
        name = tshark_name(shown(proto, "dns.qry.name"))
        fields = {**common, "id": number, "response": response, "name": name,
                  "type": TYPES.get(int(kind), f"TYPE{kind}") if kind else None, "rcode": rcode if response else None,
                  "answers": answers}
        return Message("dns", frame, fields, (number, response))

    @staticmethod
    def record(record):
        number, ttl, data = int(shown(record, "dns.resp.type")), shown(record, "dns.resp.ttl"), None
        kind = TYPES.get(number, f"TYPE{number}")
        if kind == "SRV":
            parts = [shown(record, f"dns.srv.{part}") for part in ("priority", "weight", "port")]
            data = " ".join(map(str, parts + [tshark_name(shown(record, "dns.srv.target"))]))
        elif kind in DATA_FIELDS:
            data = tshark_name(shown(record, DATA_FIELDS[kind]))
        # The name of an SRV record is in parts, the title has it whole; of others it may be cut there.
        name = tshark_name(shown(record, "dns.resp.name") or record.get("show").rsplit(": type ", 1)[0])
        return [name, kind, int(ttl) if ttl is not None else None, data]

    @staticmethod
    def sip(proto, frame, common):
        status, method = shown(proto, "sip.Status-Code"), shown(proto, "sip.Method")
        if status is None and method is None:
            return None
        call_id, cseq, head = shown(proto, "sip.Call-ID"), shown(proto, "sip.CSeq"), shown(proto, "sip.msg_hdr", "value")
        body = every(proto, "sip.msg_body")
        start = int(status) if status is not None else method
        head = bytes.fromhex(head or "")
        fields = {**common, "start": start, "call_id": call_id.strip() if call_id else None, "cseq": cseq, "head": digest(head),
                  "body": int(body[0].get("size")) if body else 0}
        return Message("sip", frame, fields, (start, fields["call_id"], cseq), {"head": head})

    def frames(self):
        """What tshark knows of every packet, by its number; read once, where something must be explained."""
        if self.cached is None:
            names = ("frame.number", "frame.protocols", "frame.len", "frame.cap_len", "ip.flags.mf", "tcp.stream",
                     "udp.payload", "tcp.payload", "_ws.malformed", "tcp.analysis.flags", "tcp.analysis.retransmission",
                     "tcp.analysis.out_of_order", "tcp.analysis.lost_segment", "tcp.analysis.spurious_retransmission",
                     "_ws.expert.message", "ip.len", "tcp.segment.overlap")
            arguments = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]
            _, out, _ = tshark(self.capture, self.ports, *arguments, *(part for name in names for part in ("-e", name)))
            self.cached = {}
            for line in out.decode("utf-8", "replace").splitlines():
                values = dict(zip(names, line.split("\t")))
                if values["frame.number"].isdigit():
                    self.cached[int(values["frame.number"])] = values
        return self.cached


# ---- comparison

def match(mine, theirs):
    """Pairs of what is the same message told differently, and what only one of both has."""
    def exact(message):
        return message.kind, message.frame, json.dumps(message.fields, sort_keys=True, default=str)

    counts = collections.Counter(map(exact, theirs))
    left = []
    for message in mine:
        if counts[exact(message)] > 0:
            counts[exact(message)] -= 1
        else:
            left.append(message)
    rest = []
    for message in reversed(theirs):
        if counts[exact(message)] > 0:
            counts[exact(message)] -= 1
            rest.append(message)
    rest.reverse()

    pairs = []
    for same in (
        lambda a, b: a.frame == b.frame and a.identity == b.identity,
        lambda a, b: a.frame == b.frame and a.identity[0] == b.identity[0],
        lambda a, b: a.frame == b.frame and a.kind == "sip" and a.identity[1] == b.identity[1],
        lambda a, b: {**a.fields, "time": 0} == {**b.fields, "time": 0},
        lambda a, b: a.identity == b.identity and a.kind == "sip",
    ):
        unpaired = []
        for message in left:
            found = next((other for other in rest if message.kind == other.kind and same(message, other)), None)
            if found:
                rest.remove(found)
                pairs.append((message, found))
            else:
                unpaired.append(message)
        left = unpaired
    return pairs, left, rest


def cut(frame):
    return frame["frame.cap_len"] != frame["frame.len"]


def disturbed(frames, number):
    """Whether the TCP stream of a packet has segments out of their order, twice or missing."""
    stream = frames.get(number, {}).get("tcp.stream")
    marks = ("tcp.analysis.retransmission", "tcp.analysis.out_of_order", "tcp.analysis.lost_segment",
             "tcp.analysis.spurious_retransmission", "tcp.segment.overlap")
    return bool(stream) and any(f["tcp.stream"] == stream and any(f[mark] for mark in marks) for f in frames.values())


def payload(frame):
    text = (frame["udp.payload"] or frame["tcp.payload"]).split("|")[-1].replace(":", "")
    return bytes.fromhex(text)


def explain_theirs(message, lynccap, frames):
    """Why tshark alone has a message; None where nothing shows it."""
    context, frame = message.context, frames.get(message.frame, {})
    layers = set(context["layers"])
    if layers & {"icmp", "icmpv6"} or context["within"] in ("icmp", "icmpv6"):
        return "quoted-in-icmp"
    if layers & ENCRYPTED:
        return "encrypted"
    if lynccap.report["stats"]["packets_link_unknown"]:
        return "link-type"
    if layers & TUNNELS:
        return "tunnel"
    if context["within"] == "sip":
        return "message-in-body"
    defects = [row["summary"] for row in lynccap.others[message.frame] if row["kind"] == "defect"]
    if any("a header has 12 bytes" in defect for defect in defects):
        return "short-header"
    if message.kind == "dns":
        ports = {int(end.split()[1]) for end in message.fields["ends"].split(" > ")}
        if not ports & DNS_PORTS:
            return "no-dns" if context["malformed"] or "<" in str(message.fields["name"]) else "other-port"
    if frame.get("ip.flags.mf", "").split("|")[-1] in ("1", "True") and lynccap.report["stats"]["ip_datagrams_incomplete"]:
        return "lone-fragment"
    if message.kind == "sip" and any("no SIP message" in defect for defect in defects):
        line = payload(frame).lstrip(b"\r\n").split(b"\n")[0].rstrip(b"\r")
        return None if START_LINE.match(line) else "start-line"
    if frame.get("tcp.analysis.retransmission") or frame.get("tcp.analysis.spurious_retransmission"):
        return "retransmission"
    return "snaplen" if frame and cut(frame) else None


def explain_mine(message, lynccap, tshark_side, frames):
    """Why lynccap alone has a message; None where nothing shows it."""
    frame = frames.get(message.frame)
    if not frame:
        return None
    layers = frame["frame.protocols"].split(":")
    if "ogus IP" in frame["_ws.expert.message"] or "IPv4 total length" in frame["_ws.expert.message"] or (
            layers[-1] == "ip" and frame["ip.len"] and int(frame["ip.len"].split("|")[-1]) < 20):
        return "ip-length"
    if message.kind == "sip":
        if not START_LINE.match(message.context["line"]):
            return None if "tcp" in layers else "start-line"
        if "tcp" in layers:
            row = message.context["row"]
            if isinstance(message.fields["start"], str) and message.fields["start"] not in METHODS:
                return None  # the rest of a body may have been taken for the beginning of the line
            if payload(frame)[:1] in (b"\r", b"\n"):
                return "keep-alive"
            if "sip" in layers and row["first_frame"] == message.frame or tshark_side.continued.get(message.frame):
                return "joined"
            rubbish = [other for number in lynccap.others if number < message.frame for other in lynccap.others[number]
                       if other["kind"] == "defect" and other["flow"] == row["flow"]]
            if rubbish and not disturbed(frames, message.frame):
                return "rubbish"
    if disturbed(frames, message.frame):
        return "stream-given-up"
    if frame["_ws.malformed"]:
        return "malformed"
    return "snaplen" if cut(frame) else None


def explain_pair(mine, other, differing, frames):
    """Why both tell a message differently; None where not all that differs is explained."""
    fields, reasons = set(differing), []
    if mine.kind == "dns":
        if "<" in str(other.fields["name"]) and mine.fields["name"] is None:
            reasons.append(("unreadable-name", {"name", "type"}))
        if other.context["malformed"]:
            reasons.append(("malformed", {"name", "type", "answers", "rcode"}))
    else:
        head = mine.context["head"]
        odd = re.search(rb"(?mi)^(call-id|i|cseq|content-length|l)([ \t]+:|[ \t]*\r?\n[ \t])", head)
        folded = re.search(rb"(?mi)^cseq[^\n]*\n[ \t]", head)
        lengths = set(re.findall(rb"(?mi)^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", head))
        if odd or folded:
            reasons.append(("header-form", {"call_id", "cseq", "body"}))
        elif folded is None and " ".join((mine.fields["cseq"] or "").split()) == " ".join((other.fields["cseq"] or "").split()):
            reasons.append(("header-form", {"cseq"}))
        told = mine.context["row"]["summary"]
        if len(lengths) > 1 or any(not length.isdigit() for length in lengths) or "after the body" in told or "Content-Length" in told:
            reasons.append(("body-bounds", {"body"}))
        if other.fields["body"] == 0 and other.context["head"].startswith(mine.context["head"]):
            reasons.append(("header-extent", {"head"}))
    if disturbed(frames, mine.frame) or disturbed(frames, other.frame):
        reasons.append(("stream-given-up", {"frame", "time", "body", "head"}))
    chosen = []
    for category, covers in reasons:
        if fields & covers:
            chosen.append(category)
            fields -= covers
    return chosen[0] if chosen and not fields else None


def explain_count(lynccap, tshark_side, frames):
    """Why they read different numbers of packets; None where nothing shows it."""
    if "contains record data that TShark doesn't support" in tshark_side.errors:
        return "refused-by-tshark"
    # tshark counts a pcapng custom block as a packet, whose only layer is "data".
    custom = sum(frame["frame.protocols"] == "data" for frame in frames.values())
    return "custom-block" if len(frames) - custom == lynccap.report["stats"]["packets"] else None


def compare(binary, capture, ports):
    """The differences of one capture, and how many messages both tell alike."""
    name, found = Path(capture).name, []
    try:
        mine = Lynccap(binary, capture, ports)
        if mine.code == 2:
            code, _, _ = tshark(capture, ports, "-c", "1")
            category = "format-not-read" if "not a pcap" in mine.errors or "convert it" in mine.errors or "save it" in mine.errors else None
            return 0, [Difference(name, "failure", f"lynccap does not read it: {mine.errors.strip()}"
                                                   f"{'; nor does tshark' if code else ''}", category)]
        other = Tshark(capture, ports)
        pairs, left, rest = match(mine.messages, other.messages)
        frames = other.frames()
    except Failed as failure:
        return 0, [Difference(name, "failure", str(failure))]
    if mine.report["stats"]["packets"] != len(frames):
        text = f"lynccap reads {mine.report['stats']['packets']} packets, tshark {len(frames)}; {mine.errors.strip()}; {other.errors.strip()}"
        found.append(Difference(name, "packets", text, explain_count(mine, other, frames)))
    for a, b in pairs:
        differing = {key: (a.fields[key], b.fields.get(key)) for key in a.fields if a.fields[key] != b.fields.get(key)}
        if a.frame != b.frame:
            differing["frame"] = (a.frame, b.frame)
        text = f"{a.text()}\n    " + "\n    ".join(f"{key}: lynccap {x!r}, tshark {y!r}" for key, (x, y) in differing.items())
        found.append(Difference(name, "differs", text, explain_pair(a, b, differing, frames)))
    for message in left:
        also = f"\n    row: {message.context['row']['summary']}\n    tshark's layers: {frames.get(message.frame, {}).get('frame.protocols')}"
        also += f"\n    tshark's other elements: {other.continued.get(message.frame)}"
        found.append(Difference(name, "only lynccap", message.text() + also, explain_mine(message, mine, other, frames)))
    for message in rest:
        rows = [f"{row['kind']}: {row['summary']}" for row in mine.others[message.frame]]
        also = f"\n    tshark's context: {message.context}\n    lynccap's other rows of the packet: {rows}"
        found.append(Difference(name, "only tshark", message.text() + also, explain_theirs(message, mine, frames)))
    return len(mine.messages) - len(pairs) - len(left), found


def known_differences(path):
    """Lines of `capture-name: category: reason`."""
    known = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split(":", 2)]
            if len(parts) < 3:
                sys.exit(f"{path}:{number}: not `capture-name: category: reason`")
            known.append(parts)
    return known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="lynccap")
    parser.add_argument("captures", nargs="+")
    parser.add_argument("--known", help="accepted differences")
    parser.add_argument("--verbose", action="store_true", help="print explained differences, too")
    parser.add_argument("-d", metavar="PORT=KIND", action="append", default=[], help="decode a port as dns or sip in both programs")
    arguments = parser.parse_args()
    known = known_differences(arguments.known) if arguments.known else []
    accepted, unexplained, alike, by_category = 0, 0, 0, collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda capture: compare(arguments.binary, capture, arguments.d), arguments.captures)
        for same, differences in jobs:
            alike += same
            for difference in differences:
                category = difference.category or "unexplained"
                if any(fnmatch.fnmatch(difference.capture, name) and kind == category for name, kind, _ in known):
                    accepted += 1
                    if not arguments.verbose:
                        continue
                elif not difference.category:
                    unexplained += 1
                by_category[category][difference.capture] += 1
                if arguments.verbose or category == "unexplained":
                    print(f"{difference.capture}: {category}: {difference.what}: {difference.text}", flush=True)
    print(f"{len(arguments.captures)} captures, {alike} messages alike, {unexplained} unexplained differences, {accepted} known")
    for category, captures in sorted(by_category.items()):
        names = ", ".join(f"{name} ({count})" for name, count in captures.most_common(3))
        more = f" and {len(captures) - 3} more captures" if len(captures) > 3 else ""
        print(f"  {category}: {captures.total()}: {names}{more}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
