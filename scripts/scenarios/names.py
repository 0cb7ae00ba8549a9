"""Statements about names: dns, zone, discovery, dhcp, kerberos."""

import ipaddress
import re
import struct

from .common import MS, Mistake, SECOND, dns_name, seconds
from .kerberos import Kerberos
from .packets import Connection, mac


class Names:
    """Look-ups, DHCP, Kerberos."""

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
            soa = (
                dns_name(f"ns1.{zone}")
                + dns_name(f"hostmaster.{zone}")
                + struct.pack(">IIIII", 2026112401, 3600, 600, 86400, 900)
            )
            authority = dns_name(zone) + struct.pack(">HHIH", 6, 1, 900, len(soa)) + soa
        body = b"".join(
            (b"\xc0\x0c" if owner == name else dns_name(owner)) + struct.pack(">HHIH", rtype, 1, 1200, len(data)) + data
            for owner, rtype, data in answers
        )
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
        names = [
            ("SRV", "_sipinternaltls._tcp"),
            ("SRV", "_sip._tls"),
            ("A", "sipinternal"),
            ("A", "sip"),
            ("A", "sipexternal"),
        ]
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
            head = (
                bytes([2 if reply else 1, 1, 6, 0])
                + transaction
                + bytes(4)
                + address
                + bytes(12)
                + hardware
                + bytes(10 + 192)
            )
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
        request = kerberos.request(
            kind, name, preauth=result == "ok" or kind == "AS-REQ" and result not in ("error 25",)
        )
        code = int(result.split()[1]) if result.startswith("error") else None
        reply = (
            None
            if result == "no answer"
            else kerberos.error(code, name, self.server_time())
            if code
            else kerberos.reply(kind, name)
        )
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
