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
    shows: ID [root] [SEVERITY]     not: ID...      quiet      outcome: [any] signed-in|failed|incomplete
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
    dns TYPE NAME = VALUE [after 20ms] [via IP] [held]     a look-up; what is held comes with "dns-answers". VALUE: NXDOMAIN,
                        NODATA, SERVFAIL, REFUSED, timeout, an address, "PRIO WEIGHT PORT HOST", "CNAME HOST [ADDRESS]"; several with |
    zone TYPE NAME = VALUE      what a later look-up of `discovery` gets; all else is NXDOMAIN
    discovery 2010|2013 [all]   the look-ups of that client, up to the first that gives an address
    dhcp [class=C] [ask=43,120] -> ACK [120=NAME] [43=WEBHOST]
    kerberos AS-REQ|TGS-REQ SNAME -> ok | error N | no answer    [at IP] [tcp]

Connections
    connect IP:PORT as c1 [lost N]      the first N SYNs are not answered
    pool c1 [options]           SRV and A look-up of pool01, TCP 10.1.0.10:5061, TLS (options as for tls)
    edge c1 [options]           the same for the Edge: sip.D, TCP 203.0.113.5:443
    syn IP:PORT no answer|once|refused|unreachable
    fin c1 [>|<]    rst c1 [>|<]    reopen c1 [PORT]    blackhole c1    keep-alive c1
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
    refresh c1          sign-out c1         negotiate c1 [refused]      from then on SIP is compressed
    garble c1           what is said from here on is no compressed SIP that anyone could read
    sip c1 > START LINE         sip c1 < START LINE

Web
    http c1 > GET /path         http c1 < 200 OK        (the body @crl is a list of revoked certificates)
    get URL at IP = 200 OK      post URL at IP = 500 ...    connection, TLS for https, request, answer, close
                        (answer: `no answer`, `refused`, `reset` are allowed; options cert=, names=, alert= as for tls)
    web-ticket HOST at IP       certificate HOST at IP      the healthy exchange
"""
import argparse, base64, hashlib, hmac, ipaddress, os, random, re, shutil, ssl, struct, subprocess, sys, tempfile, uuid
import warnings, zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

os.environ["OPENSSL_CONF"] = "/dev/null"  # the system's file may forbid the old versions wanted here
ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=timezone.utc)
MS, SECOND, MSS = 1_000_000, 1_000_000_000, 1460
REALM = "SIP Communications Service"
ALERTS = {"close_notify": 0, "handshake_failure": 40, "bad_certificate": 42, "unsupported_certificate": 43,
          "certificate_revoked": 44, "certificate_expired": 45, "certificate_unknown": 46, "unknown_ca": 48,
          "protocol_version": 70, "insufficient_security": 71, "internal_error": 80, "unrecognized_name": 112}
AGENTS = {"2007": ("UCCAPI/3.5.6907.0 OC/3.5.6907.0 (Microsoft Office Communicator 2007 R2)", "RTC/3.5"),
          "2010": ("UCCAPI/4.0.7577.314 OC/4.0.7577.314 (Microsoft Lync 2010)", "RTC/4.0"),
          "2013": ("UCCAPI/15.0.4517.1504 OC/15.0.4517.1504 (Microsoft Lync)", "RTC/5.0"),
          "2016": ("UCCAPI/16.0.4849.1000 OC/16.0.4849.1000 (Skype for Business)", "RTC/6.0"),
          "phone": ("CPE/4.0.7577.4463 OCPhone/4.0.7577.4463 (Microsoft Lync Phone Edition)", "RTC/5.0")}


class Mistake(Exception):
    """The scenario cannot be made; the text says why."""


def seconds(text):
    found = re.fullmatch(r"([+-]?[\d.]+)(ms|s|m|h)", text)
    if not found:
        raise Mistake(f"no duration: {text}")
    return int(float(found[1]) * {"ms": MS, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}[found[2]])


def b64(data):
    return base64.b64encode(data).decode()


# --------------------------------------------------------------------------------------------- certificates

class Certificates:
    """Made by `openssl ca`, the only command of OpenSSL 3.0 that sets both dates. One key per kind of owner."""

    ISSUERS = {"good": "/CN=Ex Test Root CA", "public": "/C=US/O=DigiCert Inc/CN=DigiCert TLS RSA SHA256 2020 CA1",
               "untrusted": "/CN=Other Lab CA", "client": "/CN=Communications Server",
               "proxy": "/C=US/ST=California/L=Sunnyvale/O=Fortinet/OU=Certificate Authority/CN=FG100E4Q17000001",
               "zscaler": "/C=US/ST=California/O=Zscaler Inc./OU=Zscaler Inc./CN=Zscaler Intermediate Root CA (zscaler.net)"}
    DAYS = {"expired": (-760, -30), "not-yet": (3, 733), "soon": (-700, 6), "old": (-760, -30)}

    def __init__(self, folder):
        self.folder, self.made = Path(folder), {}
        self.keys = {}

    def run(self, *arguments, text=None):
        done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True)
        if done.returncode:
            raise Mistake(f"openssl {arguments[0]}: {done.stderr[-400:]}")

    def key(self, name):
        if name not in self.keys:
            self.keys[name] = self.folder / f"{name}.key"
            self.run("genrsa", "-out", self.keys[name], 2048)
        return self.keys[name]

    def issuer(self, name):
        """Certificate of a CA."""
        path = self.folder / f"ca-{name}.pem"
        if not path.exists():
            self.sign(path, self.ISSUERS[name], self.key(f"ca-{name}"), None, (-1000, 3000), "basicConstraints=critical,CA:TRUE")
        return path

    def sign(self, path, subject, key, issuer, days, extensions):
        signer = ["-selfsign", "-keyfile", key] if issuer is None else ["-cert", self.issuer(issuer), "-keyfile", self.key(f"ca-{issuer}")]
        serial = f"{0x4100000000000000 + zlib.crc32(path.name.encode()):x}"
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text(serial + "\n")
        config = self.folder / "ca.cnf"
        config.write_text(f"""[ca]\ndefault_ca=it\n[it]\ndatabase={self.folder}/index\nserial={self.folder}/serial
new_certs_dir={self.folder}\ndefault_md=sha256\npolicy=any\nx509_extensions=ext\nunique_subject=no\nemail_in_dn=no
[any]\ncommonName=supplied\norganizationName=optional\norganizationalUnitName=optional\ncountryName=optional
stateOrProvinceName=optional\nlocalityName=optional\n[ext]\n{extensions}\n[req]\ndistinguished_name=dn\n[dn]\n""")
        request = self.folder / "request.pem"
        self.run("req", "-new", "-config", config, "-key", key, "-subj", subject, "-out", request)
        dates = [(START + timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days]
        self.run("ca", "-batch", "-notext", "-preserveDN", "-config", config, "-in", request, "-out", path,
                 "-startdate", dates[0], "-enddate", dates[1], *signer)

    def server(self, kind, names):
        """File with chain and key of a server's certificate."""
        place = (kind, tuple(names))
        if place not in self.made:
            self.made[place] = path = self.folder / f"server-{len(self.made)}.pem"
            alone = self.folder / f"server-{kind}-{'-'.join(names)[:80]}.crt"
            issuer = None if kind == "self-signed" else kind if kind in self.ISSUERS else "good"
            san = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
            san += "\nextendedKeyUsage=serverAuth\ncrlDistributionPoints=URI:http://crl.ex.test/root.crl"
            self.sign(alone, f"/CN={names[0]}", self.key("server"), issuer, self.DAYS.get(kind, (-30, 700)), san)
            path.write_text(alone.read_text() + self.key("server").read_text())
        return self.made[place]

    def revoked(self):
        """The list of revoked certificates of the CA, which is empty."""
        path = self.folder / "root.crl"
        if not path.exists():
            self.issuer("good")
            self.run("ca", "-gencrl", "-config", self.folder / "ca.cnf", "-cert", self.issuer("good"), "-keyfile", self.key("ca-good"),
                     "-crldays", 7, "-out", path)
            self.run("crl", "-in", path, "-outform", "DER", "-out", path)
        return path.read_bytes()

    def user(self, kind, name):
        """File with certificate and key of a user, as the pool issues it (180 days)."""
        place = ("user", kind, name)
        if place not in self.made:
            self.made[place] = path = self.folder / f"user-{len(self.made)}.pem"
            alone = self.folder / f"user-{kind}-{name}.crt"
            days = (-200, -20) if kind == "expired" else (-10, 170)
            self.sign(alone, f"/CN={name}", self.key("user"), "client", days, "extendedKeyUsage=clientAuth")
            path.write_text(alone.read_text() + self.key("user").read_text())
        return self.made[place]


# ------------------------------------------------------------------------------------------------------ TLS

class Tls:
    """Both ends of one TLS session."""

    VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

    def __init__(self, folder, pem, version="1.2", sni=None, suite=None, user=None, user_ca=None, verify=False, asks=False, resume=None):
        self.log = folder / "keylog"
        self.log.unlink(missing_ok=True)
        self.client_context = resume.client_context if resume else self.context(ssl.PROTOCOL_TLS_CLIENT, version, suite)
        self.server_context = resume.server_context if resume else self.context(ssl.PROTOCOL_TLS_SERVER, version, suite)
        self.client_context.keylog_filename = str(self.log)
        if not resume:
            self.client_context.check_hostname = False
            self.client_context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
            self.server_context.load_cert_chain(pem)
            if asks:
                self.server_context.verify_mode = ssl.CERT_OPTIONAL
                self.server_context.load_verify_locations(asks)
            if user:
                self.client_context.load_cert_chain(user)
                self.server_context.verify_mode = ssl.CERT_OPTIONAL
                self.server_context.verify_flags |= 0x200000 | 0x80000  # no check of time, partial chain
                self.server_context.load_verify_locations(user_ca)
        self.ends = {}
        for way, context in ((">", self.client_context), ("<", self.server_context)):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            more = {"server_hostname": sni, "session": resume.ends[">"][0].session if resume else None} if way == ">" else {}
            self.ends[way] = (context.wrap_bio(incoming, outgoing, server_side=way == "<", **more), incoming, outgoing)

    def context(self, protocol, version, suite):
        context = ssl.SSLContext(protocol)
        context.minimum_version = context.maximum_version = self.VERSIONS[version]
        if version != "1.3":
            context.set_ciphers((suite or ("ECDHE-RSA-AES128-SHA:AES128-SHA" if version == "1.0" else
                                           "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA256:AES128-SHA")) + ":@SECLEVEL=0")
        context.options |= ssl.OP_NO_TICKET
        if protocol == ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0
        return context

    def go_on(self, way):
        """Lets one end work on what it has; what it wants to send."""
        end, _, outgoing = self.ends[way]
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failed = error
        return outgoing.read()

    def give(self, way, data):
        """What `way` said reaches the other end."""
        self.ends["<" if way == ">" else ">"][1].write(data)

    def wrap(self, way, data):
        end, _, outgoing = self.ends[way]
        end.write(data)
        records = outgoing.read()
        self.give(way, records)
        other = self.ends["<" if way == ">" else ">"][0]
        try:
            while other.read(65536):
                pass
        except ssl.SSLWantReadError:
            pass
        return records

    def close(self, way):
        end, _, outgoing = self.ends[way]
        try:
            end.unwrap()
        except ssl.SSLError:
            pass
        return outgoing.read()

    def secrets(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


def prf(digest, secret, label, seed, length):
    """P_hash of TLS 1.2 (RFC 5246, section 5)."""
    a, out, seed = label + seed, b"", label + seed
    while len(out) < length:
        a = hmac.new(secret, a, digest).digest()
        out += hmac.new(secret, a + seed, digest).digest()
    return out[:length]


def tls_dsk_keys(master, client_random, server_random, prf_hash):
    """Keys of the client and the server, [MS-SIPAE] 3.2.5.1."""
    material = prf(prf_hash, master, b"client EAP encryption", client_random + server_random, 128)
    return material[64:96], material[96:128]


def signed_text(message, status=""):
    """The string that is signed, version 3 and later."""
    own = message.authentication
    uri = lambda name: re.search(r"<([^>]*)>", message.get(name))[1]
    tag = lambda name: (re.findall(r";tag=([^;]+)", message.get(name)) or [""])[0]
    number, method = message.get("CSeq").split()
    identity = re.findall(r"<?((?:sip|tel):[^>,;]*)", message.get("P-Asserted-Identity") or message.get("P-Preferred-Identity") or "")
    parts = [own["scheme"], own["rand"], own["num"], REALM, own["target"], message.get("Call-ID"), number, method,
             uri("From"), tag("From"), uri("To"), tag("To"),
             next((found for found in identity if found.startswith("sip")), ""),
             next((found for found in identity if found.startswith("tel")), ""), message.get("Expires") or ""]
    return "".join(f"<{part}>" for part in parts + ([status] if status else []))


# --------------------------------------------------------------------------------- small binary formats

def der(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else (lambda n: bytes([0x80 | len(n)]) + n)(
        len(body).to_bytes((len(body).bit_length() + 7) // 8, "big"))
    return bytes([tag]) + size + body


def der_int(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def der_seq(*parts):
    return der(0x30, *parts)


def ctx(number, *parts):
    return der(0xA0 + number, *parts)


def app(number, *parts):
    return der(0x60 + number, *parts)


def general(text):
    return der(0x1B, text.encode())


def principal(kind, name):
    return der_seq(ctx(0, der_int(kind)), ctx(1, der_seq(*map(general, name.split("/")))))


class Kerberos:
    """Messages of RFC 4120, as far as a reader without keys sees into them."""

    def __init__(self, rng, realm, user):
        self.rng, self.realm, self.user = rng, realm, user

    def sealed(self, size, kvno=None):
        version = [ctx(1, der_int(kvno))] if kvno else []
        return der_seq(ctx(0, der_int(18)), *version, ctx(2, der(4, self.rng.randbytes(size))))

    def ticket(self, name):
        return app(1, der_seq(ctx(0, der_int(5)), ctx(1, general(self.realm)), ctx(2, principal(2, name)), ctx(3, self.sealed(180, 3))))

    def ap_req(self, name):
        return app(14, der_seq(ctx(0, der_int(5)), ctx(1, der_int(14)), ctx(2, der(3, b"\0\x20\0\0\0")), ctx(3, self.ticket(name)),
                               ctx(4, self.sealed(120))))

    def gss(self, name):
        """Initial token of RFC 4121 around an AP-REQ."""
        return der(0x60, bytes.fromhex("06092a864886f7120102020100"), self.ap_req(name))

    def request(self, kind, name, preauth):
        asks = kind == "AS-REQ"
        padata = []
        if not asks:
            krbtgt = f"krbtgt/{self.realm}"
            padata = [ctx(3, der_seq(der_seq(ctx(1, der_int(1)), ctx(2, der(4, self.ap_req(krbtgt))))))]
        elif preauth:
            padata = [ctx(3, der_seq(der_seq(ctx(1, der_int(2)), ctx(2, der(4, self.sealed(56))))))]
        who = [ctx(1, principal(1, self.user))] if asks else []
        body = der_seq(ctx(0, der(3, b"\0\x40\x81\0\x10")), *who, ctx(2, general(self.realm)), ctx(3, principal(2, name)),
                       ctx(5, der(0x18, b"20370913024805Z")), ctx(7, der_int(self.rng.getrandbits(31))),
                       ctx(8, der_seq(der_int(18), der_int(17), der_int(23))))
        number = 10 if asks else 12
        return app(number, der_seq(ctx(1, der_int(5)), ctx(2, der_int(number)), *padata, ctx(4, body)))

    def reply(self, kind, name):
        number = 11 if kind == "AS-REQ" else 13
        return app(number, der_seq(ctx(0, der_int(5)), ctx(1, der_int(number)), ctx(3, general(self.realm)),
                                   ctx(4, principal(1, self.user)), ctx(5, self.ticket(name)), ctx(6, self.sealed(150))))

    def error(self, code, name, when):
        data = []
        if code == 25:
            info = der_seq(der_seq(ctx(0, der_int(18)), ctx(1, general(f"{self.realm}{self.user}"))))
            data = [ctx(12, der(4, der_seq(der_seq(ctx(1, der_int(19)), ctx(2, der(4, info))))))]
        return app(30, der_seq(ctx(0, der_int(5)), ctx(1, der_int(30)), ctx(4, der(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())),
                               ctx(5, der_int(when.microsecond)), ctx(6, der_int(code)), ctx(9, general(self.realm)),
                               ctx(10, principal(2, name)), *data))


def utf16(text):
    return text.encode("utf-16-le")


def ntlm_challenge(rng, domain, server, when):
    """CHALLENGE_MESSAGE, [MS-NLMP] 2.2.1.2."""
    netbios, dns = domain.split(".")[0].upper(), domain
    filetime = int((when - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds() * 10_000_000)
    pairs = [(2, utf16(netbios)), (1, utf16(server.split(".")[0].upper())), (4, utf16(dns)), (3, utf16(server)), (5, utf16(dns)),
             (7, struct.pack("<Q", filetime)), (0, b"")]
    info = b"".join(struct.pack("<HH", number, len(value)) + value for number, value in pairs)
    name = utf16(netbios)
    field = lambda data, offset: struct.pack("<HHI", len(data), len(data), offset)
    return (b"NTLMSSP\0" + struct.pack("<I", 2) + field(name, 56) + struct.pack("<I", 0x62898255) + rng.randbytes(8) + bytes(8)
            + field(info, 56 + len(name)) + bytes.fromhex("0601b11d0000000f") + name + info), info


def ntlm_authenticate(rng, domain, user, machine, info, when):
    """AUTHENTICATE_MESSAGE with an NTLMv2 response, [MS-NLMP] 2.2.1.3."""
    filetime = int((when - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds() * 10_000_000)
    blob = b"\1\1" + bytes(6) + struct.pack("<Q", filetime) + rng.randbytes(8) + bytes(4) + info + bytes(4)
    fields = [rng.randbytes(24), rng.randbytes(16) + blob, utf16(domain.split(".")[0].upper()), utf16(user), utf16(machine), rng.randbytes(16)]
    order, offset, places = [2, 3, 4, 0, 1, 5], 72, {}
    for number in order:
        places[number] = offset
        offset += len(fields[number])
    head = b"".join(struct.pack("<HHI", len(fields[n]), len(fields[n]), places[n]) for n in range(6))
    return (b"NTLMSSP\0" + struct.pack("<I", 3) + head + struct.pack("<I", 0x62898255) + bytes.fromhex("0601b11d0000000f")
            + b"".join(fields[number] for number in order))


def ntlm_negotiate():
    return b"NTLMSSP\0" + struct.pack("<II", 1, 0xE2088297) + bytes(16) + bytes.fromhex("0601b11d0000000f")


def dns_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Compressor:
    """LZ77-8K of [MS-SIPCOMP]: one history a direction, every packet begins it anew or goes on."""

    def __init__(self):
        self.history = b""

    def packet(self, data):
        """Header of six bytes (flags, size before, size after, each 16 bits) and the bits."""
        flags = 0x2
        if not self.history or len(self.history) + len(data) > 8192:
            self.history, flags = b"", 0x6
        bits, position, window = [], 0, self.history
        while position < len(data):
            length, distance = self.match(window, data, position)
            if length >= 3:
                bits += [self.offset(distance), self.length(length)]
            else:
                length, value = 1, data[position]
                bits.append(f"{value:08b}" if value < 128 else f"10{value & 127:07b}")
            window += data[position:position + length]
            position += length
        self.history = window
        text = "".join(bits)
        text += "0" * (-len(text) % 8)
        body = int(text, 2).to_bytes(len(text) // 8, "big")
        return struct.pack(">HHH", flags << 12, len(data), len(body)) + body

    @staticmethod
    def match(window, data, position):
        best, where, length = 0, 0, 3
        while position + length <= len(data):
            found = window.rfind(data[position:position + length])
            if found < 0:
                break
            best, where, length = length, len(window) - found, length + 1
        return best, where

    @staticmethod
    def offset(distance):
        return f"1111{distance:06b}" if distance < 64 else f"1110{distance - 64:08b}" if distance < 320 else f"110{distance - 320:013b}"

    @staticmethod
    def length(length):
        if length == 3:
            return "0"
        ones = length.bit_length() - 2
        return "1" * ones + "0" + f"{length - (1 << (ones + 1)):0{ones + 1}b}"


# -------------------------------------------------------------------------------------------------- packets

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
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, 0x4000, ttl, protocol, 0) + source.packed + target.packed
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
        head = struct.pack(">HHIIBBHHH", source_port, target_port, self.next[way] & 0xFFFFFFFF, acked & 0xFFFFFFFF,
                           (5 + len(options) // 4) << 4, flags, 64240 if flags & SYN else 1026, 0, 0) + options
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
        pieces = [data[at:at + MSS] for at in range(0, len(data), MSS)]
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
            data = b"".join(self.compressor[way].packet(data[at:at + 4096]) for at in range(0, len(data), 4096))
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


# ------------------------------------------------------------------------------------------------------ SIP

class Client:
    """A machine and the user on it."""

    def __init__(self, rng, ip, options):
        self.rng, self.ip, self.port = rng, ip, 49152 + rng.randrange(4000)
        self.dns, self.domain = options.get("dns", "10.1.0.53"), options.get("domain", "ex.test")
        self.user, self.agent = options.get("user", "ann"), options.get("agent", "2010")
        self.uri = f"sip:{self.user}@{self.domain}"
        self.epid = options.get("epid", f"{rng.getrandbits(40):010x}")
        self.machine = options.get("machine", "PC07")
        self.instance = instance(self.epid)
        raw = uuid.UUID(self.instance).bytes_le + b"\0\0"
        self.gruu = f"{self.uri};opaque=user:epid:{base64.urlsafe_b64encode(raw).decode()};gruu"
        self.resolver_port = lambda: 50000 + rng.randrange(15000)
        self.publications = 0

    def next_port(self):
        self.port += 1
        return self.port


def instance(epid):
    """+sip.instance of an epid, [MS-SIPRE]."""
    digest = bytearray(hashlib.sha1(uuid.UUID("fcacfb03-8a73-46ef-91b1-e5ebeeaba4fe").bytes_le + epid.encode()).digest()[:16])
    digest[7] = (digest[7] & 0x0F) | 0x50
    digest[8] = (digest[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes_le=bytes(digest))).upper()


class Sip:
    """A message: start line, headers in order, body."""

    def __init__(self, start, headers, body=""):
        self.start, self.headers, self.body, self.authentication = start, list(headers), body, None

    def get(self, name):
        return next((value for own, value in self.headers if own.lower() == name.lower()), None)

    def put(self, name, value):
        self.headers.append((name, value))

    def override(self, given):
        """Headers of the scenario: they replace those of the same name; '-' takes one away."""
        names = {name.lower() for name, _ in given}
        first = {name: next((i for i, (own, _) in enumerate(self.headers) if own.lower() == name), len(self.headers)) for name in names}
        kept = [(i, header) for i, header in enumerate(self.headers) if header[0].lower() not in names]
        new = [(first[name.lower()], (name, value)) for name, value in given if value != "-"]
        self.headers = [header for _, header in sorted(kept + new, key=lambda pair: pair[0])]

    def bytes(self):
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        headers = self.headers if self.get("Content-Length") is not None else self.headers + [("Content-Length", str(len(body)))]
        return "".join([self.start + "\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"]).encode() + body


class Association:
    """A security association: who signs how."""

    HASHES = {40: "sha1", 64: "sha256", 96: "sha384"}

    def __init__(self, scheme, rng, target):
        self.scheme, self.rng, self.target = scheme, rng, target
        self.name = f"sip/{target}" if scheme == "Kerberos" else target
        self.opaque = f"{rng.getrandbits(32):08X}"
        self.count, self.keys, self.digest, self.spoil, self.up = {">": 0, "<": 0}, None, None, None, False

    def sign(self, message, way, status=""):
        self.count[way] += 1
        rand = f"{self.rng.getrandbits(32):08x}"
        rand = rand if way == ">" else rand.upper()
        message.authentication = {"scheme": self.scheme, "rand": rand, "num": str(self.count[way]), "target": self.name}
        if self.keys:
            key = self.keys[0 if way == ">" else 1]
            value = hmac.new(key, signed_text(message, status).encode(), self.digest).hexdigest()
            if self.spoil == ("response" if way == ">" else "rspauth") and self.count[way] == 2:
                value = value[:-4] + f"{int(value[-4:], 16) ^ 0x5A5A:04x}"
        elif self.scheme == "NTLM":
            value = "01000000" + self.rng.randbytes(8).hex() + "64000000"
        else:
            value = "040400ffffffffff" + self.rng.randbytes(20).hex()
        names = ("crand", "cnum", "response") if way == ">" else ("srand", "snum", "rspauth")
        signature = f'{names[0]}="{rand}", {names[1]}="{self.count[way]}", {names[2]}="{value}"'
        return (f'{self.scheme} qop="auth", opaque="{self.opaque}", realm="{REALM}", targetname="{self.name}", {signature}, version=4')


NS_SELF = "http://schemas.microsoft.com/2006/09/sip/roaming-self"


class Service:
    """The requests that follow the registration, and their healthy answers."""

    def __init__(self, client, rng):
        self.client, self.rng, self.uri = client, rng, client.uri

    def subscription(self, event, kind, body="", more=()):
        content = [("Content-Type", kind)] if body else []
        ask = (f"SUBSCRIBE {self.uri} SIP/2.0", [("Event", event), ("Accept", kind), ("Supported", "com.microsoft.autoextend"),
               ("Supported", "ms-benotify"), ("Proxy-Require", "ms-benotify"), ("Supported", "ms-piggyback-first-notify"), *more, *content], body)
        return ask, lambda answer: (200, "OK", [("Expires", "36000"), ("Event", event), ("subscription-state", "active;expires=36000"),
                                                ("ms-piggyback-cseq", "1"), ("Supported", "ms-benotify, ms-piggyback-first-notify"),
                                                ("Content-Type", kind)], answer)

    def cccp(self, child, answer, code="success"):
        focus = f"{self.uri};gruu;opaque=app:conf:focusfactory"
        number = self.rng.randrange(1000, 9_999_999)
        space = 'xmlns="urn:ietf:params:xml:ns:cccp" xmlns:ci="urn:ietf:params:xml:ns:conference-info" xmlns:msci="http://schemas.microsoft.com/rtc/2005/08/confinfoextensions" C3PVersion="1"'
        ask = f'<request {space} to="{focus}" from="{self.uri}" requestId="{number}">{child}</request>'
        reply = f'<response {space} from="{focus}" to="{self.uri}" requestId="{number}" code="{code}">{answer}</response>'
        kind = [("Content-Type", "application/cccp+xml")]
        return (f"SERVICE {focus} SIP/2.0", kind + [("Supported", "ms-sender")], ask), (200, "OK", kind, reply)

    def publication(self, body, answer):
        ask = f'<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"><publications uri="{self.uri}">{body}</publications></publish>'
        roaming = f'<roamingData xmlns="{NS_SELF}"><categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="{self.uri}">{answer}</categories></roamingData>'
        return ((f"SERVICE {self.uri} SIP/2.0", [("Content-Type", "application/msrtc-category-publish+xml")], ask),
                (200, "OK", [("Content-Type", "application/vnd-microsoft-roaming-self+xml")], roaming))

    def profile(self):
        return ((f"SERVICE {self.uri};gruu;opaque=app:locationprofile:get;default SIP/2.0",
                 [("Accept", "application/ms-location-profile-definition+xml")], ""),
                (403, "Forbidden", [("ms-diagnostics", '14012;reason="User is not enabled for enterprise voice";source="pool01.ex.test"')], ""))

    def contacts(self):
        ask, answer = self.subscription("vnd-microsoft-roaming-contacts", "application/vnd-microsoft-roaming-contacts+xml")
        return ask, answer('<contactList deltaNum="3"><group id="1" name="~" externalURI=""/><contact uri="bob@ex.test" name="" groups="1 " '
                           'subscribed="true" externalURI=""/></contactList>')

    def provisioning(self):
        groups = "".join(f'<provisioningGroup name="{name}"/>' for name in ("ServerConfiguration", "endpointConfiguration", "ucPolicy"))
        ask, answer = self.subscription("vnd-microsoft-provisioning-v2", "application/vnd-microsoft-roaming-provisioning-v2+xml",
                                        f'<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">{groups}</provisioningGroupList>')
        return ask, answer(f'<provisionGroupList><provisionGroup name="ServerConfiguration"><focusFactoryUri>{self.uri};gruu;opaque=app:conf:focusfactory'
                           '</focusFactoryUri><absInternalServerUrl>https://webint.ex.test/abs/handler</absInternalServerUrl><mrasUri>sip:mras.ex.test@ex.test;gruu;'
                           'opaque=srvr:MRAS:abc</mrasUri></provisionGroup></provisionGroupList>')

    def self(self):
        wanted = "".join(f'<roaming type="{kind}"/>' for kind in ("categories", "containers", "subscribers", "delegates"))
        ask, answer = self.subscription("vnd-microsoft-roaming-self", "application/vnd-microsoft-roaming-self+xml",
                                        f'<roamingList xmlns="{NS_SELF}">{wanted}</roamingList>')
        return ask, answer(f'<roamingData xmlns="{NS_SELF}"><categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="{self.uri}">'
                           '<category name="note" instance="0" publishTime="2026-11-20T08:00:00.000" container="300" version="1" expireType="static"/></categories>'
                           '<containers><container id="300" version="0"><member type="sameEnterprise"/></container></containers><subscribers/><delegates version="0"/></roamingData>')

    def acl(self):
        ask, answer = self.subscription("vnd-microsoft-roaming-ACL", "application/vnd-microsoft-roaming-acls+xml")
        return ask, answer('<ACLlist deltaNum="1"/>')

    def capabilities(self):
        return self.cccp("<getConferencingCapabilities/>", "<getConferencingCapabilities><mcu-types><mcuType>chat</mcuType><mcuType>audio-video</mcuType>"
                         "</mcu-types></getConferencingCapabilities>")

    def conferences(self):
        return self.cccp('<getConferences static="true"/>', "<getConferences/>")

    def add_conference(self):
        return self.cccp('<addConference><ci:conference-info entity="" static="true"><ci:conference-description><ci:subject/><msci:conference-id>2N70ABCD'
                         "</msci:conference-id></ci:conference-description></ci:conference-info></addConference>",
                         f'<addConference><ci:conference-info entity="{self.uri};gruu;opaque=app:conf:focus:id:2N70ABCD" state="partial" version="1"/></addConference>')

    def conference_key(self):
        return self.cccp('<getConference><conferenceKeys msci:conference-id="2N70ABCD"/></getConference>',
                         f'<getConference><ci:conference-info entity="{self.uri};gruu;opaque=app:conf:focus:id:2N70ABCD" state="full" version="1"/></getConference>')

    def publish(self):
        version, number = self.client.publications, 926460663
        self.client.publications += 1
        state = ('<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" manual="false" '
                 'xsi:type="machineState"><availability>3500</availability><endpointLocation/></state>')
        ask = "".join(f'<publication categoryName="state" instance="{number}" container="{box}" version="{version}" expireType="endpoint">{state}</publication>'
                      for box in (2, 3))
        answer = "".join(f'<category name="state" instance="{number}" publishTime="2026-11-24T09:00:01.000" container="{box}" version="{version + 1}" '
                         f'expireType="endpoint" endpointId="{self.client.instance}">{state}</category>' for box in (2, 3))
        return self.publication(ask, answer)

    def device(self):
        device = (f'<device xmlns="http://schemas.microsoft.com/2006/09/sip/device" endpointId="{self.client.instance}"><capabilities preferred="false" '
                  f'uri="{self.uri}"><text capture="true" render="true" publish="false"/></capabilities><timezone>00:00:00+01:00</timezone>'
                  f"<machineName>{self.client.machine}</machineName></device>")
        return self.publication(f'<publication categoryName="device" instance="1234567" container="2" version="0" expireType="endpoint">{device}</publication>',
                                f'<category name="device" instance="1234567" publishTime="2026-11-24T09:00:01.000" container="2" version="1" '
                                f'expireType="endpoint" endpointId="{self.client.instance}">{device}</category>')

    def buddies(self):
        batch = '<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="' + self.uri + '" name=""><action name="subscribe" id="1">' \
                '<adhocList><resource uri="sip:bob@ex.test"/></adhocList><categoryList><category name="state"/></categoryList></action></batchSub>'
        ask, answer = self.subscription("presence", "application/msrtc-event-categories+xml", batch,
                                        [("Require", "adhoclist, categoryList"), ("Content-Type", "application/msrtc-adrl-categorylist+xml")])
        return (ask[0], [h for h in ask[1] if h != ("Content-Type", "application/msrtc-event-categories+xml")], ask[2]), answer(
            '<categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="sip:bob@ex.test"/>')

    def relay(self):
        kind = [("Content-Type", "application/msrtc-media-relay-auth+xml")]
        ask = ('<request xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp" requestID="5" version="2.0" from="' + self.uri +
               '" to="sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc"><credentialsRequest credentialsRequestID="1"><identity>' + self.uri +
               "</identity><location>intranet</location><duration>480</duration></credentialsRequest></request>")
        return (("SERVICE sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc SIP/2.0", kind, ask),
                (200, "OK", kind, '<response xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp" requestID="5" version="2.0" reasonPhrase="OK"/>'))


EVERYTHING = ["profile", "contacts", "provisioning", "self", "capabilities", "publish", "device"]


# ------------------------------------------------------------------------------------------------ statements

class Play:
    """Runs the statements of one scenario."""

    def __init__(self, name, certificates):
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is old, and meant
        self.rng = random.Random(name)
        self.record = Recorder(self.rng)
        self.record.idle = self.acknowledge
        self.certificates, self.folder = certificates, certificates.folder
        self.clients, self.client, self.zone, self.links, self.sessions = {}, None, {}, {}, {}
        self.skew, self.keys, self.held = 0, True, []
        self.said = {"sip": 0}  # what --check expects

    def acknowledge(self):
        for link in list(self.links.values()):
            link.acknowledge()

    def run(self, line, block):
        verb, _, rest = line.partition(" ")
        method = getattr(self, "do_" + verb.replace("-", "_"), None)
        if method is None:
            raise Mistake(f"unknown statement: {verb}")
        self.record.pass_time(MS)
        method(rest.strip(), block)

    @staticmethod
    def options(words):
        return dict(word.split("=", 1) if "=" in word else (word, "") for word in words)

    def link(self, name):
        if name not in self.links:
            raise Mistake(f"no connection {name}")
        return self.links[name]

    def server_time(self):
        return self.record.when() + timedelta(microseconds=self.skew // 1000)

    def date(self):
        return self.server_time().strftime("%a, %d %b %Y %H:%M:%S GMT")

    def host(self, name):
        return name if "." in name else f"{name}.{self.client.domain}"

    # -- who and when

    def do_client(self, rest, _):
        words = rest.split()
        client = Client(self.rng, words[0], dict(zip(words[1::2], words[2::2])))
        self.clients[f"{client.user}@{client.ip}"] = self.client = client
        self.record.clients.add(client.ip)

    def do_use(self, rest, _):
        self.client = next((client for name, client in self.clients.items() if name == rest or name.split("@")[0] == rest), None)
        if self.client is None:
            raise Mistake(f"no client {rest}")

    def do_wait(self, rest, _):
        self.record.pass_time(seconds(rest))

    def do_server_clock(self, rest, _):
        self.skew = seconds(rest)

    def do_begin(self, _rest, _):
        self.record.packets.clear()
        self.said["sip"] = None

    def do_only(self, rest, _):
        self.record.only = rest

    def do_gap(self, rest, _):
        name, way, *count = rest.split()
        self.link(name).hidden[way] = int(count[0]) if count else 1

    # -- names

    def records(self, kind, name, value):
        """Answer section: resource records and the rcode."""
        codes = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5, "NODATA": 0}
        if value in codes:
            return [], codes[value]
        numbers = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
        found = []
        for part in (piece.strip() for piece in value.split("|")):
            words = part.split()
            if words[0] == "CNAME":
                found.append((name, 5, dns_name(words[1])))
                if len(words) > 2:
                    address = ipaddress.ip_address(words[2])
                    found.append((words[1], 1 if address.version == 4 else 28, address.packed))
            elif kind == "SRV":
                if len(words) != 4:
                    raise Mistake(f"an SRV record is PRIORITY WEIGHT PORT HOST: {part}")
                found.append((name, 33, struct.pack(">HHH", *map(int, words[:3])) + dns_name(words[3])))
            else:
                found.append((name, numbers[kind], ipaddress.ip_address(part).packed))
        return found, 0

    def look_up(self, kind, name, value, delay=2 * MS, resolver=None, held=False):
        types = {"A": 1, "AAAA": 28, "SRV": 33, "CNAME": 5}
        client, resolver = self.client, resolver or self.client.dns
        number, port = self.rng.getrandbits(16), self.client.resolver_port()
        question = dns_name(name) + struct.pack(">HH", types[kind], 1)
        query = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
        self.record.udp(client.ip, port, resolver, 53, query)
        if value == "timeout":
            for pause in (1, 1, 2, 4):
                self.record.pass_time(pause * SECOND)
                self.record.udp(client.ip, port, resolver, 53, query)
            self.record.pass_time(4 * SECOND)
            return
        if not held:
            self.record.pass_time(delay)
        answers, code = self.records(kind, name, value)
        authority = b""
        if not answers and code in (0, 3):
            zone = client.domain
            soa = dns_name(f"ns1.{zone}") + dns_name(f"hostmaster.{zone}") + struct.pack(">IIIII", 2026112401, 3600, 600, 86400, 900)
            authority = dns_name(zone) + struct.pack(">HHIH", 6, 1, 900, len(soa)) + soa
        body = b"".join((b"\xc0\x0c" if owner == name else dns_name(owner)) + struct.pack(">HHIH", rtype, 1, 1200, len(data)) + data
                        for owner, rtype, data in answers)
        head = struct.pack(">HHHHHH", number, 0x8580 | code, 1, len(answers), 1 if authority else 0, 0)
        answer = (resolver, 53, client.ip, port, head + question + body + authority)
        if held:
            self.held.append(answer)
        else:
            self.record.udp(*answer)

    @staticmethod
    def lookup_parts(rest):
        found = re.fullmatch(r"(\S+) (\S+) = (.*?)(?: after (\S+))?(?: via (\S+))?(?: (held))?", rest)
        if not found:
            raise Mistake("TYPE NAME = VALUE [after TIME] [via IP] [held]")
        return found.groups()

    def do_dns(self, rest, _):
        kind, name, value, delay, resolver, held = self.lookup_parts(rest)
        self.look_up(kind, name, value, seconds(delay) if delay else 2 * MS, resolver, held=bool(held))

    def do_dns_answers(self, _rest, _):
        """In the reverse order of the questions."""
        while self.held:
            self.record.udp(*self.held.pop())

    def do_zone(self, rest, _):
        kind, name, value = self.lookup_parts(rest)[:3]
        self.zone[kind, name] = value

    def do_discovery(self, rest, _):
        words = rest.split()
        domain = self.client.domain
        names = [("SRV", "_sipinternaltls._tcp"), ("SRV", "_sip._tls"), ("A", "sipinternal"), ("A", "sip"), ("A", "sipexternal")]
        if words[0] != "2010":
            names = [("A", "lyncdiscoverinternal"), ("A", "lyncdiscover")] + names
        for kind, label in names:
            value = self.zone.get((kind, f"{label}.{domain}"), "NXDOMAIN")
            self.look_up(kind, f"{label}.{domain}", value)
            self.record.pass_time(MS)
            found = value[0].isdigit() or value.startswith("CNAME")
            if found and kind == "SRV":
                target = value.split()[3]
                address = self.zone.get(("A", target), "NXDOMAIN")
                self.look_up("A", target, address)
                found = address[0].isdigit()
            if found and "all" not in words:
                return

    def do_dhcp(self, rest, _):
        ask, _, answer = rest.partition("->")
        options = self.options(ask.split())
        replies = self.options(answer.split())
        transaction, hardware = self.rng.randbytes(4), mac(self.client.ip)

        def message(reply, more):
            address = ipaddress.ip_address(self.client.ip).packed
            head = bytes([2 if reply else 1, 1, 6, 0]) + transaction + bytes(4) + address + bytes(12) + hardware + bytes(10 + 192)
            options = b"".join(bytes([code, len(value)]) + value for code, value in more)
            return (head + b"\x63\x82\x53\x63" + options + b"\xff").ljust(300, b"\0")

        server = str(ipaddress.ip_address(ipaddress.ip_address(self.client.ip).packed[:3] + b"\1"))
        request = [(53, b"\x08"), (61, b"\1" + hardware), (12, self.client.machine.encode())]
        if "class" in options:
            request.append((60, options["class"].encode()))
        request.append((55, bytes(map(int, options.get("ask", "43,120").split(",")))))
        self.record.udp(self.client.ip, 68, "255.255.255.255", 67, message(False, request))
        if "ACK" not in replies:
            return
        self.record.pass_time(3 * MS)
        reply = [(53, b"\x05"), (54, ipaddress.ip_address(server).packed), (15, self.client.domain.encode())]
        if "43" in replies:
            parts = ["MS-UC-Client", "https", replies["43"], "443", "/CertProv/CertProvisioningService.svc"]
            reply.append((43, b"".join(bytes([i, len(part)]) + part.encode() for i, part in enumerate(parts, 1))))
        if "120" in replies:
            reply.append((120, b"\0" + dns_name(replies["120"])))
        self.record.udp(server, 67, self.client.ip, 68, message(True, reply))

    def do_kerberos(self, rest, _):
        found = re.fullmatch(r"(AS-REQ|TGS-REQ) (\S+) -> (ok|no answer|error \d+)(?: at (\S+))?( tcp)?", rest)
        if not found:
            raise Mistake("AS-REQ|TGS-REQ SNAME -> ok | error N | no answer [at IP] [tcp]")
        kind, name, result, server, tcp = found.groups()
        kerberos = self.kerberos()
        request = kerberos.request(kind, name, preauth=result == "ok" or kind == "AS-REQ" and result not in ("error 25",))
        code = int(result.split()[1]) if result.startswith("error") else None
        reply = None if result == "no answer" else kerberos.error(code, name, self.server_time()) if code else kerberos.reply(kind, name)
        server = server or self.client.dns
        if tcp:
            link = Connection(self.record, self.client, server, 88)
            link.shake_hands()
            link.say(">", struct.pack(">I", len(request)) + request)
            if reply:
                link.say("<", struct.pack(">I", len(reply)) + reply)
            return link.finish(">")
        port = self.client.resolver_port()
        self.record.udp(self.client.ip, port, server, 88, request)
        if reply:
            self.record.pass_time(MS)
            self.record.udp(server, 88, self.client.ip, port, reply)
        else:
            self.record.pass_time(3 * SECOND)

    def kerberos(self):
        return Kerberos(self.rng, self.client.domain.upper(), self.client.user)

    # -- connections

    @staticmethod
    def address(text):
        found = re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?:(\d+)", text)
        if not found:
            raise Mistake(f"no address: {text}")
        return found[1], int(found[2])

    def do_connect(self, rest, _):
        found = re.fullmatch(r"(\S+) as (\S+)(?: lost (\d))?", rest)
        if not found:
            raise Mistake("connect IP:PORT as NAME [lost N]")
        self.connect(found[2], *self.address(found[1]), lost=int(found[3] or 0))

    def connect(self, name, ip, port, lost=0):
        self.links[name] = link = Connection(self.record, self.client, ip, port)
        link.name = name
        for turn in range(lost):
            link.segment(">", SYN, options=link.SYN_OPTIONS)
            self.record.pass_time((3 << turn) * SECOND)
        link.shake_hands()
        return link

    def do_pool(self, rest, _):
        self.reach(rest, "_sipinternaltls._tcp", 5061, "pool01", "10.1.0.10")

    def do_edge(self, rest, _):
        self.look_up("SRV", f"_sipinternaltls._tcp.{self.client.domain}", "NXDOMAIN", 12 * MS)
        self.reach(rest, "_sip._tls", 443, "sip", "203.0.113.5")

    def reach(self, rest, service, port, label, ip):
        name, *options = rest.split()
        host = self.host(label)
        self.look_up("SRV", f"{service}.{self.client.domain}", f"0 0 {port} {host}")
        self.record.pass_time(MS)
        self.look_up("A", host, ip)
        self.record.pass_time(MS)
        self.connect(name, ip, port)
        self.record.pass_time(MS)
        self.secure(self.links[name], {"server": host, **self.options(options)})

    def do_syn(self, rest, _):
        target, _, how = rest.partition(" ")
        link = Connection(self.record, self.client, *self.address(target))
        self.syn(link, how)

    def syn(self, link, how):
        pauses = {"no answer": (3, 6, 16), "once": (0,), "refused": (0.5, 0.5, 0), "unreachable": (0,)}
        if how not in pauses:
            raise Mistake("syn IP:PORT no answer|once|refused|unreachable")
        for pause in pauses[how]:
            link.segment(">", SYN, options=link.SYN_OPTIONS)
            if how == "refused":
                link.next[">"] += 1
                seq, link.next["<"] = link.next["<"], 0
                link.segment("<", RST | ACK)
                link.next["<"], link.next[">"] = seq, link.next[">"] - 1
            elif how == "unreachable":
                self.unreachable(link)
            self.record.pass_time(int(pause * SECOND))

    def unreachable(self, link):
        """ICMP "host unreachable" by the router, with the head of what it could not deliver."""
        original = self.record.packets[-1][1][14:14 + 28]
        body = struct.pack(">BBHI", 3, 1, 0, 0) + original
        body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
        router = str(ipaddress.ip_address(ipaddress.ip_address(link.client.ip).packed[:3] + b"\1"))
        self.record.ip(router, link.client.ip, 1, body)

    def do_fin(self, rest, _):
        name, *way = rest.split()
        self.link(name).finish(way[0] if way else ">")

    def do_rst(self, rest, _):
        name, *way = rest.split()
        self.link(name).reset(way[0] if way else "<")

    def do_reopen(self, rest, _):
        name, *port = rest.split()
        old = self.link(name)
        old.finish(">")
        self.client, before = old.client, self.client
        link = self.connect(name, old.server, int(port[0]) if port else old.addresses["<"][1])
        self.client = before
        if old.tls:
            self.secure(link, old.tls_options)

    def do_blackhole(self, rest, _):
        self.link(rest).black = True

    def do_keep_alive(self, rest, _):
        self.link(rest).say(">", b"\r\n\r\n")

    # -- TLS

    def do_tls(self, rest, _):
        name, *words = rest.split()
        link = self.link(name)
        if words[0] == "go":
            return self.finish_handshake(link, link.held, {**link.tls_options, **self.options(words[1:])})
        self.secure(link, self.options(words))

    def secure(self, link, options):
        link.tls_options = options
        server = self.host(options["server"])
        link.host = server
        names = [self.host(part) for part in options.get("names", server).split(",")]
        sni = options.get("sni", server)
        version, alert = options.get("version", "1.2"), options.get("alert")
        pem = self.certificates.server(options.get("cert", "good"), names)
        tls = Tls(self.folder, pem, version, None if sni == "none" else sni, options.get("suite"), verify=bool(alert) and version == "1.3",
                  asks=self.certificates.issuer("good") if "asks" in options else False,
                  resume=self.sessions.get(server) if "resume" in options else None)
        tls.failed = None
        hello = tls.go_on(">")
        link.send(">", hello)
        if "refuse" in options:
            return self.refuse(link, options["refuse"], version)
        tls.give(">", hello)
        flight = tls.go_on("<")
        link.send("<", flight)
        tls.give("<", flight)
        if "hold" in options:
            link.held = tls
        else:
            self.finish_handshake(link, tls, options)

    def finish_handshake(self, link, tls, options):
        """What the client does about the server's flight."""
        version, alert, server = options.get("version", "1.2"), options.get("alert"), link.host
        if alert and version == "1.3":
            if alert != "unknown_ca":
                raise Mistake("in TLS 1.3 only alert=unknown_ca can be made")
            link.send(">", tls.go_on(">"))
        elif alert:
            link.alert(">", alert, b"\3\1" if version == "1.0" else b"\3\3")
        if alert or options.get("then") in ("fin", "rst"):
            self.remember(tls, options)
            return link.reset(">") if options.get("then") == "rst" else link.finish(">")
        way = ">"
        while (flight := tls.go_on(way)):
            link.send(way, flight)
            tls.give(way, flight)
            way = link.other(way)
        if tls.failed:
            raise Mistake(f"TLS: {tls.failed}")
        self.remember(tls, options)
        link.tls = self.sessions[server] = tls
        if options.get("then") == "close":
            self.record.pass_time(8 * MS)
            link.finish(">")

    def remember(self, tls, options):
        if "nokey" not in options:
            self.record.secrets += tls.secrets()

    @staticmethod
    def refuse(link, how, version):
        if how == "rst":
            return link.reset("<")
        if how != "fin":
            link.alert("<", how, b"\3\1" if version == "1.0" else b"\3\3")
        link.finish("<")

    # -- SIP

    def parse_block(self, block):
        headers, body = [], []
        for line in block:
            found = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*): (.*)", line)
            if found and not body:
                headers.append((found[1], found[2]))
            else:
                body.append(line)
        return headers, "\r\n".join(body)

    def request(self, link, start, headers, body, given, kind=None, dialog=None):
        """A request of the client, with the headers that it always has."""
        client, method = link.client, start.split()[0]
        uri = re.sub(r"^\S+ (\S+) .*", r"\1", start)
        transport = "TLS" if link.tls else "TCP"
        dialog = dialog or {"tag": f"{self.rng.getrandbits(40):010x}", "call": f"{self.rng.getrandbits(128):032x}", "cseq": 0}
        dialog["cseq"] += 1
        to = client.uri if method == "REGISTER" else uri
        message = Sip(start, [
            ("Via", f"SIP/2.0/{transport} {self.at(link, '>')}"), ("Max-Forwards", "70"),
            ("From", f"<{client.uri}>;tag={dialog['tag']};epid={client.epid}"), ("To", f"<{to}>"), ("Call-ID", dialog["call"]),
            ("CSeq", f"{dialog['cseq']} {method}"), ("User-Agent", AGENTS[client.agent][0]),
            *([("Contact", f"<{client.gruu}>")] if method != "REGISTER" else []), *headers], body)
        message.dialog, message.kind, message.tag = dialog, kind, f"{self.rng.getrandbits(128):032X}"
        message.override(given)
        if link.sa and link.sa.up and not any(name.lower().endswith("authorization") for name, _ in given):
            message.headers.insert(7, ("Proxy-Authorization", link.sa.sign(message, ">")))
        link.last = link.requests[kind or method] = message
        self.speak(link, ">", message)
        return message

    def speak(self, link, way, message):
        """A SIP message."""
        if link.addresses["<"][1] == 443:
            self.said["edge"] = True
        if self.said["sip"] is not None and not (link.tls and "nokey" in link.tls_options):
            self.said["sip"] += 1
        link.say(way, message.bytes())

    @staticmethod
    def at(link, way):
        ip, port = link.addresses[way]
        return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def respond(self, link, request, status, reason, headers, body, given):
        ip, port = link.addresses[">"]
        if request.from_server:
            return self.respond_to_server(link, request, status, reason, headers, body, given)
        message = Sip(f"SIP/2.0 {status} {reason}", [
            ("From", request.get("From")), ("To", f"{request.get('To')};tag={request.tag}"), ("Call-ID", request.get("Call-ID")),
            ("CSeq", request.get("CSeq")), ("Via", f"{request.get('Via')};received={ip};ms-received-port={port};ms-received-cid={link.cid}"),
            *headers, ("Server", AGENTS[link.client.agent][1])], body)
        message.override(given)
        if link.sa and link.sa.up and not message.get("WWW-Authenticate"):
            name = "Authentication-Info" if request.kind == "register" else "Proxy-Authentication-Info"
            message.headers.insert(0, (name, link.sa.sign(message, "<", str(status))))
        self.speak(link, "<", message)

    def respond_to_server(self, link, request, status, reason, headers, body, given):
        message = Sip(f"SIP/2.0 {status} {reason}", [(name, request.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
                      + [("User-Agent", AGENTS[link.client.agent][0]), *headers], body)
        message.override(given)
        if link.sa and link.sa.up:
            message.headers.insert(0, ("Proxy-Authorization", link.sa.sign(message, ">", str(status))))
        self.speak(link, ">", message)

    def do_sip(self, rest, block):
        name, way, start = rest.split(" ", 2)
        link = self.link(name)
        given, body = self.parse_block(block)
        if not start.startswith("SIP/2.0") and not start.endswith("SIP/2.0"):
            start += " SIP/2.0"
        if start.startswith("SIP/2.0"):
            _, status, reason = start.split(" ", 2)
            return self.respond(link, link.last, int(status), reason, [], body, given)
        if way == ">":
            return self.request(link, start, [], body, given)
        self.from_server(link, start, given, body)

    def from_server(self, link, start, given, body):
        """A request of the server, in the dialog of the last subscription or of the registration."""
        first = "register" if ("Event", "registration") in given else "self"
        base = next((link.requests[kind] for kind in (first, "self", "contacts", "register") if kind in link.requests), link.last)
        method = start.split()[0]
        base.dialog["server"] = base.dialog.get("server", 1) + 1
        message = Sip(start, [
            ("Via", f"SIP/2.0/{'TLS' if link.tls else 'TCP'} {self.at(link, '<')};branch=z9hG4bK{self.rng.getrandbits(64):016X};branched=FALSE"),
            ("Max-Forwards", "69"), ("To", base.get("From")), ("From", f"{base.get('To')};tag={base.tag}"), ("Call-ID", base.get("Call-ID")),
            ("CSeq", f"{base.dialog['server']} {method}")], body)
        message.override(given)
        message.from_server, message.kind = True, None
        if link.sa and link.sa.up:
            message.headers.insert(0, ("Proxy-Authentication-Info", link.sa.sign(message, "<")))
        link.last = link.requests[method] = message
        self.speak(link, "<", message)

    def do_request(self, rest, block):
        name, kind, *words = rest.split()
        link = self.link(name)
        given, body = self.parse_block(block)
        if kind == "register":
            link.options.update(self.options(words))
            return self.next_rung(link, given)
        ask, healthy = self.service(link, kind)
        message = self.request(link, ask[0], ask[1], body or ask[2], given, kind)
        message.healthy = healthy

    def service(self, link, kind):
        method = getattr(Service(link.client, self.rng), kind.replace("-", "_"), None)
        if method is None:
            raise Mistake(f"no request {kind}")
        return method()

    def do_answer(self, rest, block):
        name, _, what = rest.partition(" ")
        name, _, kind = name.partition(".")
        link = self.link(name)
        request = link.requests.get(kind) if kind else link.last
        if request is None:
            raise Mistake(f"no request {kind or ''} to answer")
        given, body = self.parse_block(block)
        if what in ("healthy", "challenge"):
            if what == "challenge":
                link.sa = None
                link.ladder["rung"] = 1
            status, reason, headers, healthy = self.challenge(link) if what == "challenge" else self.healthy(link, request)
            return self.respond(link, request, status, reason, headers, body or healthy, given)
        status, _, reason = what.partition(" ")
        self.respond(link, request, int(status), reason, [], body, given)

    def healthy(self, link, request):
        if request.kind == "register":
            return self.rung_answer(link, request)
        return request.healthy

    def do_step(self, rest, _):
        name, *kinds = rest.split()
        for kind in kinds:
            self.do_request(f"{name} {kind}", [])
            self.record.pass_time(3 * MS)
            self.do_answer(f"{name} healthy", [])
            self.record.pass_time(MS)

    def do_after_sign_in(self, rest, _):
        self.do_step(f"{rest} {' '.join(EVERYTHING)}", None)

    # -- registration

    def do_register(self, rest, _):
        words = rest.split()
        link, scheme = self.link(words[0]), {"tls-dsk": "TLS-DSK", "ntlm": "NTLM", "kerberos": "Kerberos"}[words[1]]
        words = words[2:]
        last = {"TLS-DSK": 4, "NTLM": 3, "Kerberos": 2}[scheme]
        first = 1
        for word in ("until", "from"):
            if word in words:
                place = words.index(word)
                number = int(words[place + 1])
                first, last = (first, number) if word == "until" else (number, last)
                del words[place:place + 2]
        if first == 1:
            dialog = link.ladder["dialog"] if "again" in words else None
            link.ladder = {"scheme": scheme, "rung": 0, "dialog": dialog}
            link.sa = None
        link.options.update(self.options(words))
        for _ in range(first, last + 1):
            request = self.next_rung(link, [])
            self.record.pass_time(2 * MS)
            self.respond(link, request, *self.rung_answer(link, request), [])
            self.record.pass_time(MS)

    def target(self, link):
        return self.host(link.options.get("target", getattr(link, "host", "pool01")))

    def challenge(self, link):
        target = self.target(link)
        schemes = link.options.get("offer", "ntlm,tls-dsk" if "edge" in link.options else "ntlm,kerberos,tls-dsk").split(",")
        sts = link.options.get("sts", f"https://{target}:443/CertProv/CertProvisioningService.svc")
        lines = {"ntlm": f'NTLM realm="{REALM}", targetname="{target}", version=4',
                 "kerberos": f'Kerberos realm="{REALM}", targetname="sip/{target}", version=4',
                 "tls-dsk": f'TLS-DSK realm="{REALM}", targetname="{target}", version=4, sts-uri="{sts}"'}
        return 401, "Unauthorized", [("Date", self.date())] + [("WWW-Authenticate", lines[scheme]) for scheme in schemes] + self.edge(link), ""

    @staticmethod
    def edge(link):
        return [("ms-user-logon-data", "RemoteUser")] if "edge" in link.options else []

    def token(self, link, data=None, opaque=True):
        sa = link.sa
        parts = ['qop="auth"', f'realm="{REALM}"'] + ([f'opaque="{sa.opaque}"'] if opaque else []) + [f'targetname="{sa.name}"']
        return f"{sa.scheme} " + ", ".join(parts + ([f'gssapi-data="{b64(data)}"'] if data is not None else []) + ["version=4"])

    def register_headers(self, link):
        client = link.client
        transport = "tls" if link.tls else "tcp"
        more = [] if client.agent in ("2007", "2010") else [("Supported", "ms-userservices-state-notification"),
                                                            ("ms-subnet", re.sub(r"\d+$", "0", client.ip))]
        return [("Contact", f'<sip:{self.at(link, ">")};transport={transport};ms-opaque={client.epid[::-1]}>;methods="INVITE, MESSAGE, INFO, '
                 f'OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY";proxy=replace;+sip.instance="<urn:uuid:{client.instance}>"'),
                ("Supported", "gruu-10, adhoclist, msrtc-event-categories"), ("Supported", "ms-forking"), ("Supported", "ms-cluster-failover"),
                *more, ("ms-keep-alive", "UAC;hop-hop=yes"), ("Event", "registration")]

    def next_rung(self, link, given):
        """The next REGISTER of the ladder."""
        if link.ladder is None:
            link.ladder = {"scheme": "TLS-DSK", "rung": 0, "dialog": None}
        ladder, client = link.ladder, link.client
        ladder["rung"] += 1
        scheme, rung = ladder["scheme"], ladder["rung"]
        if rung == 2:
            link.sa = Association(scheme, self.rng, self.target(link))
            link.sa.spoil = link.options.get("spoil")
        authorization = []
        if rung > 1:
            authorization = [("Authorization", self.rung_token(link, scheme, rung))]
        if scheme == "TLS-DSK" and rung >= 4 or scheme == "NTLM" and rung >= 3 or scheme == "Kerberos" and rung >= 2:
            link.sa.up = True
        signs_with_token = scheme != "TLS-DSK" and link.sa and link.sa.up
        if scheme == "TLS-DSK" and rung >= 4:
            authorization = []
        up, sa = link.sa and link.sa.up, link.sa
        if signs_with_token:
            sa.up = False
        dialog = ladder["dialog"]
        message = self.request(link, f"REGISTER sip:{client.domain} SIP/2.0", authorization + self.register_headers(link), "", given, "register", dialog)
        if signs_with_token:
            sa.up = up
        ladder["dialog"] = message.dialog
        return message

    def rung_token(self, link, scheme, rung):
        sa, client = link.sa, link.client
        if scheme == "NTLM":
            if rung == 2:
                return self.token(link, b"", opaque=False)
            info = link.ladder.get("info") or ntlm_challenge(self.rng, client.domain, sa.target, self.server_time())[1]
            data = ntlm_authenticate(self.rng, client.domain, client.user, client.machine, info, self.record.when())
            return self.with_signature(link, self.token(link, data))
        if scheme == "Kerberos":
            return self.with_signature(link, self.token(link, self.kerberos().gss(f"sip/{sa.target}"), opaque=False))
        if rung == 2:
            kind = link.options.get("certificate", "good")
            name = f"other@{client.domain}" if kind == "other" else f"{client.user}@{client.domain}"
            suite = link.options.get("inner", "ECDHE-RSA-AES128-SHA" if client.agent in ("2007", "2010") else "ECDHE-RSA-AES256-SHA384")
            sa.inner = Tls(self.folder, self.certificates.server("good", [sa.target]), "1.2", None, suite,
                           user=self.certificates.user(kind, name), user_ca=self.certificates.issuer("client"))
            sa.inner.failed, sa.suite = None, suite
            sa.hello = sa.inner.go_on(">")
            return self.token(link, sa.hello, opaque=False)
        if rung == 3:
            sa.inner.give("<", sa.flight)
            sa.third = sa.inner.go_on(">")
            self.take_keys(link)
            return self.token(link, sa.third)
        return ""

    def with_signature(self, link, token):
        sa = link.sa
        sa.count[">"] += 1
        value = "01000000" + self.rng.randbytes(8).hex() + "64000000" if sa.scheme == "NTLM" else "040400ffffffffff" + self.rng.randbytes(20).hex()
        return token.replace(", version=4", f', crand="{self.rng.getrandbits(32):08x}", cnum="{sa.count[">"]}", response="{value}", version=4')

    def take_keys(self, link):
        sa = link.sa
        lines = sa.inner.secrets()
        if "nokey" not in link.options:
            self.record.secrets += lines
        _, client_random, master = next(line for line in lines if line.startswith("CLIENT_RANDOM")).split()
        prf_hash = "sha384" if sa.suite.endswith("SHA384") else "sha256"
        sa.digest = "sha384" if sa.suite.endswith("SHA384") else "sha256" if sa.suite.endswith("SHA256") else "sha1"
        sa.keys = tls_dsk_keys(bytes.fromhex(master), bytes.fromhex(client_random), sa.flight[11:43], prf_hash)

    def rung_answer(self, link, request):
        """What a healthy server says to the REGISTER that was sent last."""
        ladder, sa = link.ladder, link.sa
        scheme, rung = ladder["scheme"], ladder["rung"]
        if rung == 1:
            return self.challenge(link)
        if scheme == "NTLM" and rung == 2:
            data, ladder["info"] = ntlm_challenge(self.rng, link.client.domain, sa.target, self.server_time())
            return self.unauthorized(link, data)
        if scheme == "TLS-DSK" and rung == 2:
            sa.inner.give(">", sa.hello)
            sa.flight = sa.inner.go_on("<")
            return self.unauthorized(link, sa.flight)
        if scheme == "TLS-DSK" and rung == 3:
            sa.inner.give(">", sa.third)
            return self.unauthorized(link, sa.inner.go_on("<"))
        return self.registered(link, "added" if rung <= 4 else "refreshed", request)

    def unauthorized(self, link, data):
        sa = link.sa
        value = (f'{sa.scheme} opaque="{sa.opaque}", gssapi-data="{b64(data)}", targetname="{sa.target}", realm="{REALM}", version=4')
        return 401, "Unauthorized", [("Date", self.date()), ("WWW-Authenticate", value)] + self.edge(link), ""

    def registered(self, link, action, request):
        client = link.client
        if request.get("Expires") == "0":
            return 200, "OK", [("Expires", "0"), ("presence-state", 'register-action="deleted"')], ""
        contact = request.get("Contact").split(">")[0]
        return 200, "OK", [
            ("ms-keep-alive", "UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300"),
            ("Contact", f'{contact};ms-received-cid={link.cid}>;expires=7200;+sip.instance="<urn:uuid:{client.instance}>";gruu="{client.gruu}"'),
            ("Expires", "7200"), ("presence-state", f'register-action="{action}"'),
            ("Allow-Events", "vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,vnd-microsoft-roaming-ACL,presence,presence.wpending,"
             "vnd-microsoft-roaming-self,vnd-microsoft-provisioning-v2"),
            ("Supported", "adhoclist"), ("Supported", "msrtc-event-categories"), *self.edge(link)], ""

    def do_refresh(self, rest, _):
        link = self.link(rest)
        link.ladder["rung"] = max(link.ladder["rung"], 4)
        request = self.signed_register(link, [])
        self.record.pass_time(2 * MS)
        self.respond(link, request, *self.registered(link, "refreshed", request), [])

    def signed_register(self, link, given):
        return self.request(link, f"REGISTER sip:{link.client.domain} SIP/2.0", self.register_headers(link), "", given, "register",
                            link.ladder["dialog"])

    def do_sign_out(self, rest, _):
        name, *how = rest.split()
        link = self.link(name)
        request = self.signed_register(link, [("Expires", "0")])
        if "unanswered" not in how:
            self.record.pass_time(2 * MS)
            self.respond(link, request, *self.registered(link, "deleted", request), [])

    def do_negotiate(self, rest, block):
        name, *how = rest.split()
        link = self.link(name)
        here, there = self.at(link, ">"), self.at(link, "<")
        given, _ = self.parse_block(block)
        tag, call = f"{self.rng.getrandbits(40):010x}", f"{self.rng.getrandbits(128):032x}"
        head = [("Via", f"SIP/2.0/TLS {here}"), ("CSeq", "1 NEGOTIATE"), ("Call-ID", call), ("From", f"<sip:{here}>;tag={tag}"), ("To", f"<sip:{there}>")]
        self.speak(link, ">", Sip(f"NEGOTIATE sip:{there} SIP/2.0", head + [("Compression", "LZ77-8K"), ("Max-Forwards", "0")]))
        self.record.pass_time(2 * MS)
        refused = "refused" in how
        status = "SIP/2.0 405 Method Not Allowed" if refused else "SIP/2.0 200 OK"
        head[0] = ("Via", f"{head[0][1]};ms-received-port={link.addresses['>'][1]};ms-received-cid={link.cid}")
        head[4] = ("To", f"{head[4][1]};tag={self.rng.getrandbits(64):016X}")
        answer = Sip(status, ([] if refused else [("Compression", "LZ77-8K")]) + head)
        answer.override(given)
        self.speak(link, "<", answer)
        if not refused and answer.get("Compression") == "LZ77-8K":
            link.compressor = {">": Compressor(), "<": Compressor()}

    def do_garble(self, rest, _):
        self.link(rest).garbled = True

    # -- web

    def do_http(self, rest, block):
        name, way, start = rest.split(" ", 2)
        given, body = self.parse_block(block)
        self.http(self.link(name), way, start, given, body)

    def http(self, link, way, start, given, body):
        if way == ">":
            host = getattr(link, "host", None) or link.addresses["<"][0]
            message = Sip(f"{start} HTTP/1.1", [("Host", host), ("User-Agent", "OCAS/" + AGENTS[link.client.agent][0].split("/")[1].split()[0]),
                                                ("Accept", "application/vnd.microsoft.rtc.autodiscover+xml;v=1")])
        else:
            message = Sip(f"HTTP/1.1 {start}", [("Server", "Microsoft-IIS/8.5"), ("Date", self.date())])
        if body == "@crl":
            body = self.certificates.revoked()
            message.put("Content-Type", "application/pkix-crl")
        elif body:
            kind = ("application/vnd.microsoft.rtc.autodiscover+xml; v=1" if "AutodiscoverResponse" in body
                    else "text/xml; charset=utf-8" if body.startswith("<") else "application/json" if body.startswith("{") else "text/plain")
            message.put("Content-Type", kind)
        message.body = body
        message.override(given)
        if way == ">" and start.startswith("GET"):
            link.say(way, message.bytes().replace(b"Content-Length: 0\r\n", b""))
        else:
            link.say(way, message.bytes())

    def do_get(self, rest, block):
        self.fetch("GET", rest, block)

    def do_post(self, rest, block):
        self.fetch("POST", rest, block)

    def open_web(self, url, ip, options):
        scheme, host, port, path = re.fullmatch(r"(https?)://([^/:]+)(?::(\d+))?(/.*)?", url).groups()
        port = int(port or (443 if scheme == "https" else 80))
        link = Connection(self.record, self.client, ip, port)
        link.host = host
        return link, scheme == "https", path or "/"

    def fetch(self, method, rest, block):
        found = re.fullmatch(r"(\S+) at (\S+)((?: \S+=\S+)*) = (.*)", rest)
        if not found:
            raise Mistake("URL at IP [options] = STATUS REASON")
        url, ip, options, answer = found.groups()
        options = self.options(options.split())
        link, secure, path = self.open_web(url, ip, options)
        if answer in ("no answer", "refused", "unreachable"):
            return self.syn(link, answer)
        self.links["web"] = link
        link.shake_hands()
        if secure:
            self.secure(link, {"server": link.host, **options})
        if link.open:
            given, body = self.parse_block(block)
            self.http(link, ">", f"{method} {path}", [], "<s:Envelope/>" if method == "POST" else "")
            self.record.pass_time(4 * MS)
            if answer == "reset":
                link.reset("<")
            elif answer == "silence":
                self.record.pass_time(15 * SECOND)
            else:
                self.http(link, "<", answer, given, body)
            link.finish(">")
        del self.links["web"]

    def do_web_ticket(self, rest, _):
        host, ip = re.fullmatch(r"(\S+) at (\S+)", rest).groups()
        url = f"https://{host}/WebTicket/WebTicketService.svc"
        link, _, path = self.open_web(url, ip, {})
        link.shake_hands()
        self.secure(link, {"server": host})
        envelope = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><t:RequestSecurityToken '
                    'xmlns:t="http://docs.oasis-open.org/ws-sx/ws-trust/200512"><t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>'
                    f"<a:AppliesTo xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/09/policy\">https://{host}/CertProv/CertProvisioningService.svc</a:AppliesTo>"
                    "</t:RequestSecurityToken></s:Body></s:Envelope>")
        data, info = ntlm_challenge(self.rng, self.client.domain, host, self.server_time())
        third = ntlm_authenticate(self.rng, self.client.domain, self.client.user, self.client.machine, info, self.record.when())
        action = ("SOAPAction", '"http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue"')
        for token, status, challenge in ((None, "401 Unauthorized", "NTLM"), (ntlm_negotiate(), "401 Unauthorized", f"NTLM {b64(data)}"), (third, "200 OK", None)):
            self.http(link, ">", f"POST {path}", [action] + ([("Authorization", f"NTLM {b64(token)}")] if token else []), envelope)
            self.record.pass_time(3 * MS)
            if challenge:
                self.http(link, "<", status, [("WWW-Authenticate", challenge)], "")
            else:
                self.http(link, "<", status, [], '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
                          '<RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken><saml:Assertion '
                          'xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"><saml:Conditions NotBefore="2026-11-24T09:00:00Z" '
                          'NotOnOrAfter="2026-11-24T17:00:00Z"/></saml:Assertion></RequestedSecurityToken></RequestSecurityTokenResponse>'
                          "</RequestSecurityTokenResponseCollection></s:Body></s:Envelope>")
        link.finish(">")

    def do_certificate(self, rest, _):
        host, ip = re.fullmatch(r"(\S+) at (\S+)", rest).groups()
        link, _, path = self.open_web(f"https://{host}/CertProv/CertProvisioningService.svc", ip, {})
        link.shake_hands()
        self.secure(link, {"server": host})
        user = f"{self.client.user}@{self.client.domain}"
        certificate = ssl.PEM_cert_to_DER_cert(self.certificates.user("good", user).read_text().split("-----BEGIN RSA")[0].split("-----BEGIN PRIV")[0])
        token = lambda data: f'<wsse:BinarySecurityToken xmlns:wsse="urn:wsse">{b64(data)}</wsse:BinarySecurityToken>'
        self.http(link, ">", f"POST {path}", [("SOAPAction", '"http://schemas.microsoft.com/OCS/AuthWebServices/GetAndPublishCert"')],
                  '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetAndPublishCert '
                  f'xmlns="http://schemas.microsoft.com/OCS/AuthWebServices/" DeviceId="{{{self.client.instance}}}" Entity="{user}">'
                  f"{token(self.rng.randbytes(200))}</GetAndPublishCert></s:Body></s:Envelope>")
        self.record.pass_time(30 * MS)
        self.http(link, "<", "200 OK", [], '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
                  f'<GetAndPublishCertResponse xmlns="http://schemas.microsoft.com/OCS/AuthWebServices/">{token(certificate)}</GetAndPublishCertResponse></s:Body></s:Envelope>')
        link.finish(">")


Sip.from_server = False


# ----------------------------------------------------------------------------------------------------- main

HEADS = re.compile(r"(?:(shows|not|outcome|keys): (.+)|quiet)$")


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
    message = Sip("REGISTER", [("Call-ID", "4f6e0c0ffee"), ("CSeq", "4 REGISTER"), ("From", "<sip:ann@ex.test>;tag=a1b2c3"), ("To", "<sip:ann@ex.test>")])
    message.authentication = {"scheme": "TLS-DSK", "rand": "5f0c11aa", "num": "1", "target": "fe01.ex.test"}
    sign = lambda prf_hash, digest: hmac.new(tls_dsk_keys(master, ours, theirs, prf_hash)[0], signed_text(message).encode(), digest).hexdigest()
    assert sign("sha256", "sha256") == "4b1342aeebe4a074f479702d0128a19425f1d1f018f703c189abbc9f2e34a853"
    assert sign("sha256", "sha1") == "820e65b4be88b79d960bb1e66c9c055ae083aedf"
    assert sign("sha384", "sha384").startswith("b80753b613dc92889aaf08b8b6298fbc8b3c1c42ba5ef879585715a483feddd2")
    assert instance("8248ca9ebb") == "4233FD41-093B-5FD6-B5D2-651ED55969E6"
    packer, first = Compressor(), b"SIP/2.0 200 OK\r\nFrom: <sip:ann@ex.test>;tag=a1\r\nTo: <sip:ann@ex.test>\r\n\r\n"
    assert packer.packet(first)[-9:] == bytes.fromhex("6ff7b8c34283428 0".replace(" ", "")) or len(packer.history) == 73
    assert Compressor.offset(73) + Compressor.length(16) == "111000001001" + "11100000"


def check(path, messages):
    """What tshark finds wrong: malformed packets, checksums, records that stay closed, SIP messages that are missing."""
    edge = ["-d", "tls.port==443,sip"] if "edge" in messages else []
    run = lambda *more: subprocess.run(["tshark", "-n", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                                        "-o", "udp.check_checksum:TRUE", *edge, *more], capture_output=True, text=True).stdout.strip()
    wrong = run("-Y", "_ws.malformed || tcp.checksum.status==0 || ip.checksum.status==0 || udp.checksum.status==0")
    if messages["sip"] is None:
        return wrong
    lines = run("-Y", "sip", "-T", "fields", "-e", "sip.Request-Line", "-e", "sip.Status-Line", "-E", "occurrence=a", "-E", "aggregator=|")
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
