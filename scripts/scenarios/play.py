"""Runs the statements of one scenario."""

import random
import warnings
from datetime import timedelta

from .common import MS, Mistake, seconds
from .links import Links
from .names import Names
from .packets import Recorder
from .registration import Registration
from .sip import Client
from .talk import Talk
from .web import Web


class Play(Names, Links, Talk, Registration, Web):
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

    def do_client(self, rest, _):
        words = rest.split()
        client = Client(self.rng, words[0], dict(zip(words[1::2], words[2::2])))
        self.clients[f"{client.user}@{client.ip}"] = self.client = client
        self.record.clients.add(client.ip)

    def do_use(self, rest, _):
        self.client = next(
            (client for name, client in self.clients.items() if name == rest or name.split("@")[0] == rest), None
        )
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
