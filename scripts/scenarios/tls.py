"""Both ends of a TLS session in this process, and the keys of TLS-DSK."""

import hmac
import ssl


class Tls:
    """Both ends of one TLS session."""

    VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

    def __init__(
        self,
        folder,
        pem,
        version="1.2",
        sni=None,
        suite=None,
        user=None,
        user_ca=None,
        verify=False,
        asks=False,
        resume=None,
    ):
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
            more = (
                {"server_hostname": sni, "session": resume.ends[">"][0].session if resume else None}
                if way == ">"
                else {}
            )
            self.ends[way] = (context.wrap_bio(incoming, outgoing, server_side=way == "<", **more), incoming, outgoing)

    def context(self, protocol, version, suite):
        context = ssl.SSLContext(protocol)
        context.minimum_version = context.maximum_version = self.VERSIONS[version]
        if version != "1.3":
            context.set_ciphers(
                (
                    suite
                    or (
                        "ECDHE-RSA-AES128-SHA:AES128-SHA"
                        if version == "1.0"
                        else "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA256:AES128-SHA"
                    )
                )
                + ":@SECLEVEL=0"
            )
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
