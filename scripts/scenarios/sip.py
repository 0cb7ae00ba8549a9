"""SIP messages, the clients that send them, and how they are signed."""

import base64
import hashlib
import hmac
import re
import uuid

from .common import REALM


def signed_text(message, status=""):
    """The string that is signed, version 3 and later."""
    own = message.authentication
    uri = lambda name: re.search(r"<([^>]*)>", message.get(name))[1]
    tag = lambda name: (re.findall(r";tag=([^;]+)", message.get(name)) or [""])[0]
    number, method = message.get("CSeq").split()
    identity = re.findall(
        r"<?((?:sip|tel):[^>,;]*)", message.get("P-Asserted-Identity") or message.get("P-Preferred-Identity") or ""
    )
    parts = [
        own["scheme"],
        own["rand"],
        own["num"],
        REALM,
        own["target"],
        message.get("Call-ID"),
        number,
        method,
        uri("From"),
        tag("From"),
        uri("To"),
        tag("To"),
        next((found for found in identity if found.startswith("sip")), ""),
        next((found for found in identity if found.startswith("tel")), ""),
        message.get("Expires") or "",
    ]
    return "".join(f"<{part}>" for part in parts + ([status] if status else []))


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
    digest = bytearray(
        hashlib.sha1(uuid.UUID("fcacfb03-8a73-46ef-91b1-e5ebeeaba4fe").bytes_le + epid.encode()).digest()[:16]
    )
    digest[7] = (digest[7] & 0x0F) | 0x50
    digest[8] = (digest[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes_le=bytes(digest))).upper()


class Sip:
    """A message: start line, headers in order, body."""

    from_server = False

    def __init__(self, start, headers, body=""):
        self.start, self.headers, self.body, self.authentication = start, list(headers), body, None

    def get(self, name):
        return next((value for own, value in self.headers if own.lower() == name.lower()), None)

    def put(self, name, value):
        self.headers.append((name, value))

    def override(self, given):
        """Headers of the scenario: they replace those of the same name; '-' takes one away."""
        names = {name.lower() for name, _ in given}
        first = {
            name: next((i for i, (own, _) in enumerate(self.headers) if own.lower() == name), len(self.headers))
            for name in names
        }
        kept = [(i, header) for i, header in enumerate(self.headers) if header[0].lower() not in names]
        new = [(first[name.lower()], (name, value)) for name, value in given if value != "-"]
        self.headers = [header for _, header in sorted(kept + new, key=lambda pair: pair[0])]

    def bytes(self):
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        headers = (
            self.headers
            if self.get("Content-Length") is not None
            else self.headers + [("Content-Length", str(len(body)))]
        )
        return (
            "".join([self.start + "\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"]).encode() + body
        )


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
        head = f'{self.scheme} qop="auth", opaque="{self.opaque}", realm="{REALM}", targetname="{self.name}"'
        return f"{head}, {signature}, version=4"
