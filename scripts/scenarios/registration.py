"""Statements that register: register, refresh, sign-out, negotiate."""

import re

from .common import MS, REALM, b64
from .compression import Compressor
from .ntlm import ntlm_authenticate, ntlm_challenge
from .sip import Association, Sip
from .tls import Tls, tls_dsk_keys


class Registration:
    """The REGISTER ladders, refresh, sign-out, compression."""

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
                del words[place : place + 2]
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
        schemes = link.options.get(
            "offer", "ntlm,tls-dsk" if "edge" in link.options else "ntlm,kerberos,tls-dsk"
        ).split(",")
        sts = link.options.get("sts", f"https://{target}:443/CertProv/CertProvisioningService.svc")
        lines = {
            "ntlm": f'NTLM realm="{REALM}", targetname="{target}", version=4',
            "kerberos": f'Kerberos realm="{REALM}", targetname="sip/{target}", version=4',
            "tls-dsk": f'TLS-DSK realm="{REALM}", targetname="{target}", version=4, sts-uri="{sts}"',
        }
        return (
            401,
            "Unauthorized",
            [("Date", self.date())] + [("WWW-Authenticate", lines[scheme]) for scheme in schemes] + self.edge(link),
            "",
        )

    @staticmethod
    def edge(link):
        return [("ms-user-logon-data", "RemoteUser")] if "edge" in link.options else []

    def token(self, link, data=None, opaque=True):
        sa = link.sa
        parts = (
            ['qop="auth"', f'realm="{REALM}"']
            + ([f'opaque="{sa.opaque}"'] if opaque else [])
            + [f'targetname="{sa.name}"']
        )
        return f"{sa.scheme} " + ", ".join(
            parts + ([f'gssapi-data="{b64(data)}"'] if data is not None else []) + ["version=4"]
        )

    def register_headers(self, link):
        client = link.client
        transport = "tls" if link.tls else "tcp"
        more = (
            []
            if client.agent in ("2007", "2010")
            else [("Supported", "ms-userservices-state-notification"), ("ms-subnet", re.sub(r"\d+$", "0", client.ip))]
        )
        contact = (
            f"<sip:{self.at(link, '>')};transport={transport};ms-opaque={client.epid[::-1]}>;"
            'methods="INVITE, MESSAGE, INFO, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY";proxy=replace;'
            f'+sip.instance="<urn:uuid:{client.instance}>"'
        )
        return [
            ("Contact", contact),
            ("Supported", "gruu-10, adhoclist, msrtc-event-categories"),
            ("Supported", "ms-forking"),
            ("Supported", "ms-cluster-failover"),
            *more,
            ("ms-keep-alive", "UAC;hop-hop=yes"),
            ("Event", "registration"),
        ]

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
        message = self.request(
            link,
            f"REGISTER sip:{client.domain} SIP/2.0",
            authorization + self.register_headers(link),
            "",
            given,
            "register",
            dialog,
        )
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
            suite = link.options.get(
                "inner", "ECDHE-RSA-AES128-SHA" if client.agent in ("2007", "2010") else "ECDHE-RSA-AES256-SHA384"
            )
            sa.inner = Tls(
                self.folder,
                self.certificates.server("good", [sa.target]),
                "1.2",
                None,
                suite,
                user=self.certificates.user(kind, name),
                user_ca=self.certificates.issuer("client"),
            )
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
        value = (
            "01000000" + self.rng.randbytes(8).hex() + "64000000"
            if sa.scheme == "NTLM"
            else "040400ffffffffff" + self.rng.randbytes(20).hex()
        )
        return token.replace(
            ", version=4",
            f', crand="{self.rng.getrandbits(32):08x}", cnum="{sa.count[">"]}", response="{value}", version=4',
        )

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
        value = (
            f'{sa.scheme} opaque="{sa.opaque}", gssapi-data="{b64(data)}", targetname="{sa.target}", '
            f'realm="{REALM}", version=4'
        )
        return 401, "Unauthorized", [("Date", self.date()), ("WWW-Authenticate", value)] + self.edge(link), ""

    def registered(self, link, action, request):
        client = link.client
        if request.get("Expires") == "0":
            return 200, "OK", [("Expires", "0"), ("presence-state", 'register-action="deleted"')], ""
        contact = request.get("Contact").split(">")[0]
        return (
            200,
            "OK",
            [
                ("ms-keep-alive", "UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300"),
                (
                    "Contact",
                    f'{contact};ms-received-cid={link.cid}>;expires=7200;+sip.instance="<urn:uuid:{client.instance}>";gruu="{client.gruu}"',
                ),
                ("Expires", "7200"),
                ("presence-state", f'register-action="{action}"'),
                (
                    "Allow-Events",
                    "vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,vnd-microsoft-roaming-ACL,presence,presence.wpending,"
                    "vnd-microsoft-roaming-self,vnd-microsoft-provisioning-v2",
                ),
                ("Supported", "adhoclist"),
                ("Supported", "msrtc-event-categories"),
                *self.edge(link),
            ],
            "",
        )

    def do_refresh(self, rest, _):
        name, *how = rest.split()
        link = self.link(name)
        link.ladder["rung"] = max(link.ladder["rung"], 4)
        request = self.signed_register(link, [])
        if "unanswered" not in how:
            self.record.pass_time(2 * MS)
            self.respond(link, request, *self.registered(link, "refreshed", request), [])

    def signed_register(self, link, given):
        return self.request(
            link,
            f"REGISTER sip:{link.client.domain} SIP/2.0",
            self.register_headers(link),
            "",
            given,
            "register",
            link.ladder["dialog"],
        )

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
        head = [
            ("Via", f"SIP/2.0/TLS {here}"),
            ("CSeq", "1 NEGOTIATE"),
            ("Call-ID", call),
            ("From", f"<sip:{here}>;tag={tag}"),
            ("To", f"<sip:{there}>"),
        ]
        self.speak(
            link, ">", Sip(f"NEGOTIATE sip:{there} SIP/2.0", head + [("Compression", "LZ77-8K"), ("Max-Forwards", "0")])
        )
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
