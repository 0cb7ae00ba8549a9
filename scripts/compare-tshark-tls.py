#!/usr/bin/env python3
"""Compare the plaintext that lynccap and tshark get out of TLS, stream by stream and direction by direction.

    scripts/compare-tshark-tls.py BINARY CAPTURE [--keylog FILE]... [--rsa FILE]... [-d PORT]... [--verbose]
    scripts/compare-tshark-tls.py BINARY FOLDER [--verbose]

A folder stands for every capture in it that has keys beside it: X.keys or X.rsa.pem for the capture X, or
NAME.keys, NAME.rsa.pem or NAME.pem for the capture NAME.pcap or NAME.pcapng. Where there are both a key log
and an RSA key, each is tried by itself. Secrets inside a pcapng file are used by both programs anyway.

lynccap's plaintext is `follow --format raw` of the flow, tshark's is `-z follow,tls,raw`. A line a stream:

    same           the same bytes in both directions
    lynccap more   all that tshark has, in its order, and more (tshark skips records, or stops)
    tshark more    lynccap stops earlier
    only lynccap   tshark has nothing
    only tshark    lynccap has nothing
    different      neither has all of the other
    none           neither has any plaintext (printed with --verbose only, as are streams that are the same)

and a reason where something in the capture or in lynccap's report shows one (REASONS). `none` needs none.

Exit codes: 0 nothing unexplained, 1 something, or one of the programs failed; 2 usage.
"""
import argparse, collections, hashlib, ipaddress, json, re, subprocess, sys, tempfile
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT = 120
OPTIONS = [
    "tcp.reassemble_out_of_order:TRUE", "tcp.desegment_tcp_streams:TRUE", "ip.defragment:TRUE", "ipv6.defragment:TRUE",
    "tcp.check_checksum:FALSE", "ip.check_checksum:FALSE", "tls.desegment_ssl_records:TRUE",
    "tls.desegment_ssl_application_data:TRUE",
]
FIELDS = ["frame.number", "frame.protocols", "tcp.stream", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport",
          "tcp.dstport", "frame.len", "frame.cap_len", "tcp.analysis.lost_segment", "tcp.analysis.out_of_order",
          "tcp.analysis.retransmission", "tcp.analysis.spurious_retransmission", "tcp.segment.overlap",
          "tls.handshake.type", "tls.handshake.version"]
MARKS = FIELDS[11:16]
UNSUPPORTED = re.compile(r"ARIA|CAMELLIA_\d+_GCM|SEED|IDEA|_DES_|DES40|EXPORT|RC2|KRB5|GOST|_SM4_")

REASONS = {
    "ssl3": "SSL 3.0, which lynccap does not decrypt",
    "cipher": "a cipher that lynccap does not decrypt (ARIA, Camellia-GCM, SEED, IDEA, DES, export)",
    "tshark-cipher": "a cipher that tshark does not decrypt (ARIA)",
    "disturbed": "segments lost, repeated or out of order, at which tshark gives up or skips records",
    "cut": "packets cut by the snap length, at which tshark gives up or skips records",
    "secrets-late": "the secrets block follows the packets, and tshark reads it too late",
    "client-auth": "client authentication in mid-stream in TLS 1.3, at which tshark loses the client's keys",
}


class Failed(Exception):
    """A program that did not do what it should."""


@dataclass
class Stream:
    """A TCP connection as one of both programs sees it. `text` is the plaintext from the client and to it."""
    number: int
    ends: tuple
    first: int
    last: int
    text: list = field(default_factory=lambda: [b"", b""])
    chunks: list = field(default_factory=lambda: [[], []])  # tshark: the same, record by record
    facts: dict = field(default_factory=dict)


def run(command, codes=(0,)):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(command[0]).name} does not end within {TIMEOUT} s") from None
    if done.returncode not in codes:
        raise Failed(f"{Path(command[0]).name} ends with {done.returncode}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def end(ip, port):
    return str(ipaddress.ip_address(ip.strip("[]").split("%")[0])), int(port)


# ---- lynccap

def lynccap_streams(binary, capture, keylogs, rsa, decode_as):
    """The TCP flows that lynccap has, with the plaintext of those that it opened."""
    keys = [word for path in keylogs for word in ("-k", str(path))] + [word for path in rsa for word in ("--tls-key", str(path))]
    keys += [word for port in decode_as for word in ("-d", f"{port}=tls")]
    report = json.loads(run([binary, "analyze", str(capture), "-q", "--json", "-", *keys], (0, 3)))
    sessions, streams = collections.defaultdict(list), []
    for session in report["tls_sessions"]:
        sessions[session["flow"]].append(session)
    for flow in report["flows"]:
        if flow["transport"] != "tcp":
            continue
        ends = end(flow["client_ip"], flow["client_port"]), end(flow["server_ip"], flow["server_port"])
        stream = Stream(flow["flow"], ends, flow["first_frame"], flow["last_frame"], facts={"sessions": sessions[flow["flow"]]})
        if any(session["decrypted"] for session in stream.facts["sessions"]):
            follow = [binary, "follow", str(capture), "--flow", str(stream.number), "--format", "raw", *keys, "--direction"]
            stream.text = [run([*follow, way], (0, 3)) for way in ("out", "in")]
        streams.append(stream)
    return streams


# ---- tshark

def tshark(capture, keylogs, rsa, *arguments):
    command = ["tshark", "-n", "-r", str(capture)]
    for option in OPTIONS + [f'uat:rsa_keys:"{path}",""' for path in rsa]:
        command += ["-o", option]
    with tempfile.NamedTemporaryFile(suffix=".keys") as joined:  # tshark takes only one key log
        joined.write(b"\n".join(Path(path).read_bytes() for path in keylogs))
        joined.flush()
        return run([*command, "-o", f"tls.keylog_file:{joined.name}", *arguments], (0, 2)).decode("utf-8", "replace")


def tshark_streams(capture, keylogs, rsa):
    """The TCP streams in which tshark finds TLS, and which protocols over UDP it saw that carry TLS."""
    words = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]
    out = tshark(capture, keylogs, rsa, *words, *(part for name in FIELDS for part in ("-e", name)))
    streams, with_tls, elsewhere, number = {}, set(), set(), 0
    for line in out.splitlines():
        row = dict(zip(FIELDS, line.split("\t")))
        layers = row["frame.protocols"].split(":")
        elsewhere |= {"quic", "dtls"} & set(layers)
        if not row["tcp.stream"] or not row["frame.number"].isdigit():
            continue
        last = {name: value.split("|")[-1] for name, value in row.items()}  # the innermost packet of a tunnel
        number, stream = int(row["frame.number"]), int(last["tcp.stream"])
        if stream not in streams:
            version = "ip" if last["ip.src"] else "ipv6"
            streams[stream] = Stream(stream, (end(last[f"{version}.src"], last["tcp.srcport"]),
                                              end(last[f"{version}.dst"], last["tcp.dstport"])), number, number)
        entry = streams[stream]
        entry.last = number
        entry.facts["disturbed"] = entry.facts.get("disturbed") or any(last[mark] for mark in MARKS)
        entry.facts["cut"] = entry.facts.get("cut") or last["frame.len"] != last["frame.cap_len"]
        hellos = entry.facts.setdefault("hellos", set())
        types = re.split(r"[|,]", row["tls.handshake.type"])
        if "2" in types:
            hellos |= set(re.split(r"[|,]", row["tls.handshake.version"]))
        if "13" in types and entry.facts.get("finished"):
            entry.facts["asked"] = True
        if "20" in types:
            entry.facts["finished"] = True
        if "tls" in layers or "ssl" in layers:
            with_tls.add(stream)
    streams = {stream: entry for stream, entry in streams.items() if stream in with_tls}
    if streams:
        tshark_follow(tshark(capture, keylogs, rsa, "-q", *(part for stream in streams for part in ("-z", f"follow,tls,raw,{stream}"))), streams)
    return list(streams.values()), elsewhere


def tshark_follow(text, streams):
    """Takes `-z follow,tls,raw` apart: node 0 is whoever speaks first; lines of node 1 begin with a tab."""
    entry, swapped = None, False
    for line in text.splitlines():
        if line.startswith("Filter: tcp.stream eq "):
            entry = streams[int(line.rsplit(" ", 1)[1])]
        elif line.startswith("Node ") and not line.endswith(" :0"):  # it does not always know both
            ip, _, port = line[8:].rpartition(":")
            swapped = (end(ip, port) == entry.ends[0]) != line.startswith("Node 0")
        elif re.fullmatch(r"\t?([0-9a-f]{2})+", line):
            data, way = bytes.fromhex(line.strip()), line.startswith("\t") != swapped
            entry.chunks[way].append(data)
            entry.text[way] += data


# ---- comparison

def holds(whole, chunks):
    """Whether all chunks are in the bytes, one behind the other."""
    at = 0
    for chunk in chunks:
        at = whole.find(chunk, at)
        if at < 0:
            return False
        at += len(chunk)
    return True


def pair(mine, theirs):
    """(lynccap's stream or None, tshark's or None), by their ends and, where ports are used again, by time."""
    pairs, left = [], list(mine)
    for other in theirs:
        same = [m for m in left if set(m.ends) == set(other.ends) and m.first <= other.last and other.first <= m.last]
        best = max(same, default=None, key=lambda m: min(m.last, other.last) - max(m.first, other.first))
        if best:
            left.remove(best)
            if best.ends != other.ends:  # tshark takes the sender of the first packet for the client
                other.ends, other.text, other.chunks = best.ends, other.text[::-1], other.chunks[::-1]
        pairs.append((best, other))
    return pairs + [(m, None) for m in left if any(m.text) or m.facts["sessions"]]


def verdict(mine, other):
    ours, theirs = mine.text if mine else [b"", b""], other.text if other else [b"", b""]
    if ours == theirs:
        return "same" if any(ours) else "none"
    if not any(theirs) or not any(ours):
        return "only lynccap" if any(ours) else "only tshark"
    if all(map(holds, ours, other.chunks)):
        return "lynccap more"
    return "tshark more" if all(theirs[way].startswith(ours[way]) for way in (0, 1)) else "different"


def reason(said, mine, other, capture):
    """Why the two differ; None where nothing shows it."""
    sessions = mine.facts["sessions"] if mine else []
    suites = " ".join(session["cipher_suite"] or "" for session in sessions)
    facts = other.facts if other else {}
    if said in ("only tshark", "tshark more"):
        if "0x0300" in facts.get("hellos", ()):
            return "ssl3"
        return "cipher" if UNSUPPORTED.search(suites) else None
    if said in ("only lynccap", "lynccap more"):
        if "ARIA" in suites:
            return "tshark-cipher"
        if facts.get("disturbed"):
            return "disturbed"
        if facts.get("cut"):
            return "cut"
        if any((session["opened_with"] or "").endswith(" of the capture") for session in sessions) and secrets_late(capture):
            return "secrets-late"
        if facts.get("asked") and any(session["version"] == "TLSv1.3" for session in sessions):
            return "client-auth"
    return None


def secrets_late(capture):
    """Whether the first secrets block of a little-endian pcapng file comes behind a packet."""
    data, at, packets = Path(capture).read_bytes(), 0, False
    while at + 12 <= len(data):
        kind, length = (int.from_bytes(data[at + n:at + n + 4], "little") for n in (0, 4))
        if kind == 10:
            return packets
        packets |= kind in (3, 6)
        at += max(length, 12)
    return False


def told(stream):
    """Sizes and the beginnings of the hashes of both directions."""
    return " ".join(f"{way} {len(text)}" + (f":{hashlib.sha256(text).hexdigest()[:8]}" if text else "")
                    for way, text in zip(("out", "in"), stream.text)) if stream else "no such stream"


def first_difference(mine, other):
    for way, ours, theirs in zip(("out", "in"), mine.text, other.text):
        at = next((n for n, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        if ours != theirs:
            yield f"{way} from byte {at}: lynccap {ours[at:at + 40]!r}, tshark {theirs[at:at + 40]!r}"


def compare(binary, capture, keylogs, rsa, decode_as, verbose, counts):
    """Prints what differs in one capture; returns how many differences have no explanation."""
    with_keys = " + ".join(path.name for path in [*keylogs, *rsa])
    try:
        theirs, elsewhere = tshark_streams(capture, keylogs, rsa)
        pairs = pair(lynccap_streams(binary, capture, keylogs, rsa, decode_as), theirs)
    except Failed as failure:
        print(f"{capture.name} [{with_keys}]: failed: {failure}", flush=True)
        counts["failed"] += 1
        return 1
    bad = 0
    if elsewhere and verbose:
        print(f"{capture.name} [{with_keys}]: also {' and '.join(sorted(elsewhere))}, which is not TCP and not compared")
    for mine, other in pairs:
        said = verdict(mine, other)
        why = reason(said, mine, other, capture) if said not in ("same", "none") else None
        unexplained = said not in ("same", "none") and not why
        bad += unexplained
        counts[f"{said}, {why}" if why else f"{said}, UNEXPLAINED" if unexplained else said] += 1
        if said in ("same", "none") and not verbose:
            continue
        sessions = mine.facts["sessions"] if mine else []
        about = "; ".join(f"{s['version']} {s['cipher_suite']} {s['opened_with'] or s['not_opened'] or ''}" for s in sessions)
        where = f"flow {mine.number if mine else '-'}, tcp.stream {other.number if other else '-'}"
        print(f"{capture.name} [{with_keys}]: {where}: {said}{f' ({REASONS[why]})' if why else ''}: "
              f"lynccap {told(mine)}, tshark {told(other)}{f' | {about}' if about else ''}", flush=True)
        if unexplained and mine and other:
            for line in first_difference(mine, other):
                print(f"    {line}")
    return bad


def ways(folder):
    """(capture, key logs, RSA keys) of all captures of a folder with keys beside them."""
    for capture in sorted(folder.iterdir()):
        if re.search(r"\.(keys|pem|jsonl|tsv|txt|md)$", capture.name) or not capture.is_file():
            continue
        names = [capture.name, re.sub(r"\.(pcap|pcapng|cap)(\.gz)?$", "", capture.name)]
        for suffix in (".keys", ".rsa.pem", ".pem"):
            found = next((path for name in names if (path := folder / f"{name}{suffix}").is_file()), None)
            if found:
                yield (capture, [found], []) if suffix == ".keys" else (capture, [], [found])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="lynccap")
    parser.add_argument("capture", type=Path, help="a capture, or a folder of captures with keys beside them")
    parser.add_argument("--keylog", type=Path, action="append", default=[])
    parser.add_argument("--rsa", type=Path, action="append", default=[], help="RSA private key, PEM")
    parser.add_argument("-d", metavar="PORT", type=int, action="append", default=[], help="lynccap: take that port for TLS")
    parser.add_argument("--verbose", action="store_true", help="also print streams that are the same")
    arguments = parser.parse_args()
    if arguments.capture.is_dir():
        if arguments.keylog or arguments.rsa:
            parser.error("keys are taken from the folder")
        jobs = list(ways(arguments.capture))
    else:
        jobs = [(arguments.capture, arguments.keylog, arguments.rsa)]
    counts, bad = collections.Counter(), 0
    for capture, keylogs, rsa in jobs:
        bad += compare(arguments.binary, capture, keylogs, rsa, arguments.d, arguments.verbose, counts)
    print(f"{len(jobs)} times a capture with keys, {bad} unexplained differences")
    for said, count in sorted(counts.items()):
        print(f"  {said}: {count}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
