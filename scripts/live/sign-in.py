#!/usr/bin/env python3
"""A small sign-in over real sockets: sign-in.py server CERTIFICATE KEY | client ADDRESS KEYLOG.

The client asks DNS for its server, connects with TLS to port 5061, registers twice (a challenge, then success),
subscribes, and signs out. It writes a key log while it goes, as browsers and patched clients do.
"""
import socket
import ssl
import struct
import sys
import time

DOMAIN = "lab.test"


def ask(server, name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">HHHHHH", hash((name, kind)) & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(2)
        udp.sendto(query, (server, 53))
        return udp.recv(2048)


def message(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        if not byte:
            return None
        head += byte
    head = head.decode()
    length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
    return head + stream.read(length).decode()


def header(text, name):
    return next(line.split(":", 1)[1].strip() for line in text.split("\r\n") if line.lower().startswith(name.lower() + ":"))


def serve(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("", 5061))
    while True:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as tls:
            stream = tls.makefile("rwb")
            while (request := message(stream)) is not None:
                method = request.split(" ", 1)[0]
                first = method == "REGISTER" and "Authorization" not in request
                same = "".join(f"{name}: {header(request, name)}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq"))
                extra = ""
                if first:
                    extra = 'WWW-Authenticate: NTLM realm="SIP Communications Service", targetname="pool.lab.test", version=4\r\n'
                elif method == "REGISTER":
                    extra = f"Expires: {header(request, 'Expires')}\r\nServer: RTC/4.0\r\n"
                line = "401 Unauthorized" if first else "200 OK"
                stream.write(f"SIP/2.0 {line}\r\n{same}{extra}Content-Length: 0\r\n\r\n".encode())
                stream.flush()


def sign_in(server, key_log):
    ask(server, f"_sipinternaltls._tcp.{DOMAIN}", 33)
    ask(server, f"pool.{DOMAIN}", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.keylog_filename = key_log
    with context.wrap_socket(socket.create_connection((server, 5061)), server_hostname=f"pool.{DOMAIN}") as tls:
        stream = tls.makefile("rwb")

        def say(method, number, extra="", body=""):
            text = (f"{method} sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TLS {tls.getsockname()[0]}:5061\r\nMax-Forwards: 70\r\n"
                    f"From: <sip:ann@{DOMAIN}>;tag=1;epid=aabbccddee\r\nTo: <sip:ann@{DOMAIN}>\r\nCall-ID: {method}\r\n"
                    f"CSeq: {number} {method}\r\nUser-Agent: UCCAPI/4.0 OC/4.0\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}")
            stream.write(text.encode())
            stream.flush()
            return message(stream)

        say("REGISTER", 1, "Expires: 600\r\n")
        say("REGISTER", 2, 'Expires: 600\r\nAuthorization: NTLM qop="auth", realm="SIP Communications Service", targetname="pool.lab.test", version=4, gssapi-data=""\r\n')
        say("SUBSCRIBE", 1, "Event: presence\r\n", "x" * 4000)
        time.sleep(0.2)
        say("REGISTER", 3, 'Expires: 0\r\nAuthorization: NTLM qop="auth", realm="SIP Communications Service"\r\n')


if sys.argv[1] == "server":
    serve(*sys.argv[2:4])
else:
    sign_in(*sys.argv[2:4])
