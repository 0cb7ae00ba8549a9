"""Statements about connections: connect, syn, fin, rst, tls and so on."""

import ipaddress
import re
import struct

from .common import MS, Mistake, SECOND
from .packets import ACK, Connection, RST, SYN, checksum
from .tls import Tls


class Links:
    """Connections and the TLS in them."""

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
        original = self.record.packets[-1][1][14 : 14 + 28]
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

    def do_icmp(self, rest, _):
        self.unreachable(self.link(rest))

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
        tls = Tls(
            self.folder,
            pem,
            version,
            None if sni == "none" else sni,
            options.get("suite"),
            verify=bool(alert) and version == "1.3",
            asks=self.certificates.issuer("good") if "asks" in options else False,
            resume=self.sessions.get(server) if "resume" in options else None,
        )
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
        while flight := tls.go_on(way):
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
