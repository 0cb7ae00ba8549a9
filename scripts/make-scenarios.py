#!/usr/bin/env python3
"""Make captures/scenarios/NAME.pcapng from tests/scenarios/NAME.scenario.

    scripts/make-scenarios.py [--only NAME...] [--check]

A scenario is a small text file that tells who sends what when. Everything in the capture is real: both ends of
TLS run in this process and exchange bytes through memory, certificates are made by `openssl` once per run,
the TLS inside TLS-DSK is a second such pair and its signatures are right. Randoms and ciphertext differ from
run to run, the rest does not. The TLS secrets stand in the file (Decryption Secrets Block).

Needs Python 3.11, openssl and, for --check (tshark reads every capture: nothing malformed, every TLS session
opened), tshark.

Heads (what lynccap must say; tests/scenarios.rs checks them)
    shows: ID [root] [SEVERITY]     not: ID...      quiet      alone      outcome: [any] signed-in|failed|incomplete
    keys: none                      no secrets in the capture

Who and when
    client IP [dns IP] [domain D] [user U] [agent 2007|2010|2013|2016|phone] [epid E]
    use USER[@IP]       the client meant by what follows
    wait 2.5s           each statement takes 1 ms, each packet 0.1 ms
    server-clock +17m   the clock of the servers is off
    begin capture       drops what was recorded so far
    only > | only <     records only what the client sends (reaches the client) from here on
    gap c1 < [N]        the capture loses the next N segments (default 1)

Names
    dns TYPE NAME = VALUE [after 20ms] [via IP] [held]     a look-up; what is held comes with "dns-answers"
        VALUE: NXDOMAIN, NODATA, SERVFAIL, REFUSED, timeout, an address, "PRIORITY WEIGHT PORT HOST",
        "CNAME HOST [ADDRESS]"; several with |
    zone TYPE NAME = VALUE      what a later look-up of `discovery` gets; all else is NXDOMAIN
    discovery 2010|2013 [all]   the look-ups of that client, up to the first that gives an address
    dhcp [class=C] [ask=43,120] -> ACK [120=NAME] [43=WEBHOST]
    kerberos AS-REQ|TGS-REQ SNAME -> ok | error N | no answer    [at IP] [tcp]

Connections
    connect IP:PORT as c1 [lost N]      the first N SYNs are not answered
    pool c1 [options]           SRV and A look-up of pool01, TCP 10.1.0.10:5061, TLS (options as for tls)
    edge c1 [options]           the same for the Edge: sip.D, TCP 203.0.113.5:443
    syn IP:PORT no answer|once|refused|unreachable
    fin c1 [>|<]    rst c1 [>|<]    reopen c1 [PORT]    blackhole c1    icmp c1    keep-alive c1
    tls c1 server=HOST [options]    version=1.2|1.3|1.0  sni=NAME|none  cert=good|public|proxy|zscaler|self-signed|
        untrusted|expired|not-yet|soon|old  names=A,B  suite=OPENSSL-NAME  nokey
        alert=NAME      the client refuses the certificate with this alert
        then=close|fin|rst  the client finishes the handshake and closes; ends it before with FIN or RST
        refuse=ALERT|rst|fin    the server's answer to the hello
        hold            stops after the server's flight; "tls c1 go [alert=.. then=..]" continues
        asks            the server asks for a certificate; the client has none
        resume          the session of the last `tls` to this server is used again

SIP (indented lines below a statement are headers, then, from the first line that is none, the body;
"Name: -" takes a default header away)
    register c1 tls-dsk|ntlm|kerberos [until N] [from N] [again] [options]    offer=ntlm,kerberos,tls-dsk  target=HOST
        edge  certificate=expired|other  inner=SUITE  spoil=response|rspauth
    request c1 KIND     one request: register (the next of the ladder), profile, contacts, provisioning, self, acl,
                        capabilities, conferences, add-conference, conference-key, publish, device, buddies, relay
    answer c1[.KIND] healthy | challenge | 404 Not Found        to the last request (of that kind)
    step c1 KIND        request and healthy answer        after-sign-in c1   all of them
    refresh c1 [unanswered]     sign-out c1 [unanswered]    negotiate c1 [refused]      from then on SIP is compressed
    garble c1           what is said from here on is no compressed SIP that anyone could read
    sip c1 > START LINE         sip c1 < START LINE

Web
    http c1 > GET /path         http c1 < 200 OK        (the body @crl is a list of revoked certificates)
    get URL at IP = 200 OK      post URL at IP = 500 ...    connection, TLS for https, request, answer, close
                        (answer: `no answer`, `refused`, `reset` are allowed; options cert=, names=, alert= as for tls)
    web-ticket HOST at IP       certificate HOST at IP      the healthy exchange
"""

import argparse
import hmac
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from scenarios.certificates import Certificates
from scenarios.common import MS, Mistake
from scenarios.compression import Compressor
from scenarios.play import Play
from scenarios.sip import Sip, instance, signed_text
from scenarios.tls import tls_dsk_keys


ROOT = Path(__file__).resolve().parent.parent
HEADS = re.compile(r"(?:(shows|not|outcome|keys): (.+)|quiet|alone)$")


def statements(text):
    """Statement, its indented lines, its line number. Heads and comments are left out."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith((" ", "\t")) and line.strip():
            found[-1][1].append(line.strip())
        elif line.strip() and not line.startswith("#"):
            found.append((line.strip(), [], number))
    return found


def make(path, certificates, out):
    play = Play(path.stem, certificates)
    for line, block, number in statements(path.read_text()):
        try:
            head = HEADS.fullmatch(line)
            if head:
                play.keys = play.keys and not line.startswith("keys: none")
            else:
                play.run(line, block)
        except Mistake as error:
            sys.exit(f"{path.name}:{number}: {error}\n    {line}")
        except Exception as error:
            raise RuntimeError(f"{path.name}:{number}: {line}") from error
    play.record.pass_time(200 * MS)
    if not play.keys:
        play.record.secrets = []
        play.said["sip"] = None
    if play.record.only or any(link.compressor or link.black for link in play.links.values()):
        play.said["sip"] = None
    play.record.write(out)
    return play.said


def self_test():
    """Published values: signatures (section 4.7 of the protocol sheet), instance ids, compressed bits."""
    master, ours, theirs = bytes(range(48)), b"\x11" * 32, b"\x22" * 32
    message = Sip(
        "REGISTER",
        [
            ("Call-ID", "4f6e0c0ffee"),
            ("CSeq", "4 REGISTER"),
            ("From", "<sip:ann@ex.test>;tag=a1b2c3"),
            ("To", "<sip:ann@ex.test>"),
        ],
    )
    message.authentication = {"scheme": "TLS-DSK", "rand": "5f0c11aa", "num": "1", "target": "fe01.ex.test"}
    sign = lambda prf_hash, digest: hmac.new(
        tls_dsk_keys(master, ours, theirs, prf_hash)[0], signed_text(message).encode(), digest
    ).hexdigest()
    assert sign("sha256", "sha256") == "4b1342aeebe4a074f479702d0128a19425f1d1f018f703c189abbc9f2e34a853"
    assert sign("sha256", "sha1") == "820e65b4be88b79d960bb1e66c9c055ae083aedf"
    assert sign("sha384", "sha384").startswith("b80753b613dc92889aaf08b8b6298fbc8b3c1c42ba5ef879585715a483feddd2")
    assert instance("8248ca9ebb") == "4233FD41-093B-5FD6-B5D2-651ED55969E6"
    packer, text = Compressor(), b"SIP/2.0 200 OK\r\nFrom: <sip:ann@ex.test>;tag=a1\r\nTo: <sip:ann@ex.test>\r\n\r\n"
    assert packer.packet(text)[6:] == text[:50] + bytes.fromhex("f7b8c342834280")
    assert packer.packet(b"SIP/2.0 200 OK\r\n\r\n")[6:] == bytes.fromhex("e09e00d0a0")


def tshark(path, messages, *more):
    """What tshark prints; SIP on 443 must be told to it."""
    checks = [part for layer in ("tcp", "ip", "udp") for part in ("-o", f"{layer}.check_checksum:TRUE")]
    edge = ["-d", "tls.port==443,sip"] if "edge" in messages else []
    command = ["tshark", "-n", "-r", str(path), *checks, *edge, *more]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def check(path, messages):
    """What tshark finds wrong: malformed packets, checksums, SIP messages that are missing because they stay closed."""
    faults = ("_ws.malformed", "tcp.checksum.status==0", "ip.checksum.status==0", "udp.checksum.status==0")
    wrong = tshark(path, messages, "-Y", " || ".join(faults))
    if messages["sip"] is None:
        return wrong
    fields = (
        "-T",
        "fields",
        "-e",
        "sip.Request-Line",
        "-e",
        "sip.Status-Line",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=|",
    )
    lines = tshark(path, messages, "-Y", "sip", *fields)
    found = sum(len([part for part in line.replace("\t", "|").split("|") if part]) for line in lines.splitlines())
    if found != messages["sip"]:
        wrong += f" {found} SIP messages of {messages['sip']}"
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these scenarios")
    parser.add_argument("--check", action="store_true", help="let tshark read the captures")
    options = parser.parse_args()
    if not shutil.which("openssl"):
        sys.exit("cannot find openssl: apt-get install openssl")
    os.environ["OPENSSL_CONF"] = "/dev/null"  # the system's file may forbid the old versions wanted here
    self_test()
    out = ROOT / "captures/scenarios"
    out.mkdir(exist_ok=True)
    paths = sorted((ROOT / "tests/scenarios").glob("*.scenario"))
    stem = lambda path: path.name.removesuffix(".scenario")
    chosen = [path for path in paths if not options.only or stem(path) in options.only]
    with tempfile.TemporaryDirectory(prefix="scenarios-") as folder:
        certificates = Certificates(folder)
        for path in chosen:
            capture = out / f"{stem(path)}.pcapng"
            said = make(path, certificates, capture)
            if options.check and (wrong := check(capture, said)):
                print(f"{path.name}: {wrong}")
    if not options.only:
        names = {stem(path) for path in paths}
        for old in out.glob("*.pcapng"):
            if old.stem not in names:
                old.unlink()
    print(f"{len(chosen)} captures")


if __name__ == "__main__":
    main()
