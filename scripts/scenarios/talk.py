"""Statements that say SIP: sip, request, answer, step."""

import re

from .common import AGENTS, MS, Mistake
from .service import EVERYTHING, Service
from .sip import Sip


class Talk:
    """SIP messages."""

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
        dialog = dialog or {
            "tag": f"{self.rng.getrandbits(40):010x}",
            "call": f"{self.rng.getrandbits(128):032x}",
            "cseq": 0,
        }
        dialog["cseq"] += 1
        to = client.uri if method == "REGISTER" else uri
        message = Sip(
            start,
            [
                ("Via", f"SIP/2.0/{transport} {self.at(link, '>')}"),
                ("Max-Forwards", "70"),
                ("From", f"<{client.uri}>;tag={dialog['tag']};epid={client.epid}"),
                ("To", f"<{to}>"),
                ("Call-ID", dialog["call"]),
                ("CSeq", f"{dialog['cseq']} {method}"),
                ("User-Agent", AGENTS[client.agent][0]),
                *([("Contact", f"<{client.gruu}>")] if method != "REGISTER" else []),
                *headers,
            ],
            body,
        )
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
        message = Sip(
            f"SIP/2.0 {status} {reason}",
            [
                ("From", request.get("From")),
                ("To", f"{request.get('To')};tag={request.tag}"),
                ("Call-ID", request.get("Call-ID")),
                ("CSeq", request.get("CSeq")),
                ("Via", f"{request.get('Via')};received={ip};ms-received-port={port};ms-received-cid={link.cid}"),
                *headers,
                ("Server", AGENTS[link.client.agent][1]),
            ],
            body,
        )
        message.override(given)
        if link.sa and link.sa.up and not message.get("WWW-Authenticate"):
            name = "Authentication-Info" if request.kind == "register" else "Proxy-Authentication-Info"
            message.headers.insert(0, (name, link.sa.sign(message, "<", str(status))))
        self.speak(link, "<", message)

    def respond_to_server(self, link, request, status, reason, headers, body, given):
        message = Sip(
            f"SIP/2.0 {status} {reason}",
            [(name, request.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
            + [("User-Agent", AGENTS[link.client.agent][0]), *headers],
            body,
        )
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
        base = next(
            (link.requests[kind] for kind in (first, "self", "contacts", "register") if kind in link.requests),
            link.last,
        )
        method = start.split()[0]
        base.dialog["server"] = base.dialog.get("server", 1) + 1
        transport, branch = "TLS" if link.tls else "TCP", f"z9hG4bK{self.rng.getrandbits(64):016X}"
        message = Sip(
            start,
            [
                ("Via", f"SIP/2.0/{transport} {self.at(link, '<')};branch={branch};branched=FALSE"),
                ("Max-Forwards", "69"),
                ("To", base.get("From")),
                ("From", f"{base.get('To')};tag={base.tag}"),
                ("Call-ID", base.get("Call-ID")),
                ("CSeq", f"{base.dialog['server']} {method}"),
            ],
            body,
        )
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
            status, reason, headers, healthy = (
                self.challenge(link) if what == "challenge" else self.healthy(link, request)
            )
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
