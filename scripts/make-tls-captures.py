#!/usr/bin/env python3
"""Make the TLS test matrix in captures/tls: small captures of one SIP dialogue under many kinds of TLS.

    scripts/make-tls-captures.py [--out DIR] [--check] [--only SUBSTRING]

Each case gives NAME.pcap (or NAME.pcapng), NAME.keys (SSLKEYLOGFILE lines) and a line in cases.jsonl with
the sha256 of the plaintext of each direction. rsa.pem is the private key of every RSA server certificate.
A full run first removes the files of the cases listed by the previous cases.jsonl; keys, randoms and so the
ciphertext differ from run to run, the plaintext does not.

Both ends run in this process: libssl and libgnutls are called through ctypes and exchange bytes through
memory, so nothing is sent over a network, no privileges are needed and every run has the same message
order. A tidy Ethernet/IPv4/TCP capture is written around those bytes. GnuTLS makes what Debian's OpenSSL
is built without (3DES, RC4) or never sends, and a few cases for the sake of a second implementation.

--check opens every capture with tshark, once with the key log, once more with the RSA key alone, and
compares the hashes.

tshark (4.0) fails where the capture is right in two kinds of case: a secrets block after the packets, which
it reads too late, and client authentication in mid-stream in TLS 1.3, at which it loses the client's key.

Debian packages: openssl libssl3 libgnutls30 (no need for gnutls-bin), and tshark for --check.
"""
import argparse, ctypes, hashlib, json, os, re, shutil, struct, subprocess, sys, tempfile
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_ssize_t, c_uint, c_uint64, c_void_p
from pathlib import Path

os.environ["OPENSSL_CONF"] = "/dev/null"  # the system's file may forbid the old versions wanted here

CLIENT_IP, SERVER_IP, SERVER_PORT, FIRST_CLIENT_PORT, MSS = "192.0.2.21", "192.0.2.10", 5061, 49201, 1460
START_USEC = 1_700_000_000_000_000


def load(soname, package):
    try:
        return ctypes.CDLL(soname)
    except OSError:
        sys.exit(f"cannot load {soname}: apt-get install {package}")


def need(tool, package):
    if not shutil.which(tool):
        sys.exit(f"cannot find {tool}: apt-get install {package}")


# ------------------------------------------------------------------------------------------- plaintext

def lines(length, prefix):
    """Deterministic text of exactly `length` bytes, no line of it like another."""
    out, n = "", 0
    while len(out) < length:
        out += f"{prefix} {n:05d} {hashlib.sha256(str(n).encode()).hexdigest()[:40]}\r\n"
        n += 1
    return out[:length]


def message(start, cseq, headers=(), body=""):
    head = [start, f"Via: SIP/2.0/TLS {CLIENT_IP}:49201;branch=z9hG4bK-test-{cseq.replace(' ', '-')}",
            'From: "Alice" <sip:alice@example.com>;tag=a1b2c3d4e5;epid=0123456789',
            "To: <sip:alice@example.com>" + (";tag=SRV0001" if start.startswith("SIP/") else ""),
            "Call-ID: 0f1e2d3c4b5a69788796a5b4c3d2e1f0", f"CSeq: {cseq}", *headers]
    if not start.startswith("SIP/"):
        head.insert(2, "Max-Forwards: 70")
    if body:
        head.append("Content-Type: text/plain")
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()


def dialogue(service_body):
    """[(from_client, bytes), ...]; a 20000-byte body does not fit in one TLS record."""
    token = hashlib.shake_256(b"token").hexdigest(1350)
    return [
        (True, message("REGISTER sip:example.com SIP/2.0", "1 REGISTER", [
            f'Authorization: TLS-DSK qop="auth", realm="SIP Communications Service", gssapi-data="{token}"'])),
        (False, message("SIP/2.0 401 Unauthorized", "1 REGISTER", [
            'WWW-Authenticate: TLS-DSK realm="SIP Communications Service", opaque="0A1B2C3D"'],
            lines(200, "challenge"))),
        (True, message("REGISTER sip:example.com SIP/2.0", "2 REGISTER", ["Expires: 7200"])),
        (False, message("SIP/2.0 200 OK", "2 REGISTER", ["Expires: 7200"], lines(150, "registered"))),
        (True, message("SUBSCRIBE sip:alice@example.com SIP/2.0", "3 SUBSCRIBE", ["Event: presence"],
                       lines(200, "subscribe"))),
        (False, message("SIP/2.0 200 OK", "3 SUBSCRIBE", ["Event: presence"], lines(250, "presence"))),
        (True, b"\r\n\r\n"),  # the keep-alive of RFC 5626 and its answer
        (False, b"\r\n"),
        (True, message("SERVICE sip:alice@example.com SIP/2.0", "4 SERVICE", [], lines(service_body, "service"))),
        (False, message("SIP/2.0 200 OK", "4 SERVICE", [], lines(500, "result"))),
    ]


# --------------------------------------------------------------------------------------------- OpenSSL

libssl = load("libssl.so.3", "libssl3")
libcrypto = load("libcrypto.so.3", "libssl3")
for lib, names in ((libssl, "TLS_method SSL_CTX_new SSL_new SSL_get_current_cipher SSL_get1_session"),
                   (libcrypto, "BIO_new BIO_s_mem")):
    for fn in names.split():
        getattr(lib, fn).restype = c_void_p
for fn in "SSL_CIPHER_standard_name", "OPENSSL_cipher_name":
    getattr(libssl, fn).restype = c_char_p
libssl.SSL_CTX_set_options.restype = libssl.SSL_CTX_clear_options.restype = c_uint64

KEYLOG_CB = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)
VERIFY_CB = ctypes.CFUNCTYPE(c_int, c_int, c_void_p)
PSK_CLIENT_CB = ctypes.CFUNCTYPE(c_uint, c_void_p, c_char_p, c_void_p, c_uint, c_void_p, c_uint)
PSK_SERVER_CB = ctypes.CFUNCTYPE(c_uint, c_void_p, c_char_p, c_void_p, c_uint)
WIRE = {"TLSv1.0": 0x301, "TLSv1.1": 0x302, "TLSv1.2": 0x303, "TLSv1.3": 0x304}

# SSL_OP_* and SSL_CTRL_* values from openssl/ssl.h of OpenSSL 3
OP_NO_EMS, OP_CLIENT_RENEGOTIATION, OP_ALLOW_NO_DHE = 1 << 0, 1 << 8, 1 << 10
OP_DONT_INSERT_EMPTY_FRAGMENTS, OP_NO_TICKET, OP_NO_ETM, OP_MIDDLEBOX = 1 << 11, 1 << 14, 1 << 19, 1 << 20
CTRL_MAX_FRAGMENT, CTRL_GROUPS_LIST, CTRL_DH_AUTO = 52, 92, 118
CTRL_MIN_VERSION, CTRL_MAX_VERSION = 123, 124
PSK = bytes(range(16))


class OpensslContext:
    """An SSL_CTX of one side, shared by the connections of a case so that sessions can be resumed."""

    def __init__(self, case, server, certs, log):
        has, self.keep = case["flags"].__contains__, []  # ctypes callbacks must outlive their use
        self.server = server
        self.ctx = ctx = c_void_p(libssl.SSL_CTX_new(c_void_p(libssl.TLS_method())))
        for ctrl in CTRL_MIN_VERSION, CTRL_MAX_VERSION:
            libssl.SSL_CTX_ctrl(ctx, ctrl, c_long(WIRE[case["version"]]), None)
        if case["version"] == "TLSv1.3":
            assert libssl.SSL_CTX_set_ciphersuites(ctx, case["suite"].encode()), case["suite"]
            libssl.SSL_CTX_set_cipher_list(ctx, b"ALL:@SECLEVEL=0")
        else:
            name = libssl.OPENSSL_cipher_name(case["suite"].encode())
            assert libssl.SSL_CTX_set_cipher_list(ctx, name + b":@SECLEVEL=0"), case["suite"]
        options = OP_CLIENT_RENEGOTIATION
        options |= OP_NO_EMS if has("noems") else 0
        options |= OP_NO_ETM if has("mte") else 0
        options |= 0 if has("ticket") or case["version"] == "TLSv1.3" else OP_NO_TICKET
        options |= 0 if has("empty-fragments") else OP_DONT_INSERT_EMPTY_FRAGMENTS
        options |= OP_ALLOW_NO_DHE if has("psk-ke") else 0
        libssl.SSL_CTX_set_options(ctx, c_uint64(options))
        if has("no-middlebox"):
            libssl.SSL_CTX_clear_options(ctx, c_uint64(OP_MIDDLEBOX))
        libssl.SSL_CTX_ctrl(ctx, CTRL_DH_AUTO, c_long(1), None)
        if has("small-records"):
            libssl.SSL_CTX_ctrl(ctx, CTRL_MAX_FRAGMENT, c_long(512), None)
        if has("padding"):
            libssl.SSL_CTX_set_block_padding(ctx, c_size_t(512))
        if has("hrr"):  # the client's key share is for X25519, which the server does not take
            libssl.SSL_CTX_ctrl(ctx, CTRL_GROUPS_LIST, c_long(0), b"P-384" if server else b"X25519:P-384")
        if server or has("mtls") or has("post-handshake-auth"):
            pem = certs["client"] if not server else certs["ecdsa"] if "_ECDSA_" in case["suite"] else certs["rsa"]
            libssl.SSL_CTX_use_certificate_file(ctx, str(pem["cert"]).encode(), 1)
            assert libssl.SSL_CTX_use_PrivateKey_file(ctx, str(pem["key"]).encode(), 1)
        if server and (has("mtls") or has("post-handshake-auth")):
            self.keep.append(VERIFY_CB(lambda ok, store: 1))
            libssl.SSL_CTX_set_verify(ctx, 1 | (8 if has("post-handshake-auth") else 0), self.keep[-1])
        if has("post-handshake-auth"):
            libssl.SSL_CTX_set_post_handshake_auth(ctx, 1)
        if has("early-data"):
            libssl.SSL_CTX_set_max_early_data(ctx, 16384)
        if "PSK_WITH" in case["suite"]:
            def client_psk(ssl, hint, identity, max_identity, psk, max_psk):
                ctypes.memmove(identity, b"alice\0", 6)
                ctypes.memmove(psk, PSK, len(PSK))
                return len(PSK)

            def server_psk(ssl, identity, psk, max_psk):
                ctypes.memmove(psk, PSK, len(PSK))
                return len(PSK)
            if server:
                self.keep.append(PSK_SERVER_CB(server_psk))
                libssl.SSL_CTX_set_psk_server_callback(ctx, self.keep[-1])
            else:
                self.keep.append(PSK_CLIENT_CB(client_psk))
                libssl.SSL_CTX_set_psk_client_callback(ctx, self.keep[-1])
        libssl.SSL_CTX_set_session_id_context(ctx, b"test", 4)
        if not server:
            self.keep.append(KEYLOG_CB(lambda ssl, line: log.append(line.decode())))
            libssl.SSL_CTX_set_keylog_callback(ctx, self.keep[-1])

    def peer(self):
        return OpensslPeer(self)


class OpensslPeer:
    def __init__(self, context):
        self.context, self.received, self.early = context, b"", False
        self.ssl = c_void_p(libssl.SSL_new(context.ctx))
        self.rbio, self.wbio = (c_void_p(libcrypto.BIO_new(c_void_p(libcrypto.BIO_s_mem()))) for _ in "rw")
        libssl.SSL_set_bio(self.ssl, self.rbio, self.wbio)
        (libssl.SSL_set_accept_state if context.server else libssl.SSL_set_connect_state)(self.ssl)

    def check(self, ret):
        if ret <= 0 and libssl.SSL_get_error(self.ssl, ret) not in (2, 3, 6):  # want read, want write, closed
            libcrypto.ERR_print_errors_fp(c_void_p.in_dll(ctypes.CDLL(None), "stderr"))
            raise RuntimeError("OpenSSL failed")

    def feed(self, data):
        libcrypto.BIO_write(self.rbio, data, len(data))

    def take(self):
        buf = ctypes.create_string_buffer(65536)
        n = libcrypto.BIO_read(self.wbio, buf, len(buf))
        return buf.raw[:max(n, 0)]

    def poll(self):
        """Go on with the handshake, and read what there is to read."""
        buf, n = ctypes.create_string_buffer(65536), c_size_t(0)
        while self.early:  # a server that expects early data: 0 more needed, 1 some read, 2 all read
            ret = libssl.SSL_read_early_data(self.ssl, buf, c_size_t(len(buf)), byref(n))
            if ret == 0:
                return self.check(0)
            self.received += buf.raw[:n.value]
            self.early = ret == 1
        if libssl.SSL_in_init(self.ssl):
            self.check(libssl.SSL_do_handshake(self.ssl))
        while (ret := libssl.SSL_read(self.ssl, buf, len(buf))) > 0:
            self.received += buf.raw[:ret]
        self.check(ret)

    def send(self, data):
        self.check(libssl.SSL_write(self.ssl, data, len(data)))

    def close(self):
        libssl.SSL_shutdown(self.ssl)

    def suite(self):
        return libssl.SSL_CIPHER_standard_name(c_void_p(libssl.SSL_get_current_cipher(self.ssl))).decode()


# ---------------------------------------------------------------------------------------------- GnuTLS

class Datum(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_uint)]


PUSH_PULL_CB = ctypes.CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_size_t)
TIMEOUT_CB = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint)
GNUTLS_KEYLOG_CB = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, ctypes.POINTER(Datum))
GNUTLS_AGAIN, GNUTLS_EAGAIN_ERRNO = -28, 11
GNUTLS_CIPHER = {"RC4_128": "ARCFOUR-128", "3DES_EDE_CBC": "3DES-CBC"}
GNUTLS_MAC = {"SHA": "SHA1", "MD5": "MD5", "SHA256": "SHA256", "SHA384": "SHA384"}
GNUTLS_KX = {"RSA": "RSA", "ECDHE_RSA": "ECDHE-RSA"}


def gnutls():
    if not hasattr(gnutls, "lib"):
        gnutls.lib = load("libgnutls.so.30", "libgnutls30")
        gnutls.lib.gnutls_record_recv.restype = gnutls.lib.gnutls_record_send.restype = c_ssize_t
        gnutls.lib.gnutls_strerror.restype = c_char_p
    return gnutls.lib


def gnutls_priority(case):
    """The priority string that leaves exactly one cipher suite."""
    kx, _, rest = case["suite"][4:].rpartition("WITH_")
    aead = re.search("GCM|CCM|POLY1305", rest)
    cipher, mac = (rest, "AEAD") if rest.endswith(("CCM", "CCM_8")) else rest.rsplit("_", 1)
    words = ["NONE", f"+VERS-TLS{case['version'][4:]}", "+" + GNUTLS_CIPHER.get(cipher, cipher.replace("_", "-")),
             "+AEAD" if aead else "+" + GNUTLS_MAC[mac], "+" + GNUTLS_KX.get(kx.strip("_"), "ECDHE-RSA"),
             "+COMP-NULL", "+SIGN-ALL", "+GROUP-ALL", "+CTYPE-X509"]
    words += ["%NO_SESSION_HASH"] * ("noems" in case["flags"]) + ["%NO_ETM"] * ("mte" in case["flags"])
    return ":".join(words).encode()


class GnutlsContext:
    def __init__(self, case, server, certs, log):
        self.case, self.server, self.log, self.cred = case, server, log, c_void_p()
        gnutls().gnutls_certificate_allocate_credentials(byref(self.cred))
        if server:
            gnutls().gnutls_certificate_set_x509_key_file(
                self.cred, str(certs["rsa"]["cert"]).encode(), str(certs["rsa"]["key"]).encode(), 1)

    def peer(self):
        return GnutlsPeer(self)


class GnutlsPeer:
    def __init__(self, context):
        self.context, self.received, self.inbuf, self.outbuf, self.ready = context, b"", b"", b"", False
        self.s, lib = c_void_p(), gnutls()
        lib.gnutls_init(byref(self.s), (1 if context.server else 2) | 8)  # GNUTLS_SERVER or _CLIENT, _NONBLOCK
        self.check(lib.gnutls_priority_set_direct(self.s, gnutls_priority(context.case), None))
        lib.gnutls_credentials_set(self.s, 1, context.cred)
        self.keep = (PUSH_PULL_CB(self.push), PUSH_PULL_CB(self.pull), GNUTLS_KEYLOG_CB(self.keylog),
                     TIMEOUT_CB(lambda ptr, ms: 1 if self.inbuf else 0))
        lib.gnutls_transport_set_push_function(self.s, self.keep[0])
        lib.gnutls_transport_set_pull_function(self.s, self.keep[1])
        lib.gnutls_transport_set_pull_timeout_function(self.s, self.keep[3])
        if not context.server:
            lib.gnutls_session_set_keylog_function(self.s, self.keep[2])

    def push(self, ptr, data, size):
        self.outbuf += ctypes.string_at(data, size)
        return size

    def pull(self, ptr, data, size):
        if not self.inbuf:
            gnutls().gnutls_transport_set_errno(self.s, GNUTLS_EAGAIN_ERRNO)
            return -1
        chunk, self.inbuf = self.inbuf[:size], self.inbuf[size:]
        ctypes.memmove(data, chunk, len(chunk))
        return len(chunk)

    def keylog(self, session, label, secret):
        client_random, server_random = Datum(), Datum()
        gnutls().gnutls_session_get_random(self.s, byref(client_random), byref(server_random))
        as_hex = lambda d: ctypes.string_at(d.data, d.size).hex()
        self.context.log.append(f"{label.decode()} {as_hex(client_random)} {as_hex(secret.contents)}")
        return 0

    def check(self, ret):
        if ret < 0 and ret != GNUTLS_AGAIN:
            raise RuntimeError("GnuTLS: " + gnutls().gnutls_strerror(int(ret)).decode())
        return ret

    def feed(self, data):
        self.inbuf += data

    def take(self):
        data, self.outbuf = self.outbuf, b""
        return data

    def poll(self):
        if not self.ready:
            self.ready = self.check(gnutls().gnutls_handshake(self.s)) == 0
        if self.ready:
            buf = ctypes.create_string_buffer(65536)
            while (ret := self.check(gnutls().gnutls_record_recv(self.s, buf, c_size_t(len(buf))))) > 0:
                self.received += buf.raw[:ret]

    def send(self, data):
        while data:  # one record at a time
            data = data[self.check(gnutls().gnutls_record_send(self.s, data, c_size_t(len(data)))):]

    def close(self):
        gnutls().gnutls_bye(self.s, 1)

    def suite(self):
        return self.context.case["suite"]  # the priority string leaves no other


# -------------------------------------------------------------------------------------- one connection

class Connection:
    """Two peers, and the bytes they exchange in self.flights: [(from_client, bytes), ...]."""

    def __init__(self, client, server):
        self.client, self.server, self.flights = client, server, []
        self.sent = {True: b"", False: b""}

    def pump(self):
        """Carry bytes to and fro until both sides are silent."""
        moved = True
        while moved:
            moved = False
            for peer, other, from_client in (self.client, self.server, True), (self.server, self.client, False):
                peer.poll()
                if data := peer.take():
                    self.flights.append((from_client, data))
                    other.feed(data)
                    moved = True

    def send(self, from_client, *pieces):
        for piece in pieces:
            (self.client if from_client else self.server).send(piece)
            self.sent[from_client] += piece
        self.pump()

    def close(self):
        for peer in self.client, self.server:
            peer.close()
            self.pump()
        for from_client, receiver in (True, self.server), (False, self.client):
            assert receiver.received == self.sent[from_client], "the plaintext did not arrive"


def rehandshake(peer, start):
    """Renegotiation, KeyUpdate or post-handshake authentication (OpenSSL only)."""
    assert start(peer.ssl) == 1
    peer.check(libssl.SSL_do_handshake(peer.ssl))


def run_connection(case, contexts, session):
    """One TCP connection of the case; `session` is that of the connection to resume. Gives both back."""
    has = case["flags"].__contains__
    conn = Connection(*(context.peer() for context in contexts))
    client, server = conn.client, conn.server
    talk = dialogue(20000 if has("full") and not session else 600)
    if session:
        libssl.SSL_set_session(client.ssl, session)
        if has("psk-ke"):  # OpenSSL forgoes the key share only where no group is common
            libssl.SSL_ctrl(client.ssl, CTRL_GROUPS_LIST, c_long(0), b"X25519")
            libssl.SSL_ctrl(server.ssl, CTRL_GROUPS_LIST, c_long(0), b"P-384")
        if has("early-data"):
            server.early, first, n = True, talk.pop(0)[1], c_size_t(0)
            assert libssl.SSL_write_early_data(client.ssl, first, c_size_t(len(first)), byref(n)) == 1
            conn.sent[True] += first
    conn.pump()
    for i, (from_client, data) in enumerate(talk):
        # what happens mid-stream happens around the SUBSCRIBE, before the first bytes of which i is 4
        if i == 4 and has("key-update"):  # the client asks the server to update too; later the server alone
            rehandshake(client, lambda ssl: libssl.SSL_key_update(ssl, 1))
        if i == 7 and has("key-update"):
            rehandshake(server, lambda ssl: libssl.SSL_key_update(ssl, 0))
        if i == 4 and has("renegotiate-suite"):
            other = libssl.OPENSSL_cipher_name(case["then"].encode()) + b":@SECLEVEL=0"
            libssl.SSL_set_cipher_list(client.ssl, other), libssl.SSL_set_cipher_list(server.ssl, other)
        if i == 4 and (has("renegotiate-client") or has("renegotiate-suite")):
            rehandshake(client, libssl.SSL_renegotiate)
        if i == 4 and has("renegotiate-abbreviated"):
            rehandshake(client, libssl.SSL_renegotiate_abbreviated)
        if i == 4 and has("renegotiate-server"):
            rehandshake(server, libssl.SSL_renegotiate)
        if i == 4 and has("post-handshake-auth"):
            rehandshake(server, libssl.SSL_verify_client_post_handshake)
        if i in (4, 7):
            conn.pump()
        conn.send(from_client, *((data[:1], data[1:]) if has("one-n-minus-one") else (data,)))
    if case["resumed"]:
        session = c_void_p(libssl.SSL_get1_session(client.ssl))
    conn.close()
    return conn, session


def server_hello(flights):
    """(suite id, extensions, session id) of the first ServerHello that is not a HelloRetryRequest."""
    data = b"".join(data for from_client, data in flights if not from_client)
    handshake, at = b"", 0
    while at + 5 <= len(data):  # the clear handshake records from the start
        kind, _, size = struct.unpack_from(">BHH", data, at)
        handshake += data[at + 5:at + 5 + size] if kind == 22 else b""
        at += 5 + size
    at = 0
    retry = hashlib.sha256(b"HelloRetryRequest").digest()
    while handshake[at] != 2 or handshake[at + 6:at + 38] == retry:
        at += 4 + int.from_bytes(handshake[at + 1:at + 4], "big")
    end = at + 4 + int.from_bytes(handshake[at + 1:at + 4], "big")
    sid_len = handshake[at + 38]
    sid = handshake[at + 39:at + 39 + sid_len]
    at += 39 + sid_len
    suite, extensions, ext = int.from_bytes(handshake[at:at + 2], "big"), {}, at + 5
    while ext < end:
        kind, size = struct.unpack_from(">HH", handshake, ext)
        extensions[kind] = handshake[ext + 4:ext + 4 + size]
        ext += 4 + size
    return suite, extensions, sid


# --------------------------------------------------------------------------------------------- capture

def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class TcpWriter:
    """Ethernet frames of one TCP connection, with right sequence numbers and checksums."""

    def __init__(self, port, packets):
        self.port, self.packets = port, packets
        self.seq = {True: 0x10000000 + port, False: 0x20000000 + port}

    def packet(self, from_client, flags, data=b""):
        src, dst = [bytes(map(int, ip.split("."))) for ip in (CLIENT_IP, SERVER_IP)][::1 if from_client else -1]
        ports = (self.port, SERVER_PORT)[::1 if from_client else -1]
        ack = self.seq[not from_client] if flags & 0x10 else 0
        tcp = struct.pack(">HHIIBBHHH", *ports, self.seq[from_client], ack, 0x50, flags, 65535, 0, 0) + data
        pseudo = src + dst + struct.pack(">BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), len(self.packets), 0x4000, 64, 6, 0) + src + dst
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        macs = [b"\x02\0\0\0\0\x0a", b"\x02\0\0\0\0\x15"][::1 if from_client else -1]
        self.packets.append(b"".join(macs) + b"\x08\0" + ip + tcp)
        self.seq[from_client] += len(data) + bool(flags & 3)  # SYN and FIN take a number too

    def connection(self, flights):
        self.packet(True, 0x02), self.packet(False, 0x12), self.packet(True, 0x10)
        for i, (from_client, data) in enumerate(flights):
            for at in range(0, len(data), MSS):
                self.packet(from_client, 0x18 if at + MSS >= len(data) else 0x10, data[at:at + MSS])
            if i + 1 == len(flights) or flights[i + 1][0] == from_client:  # else the next flight acknowledges
                self.packet(not from_client, 0x10)
        self.packet(True, 0x11), self.packet(False, 0x11), self.packet(True, 0x10)


def pcap(packets):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for i, packet in enumerate(packets):
        usec = START_USEC + 1000 * i
        out += struct.pack("<IIII", usec // 10**6, usec % 10**6, len(packet), len(packet)) + packet
    return out


def pcapng(packets, keys, where):
    """pcapng with a decryption secrets block before or after the packets."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 262144))
    secrets = block(0x0A, struct.pack("<II", 0x544C534B, len(keys)) + keys)
    body = b""
    for i, packet in enumerate(packets):
        usec = START_USEC + 1000 * i
        size = len(packet)
        body += block(6, struct.pack("<IIIII", 0, usec >> 32, usec & 0xFFFFFFFF, size, size) + packet)
    return head + (secrets + body if where == "before" else body + secrets)


# ----------------------------------------------------------------------------------------------- cases
# Version, cipher suite, then flags: `full` the dialogue with the 20 KB body (else 600 bytes), `mte` no
# encrypt-then-MAC, `noems` no extended master secret, `gnutls` made by GnuTLS, `id` `ticket` `psk`
# a second connection resumes the session; the others are explained in NOTES.
CASES = """
1.0 TLS_RSA_WITH_AES_128_CBC_SHA            full mte
1.0 TLS_RSA_WITH_AES_128_CBC_SHA            noems
1.0 TLS_RSA_WITH_AES_256_CBC_SHA            mte noems
1.0 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
1.0 TLS_DHE_RSA_WITH_AES_256_CBC_SHA        mte
1.0 TLS_RSA_WITH_CAMELLIA_128_CBC_SHA
1.0 TLS_RSA_WITH_NULL_MD5
1.0 TLS_RSA_WITH_AES_128_CBC_SHA            mte empty-fragments
1.0 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA      empty-fragments
1.0 TLS_RSA_WITH_AES_256_CBC_SHA            mte one-n-minus-one
1.0 TLS_RSA_WITH_AES_128_CBC_SHA            mte noems id
1.0 TLS_RSA_WITH_AES_256_CBC_SHA            ticket
1.0 TLS_RSA_WITH_3DES_EDE_CBC_SHA           mte gnutls
1.0 TLS_RSA_WITH_3DES_EDE_CBC_SHA           noems gnutls
1.0 TLS_RSA_WITH_RC4_128_MD5                full gnutls
1.0 TLS_RSA_WITH_RC4_128_SHA                noems gnutls
1.1 TLS_RSA_WITH_AES_128_CBC_SHA            mte
1.1 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA      mte noems
1.1 TLS_DHE_RSA_WITH_AES_128_CBC_SHA        noems
1.1 TLS_RSA_WITH_NULL_SHA                   noems
1.1 TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA     mte gnutls
1.1 TLS_RSA_WITH_RC4_128_SHA                gnutls
1.2 TLS_RSA_WITH_AES_128_CBC_SHA            full mte
1.2 TLS_RSA_WITH_AES_128_CBC_SHA            full
1.2 TLS_RSA_WITH_AES_256_CBC_SHA            mte noems
1.2 TLS_RSA_WITH_AES_256_CBC_SHA            noems
1.2 TLS_RSA_WITH_AES_128_CBC_SHA256         mte
1.2 TLS_RSA_WITH_AES_256_CBC_SHA256         mte
1.2 TLS_RSA_WITH_AES_256_CBC_SHA256
1.2 TLS_RSA_WITH_AES_128_GCM_SHA256         full
1.2 TLS_RSA_WITH_AES_256_GCM_SHA384         noems
1.2 TLS_RSA_WITH_AES_256_GCM_SHA384
1.2 TLS_RSA_WITH_AES_128_CCM
1.2 TLS_RSA_WITH_AES_256_CCM_8
1.2 TLS_RSA_WITH_CAMELLIA_128_CBC_SHA       mte
1.2 TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256
1.2 TLS_RSA_WITH_CAMELLIA_128_GCM_SHA256    gnutls
1.2 TLS_RSA_WITH_NULL_SHA
1.2 TLS_RSA_WITH_NULL_SHA256
1.2 TLS_RSA_WITH_3DES_EDE_CBC_SHA           full mte gnutls
1.2 TLS_RSA_WITH_3DES_EDE_CBC_SHA           gnutls
1.2 TLS_RSA_WITH_RC4_128_MD5                noems gnutls
1.2 TLS_RSA_WITH_RC4_128_SHA                gnutls
1.2 TLS_RSA_WITH_AES_256_CBC_SHA256         mte noems gnutls
1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256   noems
1.2 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384   mte
1.2 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384   full
1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   full
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   noems gnutls
1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256   full
1.2 TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384   mte
1.2 TLS_ECDHE_RSA_WITH_NULL_SHA
1.2 TLS_ECDHE_ECDSA_WITH_AES_128_CCM
1.2 TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
1.2 TLS_DHE_RSA_WITH_AES_256_CBC_SHA256     mte noems
1.2 TLS_DHE_RSA_WITH_AES_128_CCM_8
1.2 TLS_DHE_RSA_WITH_AES_256_CCM
1.2 TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
1.2 TLS_PSK_WITH_AES_128_GCM_SHA256
1.2 TLS_PSK_WITH_AES_128_CBC_SHA256         mte
1.2 TLS_RSA_PSK_WITH_AES_256_GCM_SHA384
1.2 TLS_RSA_WITH_AES_128_GCM_SHA256         id
1.2 TLS_RSA_WITH_AES_128_CBC_SHA            noems ticket
1.2 TLS_RSA_WITH_AES_256_GCM_SHA384         ticket
1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256   id
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   ticket
1.2 TLS_RSA_WITH_AES_128_GCM_SHA256         mtls
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   mtls
1.2 TLS_RSA_WITH_AES_128_CBC_SHA            mte renegotiate-client
1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256   renegotiate-client
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   renegotiate-server
1.2 TLS_RSA_WITH_AES_256_GCM_SHA384         renegotiate-abbreviated
1.2 TLS_RSA_WITH_AES_128_CBC_SHA            renegotiate-suite then=TLS_RSA_WITH_AES_256_GCM_SHA384
1.2 TLS_RSA_WITH_AES_128_CBC_SHA256         small-records
1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256   dsb-before
1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384   dsb-after
1.3 TLS_AES_128_GCM_SHA256                  full
1.3 TLS_AES_256_GCM_SHA384
1.3 TLS_CHACHA20_POLY1305_SHA256            full
1.3 TLS_AES_128_CCM_SHA256
1.3 TLS_AES_128_CCM_8_SHA256
1.3 TLS_AES_256_GCM_SHA384                  gnutls
1.3 TLS_AES_128_GCM_SHA256                  psk
1.3 TLS_AES_256_GCM_SHA384                  psk psk-ke
1.3 TLS_AES_256_GCM_SHA384                  psk early-data
1.3 TLS_AES_128_GCM_SHA256                  full key-update
1.3 TLS_CHACHA20_POLY1305_SHA256            key-update
1.3 TLS_AES_128_GCM_SHA256                  hrr
1.3 TLS_AES_256_GCM_SHA384                  mtls
1.3 TLS_AES_256_GCM_SHA384                  post-handshake-auth
1.3 TLS_AES_128_GCM_SHA256                  padding
1.3 TLS_AES_128_GCM_SHA256                  no-middlebox
1.3 TLS_AES_128_GCM_SHA256                  small-records
"""
NOTES = {
    "gnutls": "made by GnuTLS",
    "full": "20 KB SERVICE body, more than a record",
    "id": "second connection resumes by session id",
    "ticket": "second connection resumes by session ticket (RFC 5077)",
    "psk": "second connection resumes by TLS 1.3 ticket",
    "psk-ke": "resumption without a key share (psk_ke)",
    "early-data": "second connection sends the first REGISTER as 0-RTT early data",
    "empty-fragments": "an empty record before each application record",
    "one-n-minus-one": "each message as a record of 1 byte and one of the rest",
    "mtls": "client certificate asked for and given",
    "post-handshake-auth": "client certificate asked for and given in mid-stream",
    "renegotiate-client": "full renegotiation in mid-stream, begun by the client",
    "renegotiate-server": "renegotiation in mid-stream, begun by a HelloRequest; the client resumes the session",
    "renegotiate-abbreviated": "renegotiation in mid-stream that resumes the session",
    "renegotiate-suite": "renegotiation in mid-stream to another cipher suite",
    "key-update": "the client updates its key and asks the server to; later the server updates alone",
    "hrr": "HelloRetryRequest from X25519 to P-384",
    "padding": "records padded to a multiple of 512",
    "no-middlebox": "no middlebox compatibility: no ChangeCipherSpec, no session id",
    "small-records": "records of at most 512 bytes, so handshake messages span records",
    "dsb-before": "pcapng, decryption secrets block before the packets",
    "dsb-after": "pcapng, decryption secrets block after the packets",
}


def parse_cases():
    for line in CASES.strip().splitlines():
        version, suite, *flags = line.split()
        short = suite[4:].lower().replace("_with_", "-").replace("_", "-").replace("aes-", "aes").replace("-rsa-", "-")
        named = [f for f in flags if f != "full" and not f.startswith("then=")]  # these keep the names apart
        prefix = suite[4:].partition("_WITH_")[0]
        yield {
            "name": "-".join([f"tls{version.replace('.', '')}", short, *named]),
            "version": "TLSv" + version, "suite": suite,
            "kx": "TLS13" if version == "1.3" else "PSK" if "PSK" in prefix else prefix.partition("_")[0],
            "resumed": next((f for f in ("id", "ticket", "psk") if f in flags), None),
            "then": next((f[5:] for f in flags if f.startswith("then=")), None),
            "flags": flags,
        }


def digests(plain):
    return {"c2s_sha256": hashlib.sha256(plain[True]).hexdigest(), "c2s_len": len(plain[True]),
            "s2c_sha256": hashlib.sha256(plain[False]).hexdigest(), "s2c_len": len(plain[False])}


def make_case(case, certs, out):
    log, packets, totals, infos = [], [], {True: b"", False: b""}, []
    kind = GnutlsContext if "gnutls" in case["flags"] else OpensslContext
    contexts = [kind(case, server, certs, log) for server in (False, True)]
    session = None
    for i in range(2 if case["resumed"] else 1):
        conn, session = run_connection(case, contexts, session)
        TcpWriter(FIRST_CLIENT_PORT + i, packets).connection(conn.flights)
        suite_id, extensions, sid = server_hello(conn.flights)
        infos.append({"client_port": FIRST_CLIENT_PORT + i, **digests(conn.sent)})
        for direction in totals:
            totals[direction] += conn.sent[direction]
        if i == 1 and case["resumed"] == "psk":
            assert 41 in extensions, "not resumed"
            assert (51 in extensions) != ("psk-ke" in case["flags"]), "key share"
        if i == 1 and case["resumed"] in ("id", "ticket"):  # an abbreviated handshake has no Certificate
            assert len(conn.flights[1][1]) < 400, "not resumed"
    assert conn.client.suite() == (case["then"] or case["suite"]), conn.client.suite()
    ems, etm = 23 in extensions, 22 in extensions
    if case["version"] != "TLSv1.3":
        assert ems == ("noems" not in case["flags"]), "extended master secret"
        # OpenSSL agrees on encrypt-then-MAC with NULL suites too, where it changes nothing
        assert etm == ("mte" not in case["flags"] and bool(re.search("CBC|NULL", case["suite"]))), "encrypt-then-MAC"
    keys = "".join(line + "\n" for line in dict.fromkeys(log)).encode()
    dsb = next((f[4:] for f in case["flags"] if f.startswith("dsb-")), None)
    file = case["name"] + (".pcapng" if dsb else ".pcap")
    (out / file).write_bytes(pcapng(packets, keys, dsb) if dsb else pcap(packets))
    (out / f"{case['name']}.keys").write_bytes(keys)
    return {
        "name": case["name"], "file": file, "version": case["version"], "suite": case["suite"],
        "suite_id": f"0x{suite_id:04x}", "kx": case["kx"], "ems": ems, "etm": etm, "resumed": case["resumed"],
        "note": "; ".join(NOTES[f] for f in case["flags"] if f in NOTES), "rsa_alone": case["kx"] == "RSA",
        **digests(totals), "connections": infos,  # `totals` has the connections one after the other
    }


def make_certs(out, tmp, keep_rsa):
    need("openssl", "openssl")
    certs = {}
    for name, newkey, cn in (("rsa", ["rsa:2048"], "sip.example.com"),
                             ("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "sip.example.com"),
                             ("client", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "alice@example.com")):
        key, cert = out / "rsa.pem" if name == "rsa" else tmp / f"{name}.key", tmp / f"{name}.crt"
        certs[name] = {"key": key, "cert": cert}
        new = ["-key", key] if name == "rsa" and keep_rsa and key.exists() else ["-keyout", key, "-newkey", *newkey]
        subprocess.run(["openssl", "req", "-config", "/dev/stdin", "-x509", "-nodes", "-days", "3650",
                        "-subj", f"/CN={cn}", *new, "-out", cert],
                       input=b"[req]\ndistinguished_name=dn\n[dn]\n", check=True, stderr=subprocess.DEVNULL)
    return certs


# ----------------------------------------------------------------------------------------------- check

def tshark_follow(path, stream, *options):
    """The plaintext of both directions as `tshark -z follow,tls,raw` has it: {from_client: bytes}."""
    text = subprocess.run(["tshark", "-n", "-r", path, "-q", *options, "-z", f"follow,tls,raw,{stream}"],
                          check=True, capture_output=True, text=True).stdout
    got = {True: b"", False: b""}
    node0_is_client = f"Node 0: {CLIENT_IP}:" in text  # node 1 is indented by a tab
    for line in text.splitlines():
        if re.fullmatch(r"\t?([0-9a-f]{2})+", line):
            got[node0_is_client != line.startswith("\t")] += bytes.fromhex(line.strip())
    return got


def check_case(case, out):
    """What tshark cannot do with the case, in words."""
    path, key = out / case["file"], out / "rsa.pem"
    ways = [("key log", ["-o", f"tls.keylog_file:{out / case['name']}.keys"])]
    if case["file"].endswith("ng"):
        ways.append(("secrets block", []))
    else:
        ways.append(("RSA key", ["-o", f'uat:rsa_keys:"{key}",""']))
    troubles = []
    for way, options in ways:
        want = case["rsa_alone"] or way != "RSA key"
        opened = 0
        for i, conn in enumerate(case["connections"]):
            got = tshark_follow(path, i, *options)
            right = digests(got).items() <= conn.items()
            opened += right
            if want and not right:
                troubles.append(f"{way}, connection {i}: {len(got[True])} of {conn['c2s_len']} bytes from the client, "
                                f"{len(got[False])} of {conn['s2c_len']} from the server")
        if not want and opened and "NULL" not in case["suite"]:
            troubles.append(f"{way}: opens it, though rsa_alone is false")
    return troubles


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "captures" / "tls")
    parser.add_argument("--check", action="store_true", help="check what is there with tshark, after making it")
    parser.add_argument("--no-make", action="store_true", help="with --check: do not make anything first")
    parser.add_argument("--only", default="", help="only cases with this in the name; cases.jsonl is left alone")
    args = parser.parse_args()
    out, listing = args.out, args.out / "cases.jsonl"
    made = []
    if args.no_make:
        made = [json.loads(line) for line in listing.read_text().splitlines()]
        made = [case for case in made if args.only in case["name"]]
    else:
        out.mkdir(parents=True, exist_ok=True)
        if not args.only and listing.exists():
            for line in listing.read_text().splitlines():
                old = json.loads(line)
                (out / old["file"]).unlink(missing_ok=True), (out / f"{old['name']}.keys").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as tmp:
            certs = make_certs(out, Path(tmp), keep_rsa=bool(args.only))
            for case in parse_cases():
                if args.only in case["name"]:
                    try:
                        made.append(make_case(case, certs, out))
                    except (RuntimeError, AssertionError) as error:
                        print(f"cannot make {case['name']}: {error}", file=sys.stderr)
        if not args.only:
            listing.write_text("".join(json.dumps(case) + "\n" for case in made))
        print(f"{len(made)} cases in {out}, {sum(f.stat().st_size for f in out.iterdir())} bytes")
    if args.check:
        need("tshark", "tshark")
        bad = 0
        for case in made:
            for trouble in check_case(case, out):
                known = case["name"].endswith(("dsb-after", "post-handshake-auth"))
                print(f"{case['name']}: tshark, {trouble}{' (known)' if known else ''}")
                bad += not known
        print(f"tshark: {len(made)} cases checked, {bad} unexpected differences")
        sys.exit(bad > 0)


if __name__ == "__main__":
    main()
