"""Statements that speak HTTP: http, get, post, web-ticket, certificate."""

import re
import ssl

from .common import AGENTS, MS, Mistake, SECOND, b64
from .ntlm import ntlm_authenticate, ntlm_challenge, ntlm_negotiate
from .packets import Connection
from .sip import Sip


AUTH_SERVICES = "http://schemas.microsoft.com/OCS/AuthWebServices/"
TICKET_REQUEST = (
    '<t:RequestSecurityToken xmlns:t="http://docs.oasis-open.org/ws-sx/ws-trust/200512">'
    "<t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>"
    '<a:AppliesTo xmlns:a="http://schemas.xmlsoap.org/ws/2004/09/policy">'
    "https://HOST/CertProv/CertProvisioningService.svc</a:AppliesTo></t:RequestSecurityToken>"
)
TICKET = (
    "<RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken>"
    '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion">'
    '<saml:Conditions NotBefore="2026-11-24T09:00:00Z" NotOnOrAfter="2026-11-24T17:00:00Z"/></saml:Assertion>'
    "</RequestedSecurityToken></RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
)


def soap(body):
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'


def security_token(data):
    return f'<wsse:BinarySecurityToken xmlns:wsse="urn:wsse">{b64(data)}</wsse:BinarySecurityToken>'


class Web:
    """HTTP and HTTPS: autodiscover, web ticket, certificate service."""

    def do_http(self, rest, block):
        name, way, start = rest.split(" ", 2)
        given, body = self.parse_block(block)
        self.http(self.link(name), way, start, given, body)

    def http(self, link, way, start, given, body):
        if way == ">":
            host = getattr(link, "host", None) or link.addresses["<"][0]
            message = Sip(
                f"{start} HTTP/1.1",
                [
                    ("Host", host),
                    ("User-Agent", "OCAS/" + AGENTS[link.client.agent][0].split("/")[1].split()[0]),
                    ("Accept", "application/vnd.microsoft.rtc.autodiscover+xml;v=1"),
                ],
            )
        else:
            message = Sip(f"HTTP/1.1 {start}", [("Server", "Microsoft-IIS/8.5"), ("Date", self.date())])
        if body == "@crl":
            body = self.certificates.revoked()
            message.put("Content-Type", "application/pkix-crl")
        elif body:
            kind = (
                "application/vnd.microsoft.rtc.autodiscover+xml; v=1"
                if "AutodiscoverResponse" in body
                else "text/xml; charset=utf-8"
                if body.startswith("<")
                else "application/json"
                if body.startswith("{")
                else "text/plain"
            )
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
        link, _, path = self.open_web(f"https://{host}/WebTicket/WebTicketService.svc", ip, {})
        link.shake_hands()
        self.secure(link, {"server": host})
        client = self.client
        data, info = ntlm_challenge(self.rng, client.domain, host, self.server_time())
        third = ntlm_authenticate(self.rng, client.domain, client.user, client.machine, info, self.record.when())
        action = [("SOAPAction", '"http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue"')]
        for token, challenge in ((None, "NTLM"), (ntlm_negotiate(), f"NTLM {b64(data)}"), (third, None)):
            headers = action + ([("Authorization", f"NTLM {b64(token)}")] if token else [])
            self.http(link, ">", f"POST {path}", headers, soap(TICKET_REQUEST.replace("HOST", host)))
            self.record.pass_time(3 * MS)
            if challenge:
                self.http(link, "<", "401 Unauthorized", [("WWW-Authenticate", challenge)], "")
            else:
                self.http(link, "<", "200 OK", [], soap(TICKET))
        link.finish(">")

    def do_certificate(self, rest, _):
        host, ip = re.fullmatch(r"(\S+) at (\S+)", rest).groups()
        link, _, path = self.open_web(f"https://{host}/CertProv/CertProvisioningService.svc", ip, {})
        link.shake_hands()
        self.secure(link, {"server": host})
        user = f"{self.client.user}@{self.client.domain}"
        pem = self.certificates.user("good", user).read_text()
        certificate = ssl.PEM_cert_to_DER_cert(pem[: pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)])
        action = [("SOAPAction", f'"{AUTH_SERVICES}GetAndPublishCert"')]
        ask = (
            f'<GetAndPublishCert xmlns="{AUTH_SERVICES}" DeviceId="{{{self.client.instance}}}" Entity="{user}">'
            f"{security_token(self.rng.randbytes(200))}</GetAndPublishCert>"
        )
        answer = (
            f'<GetAndPublishCertResponse xmlns="{AUTH_SERVICES}">{security_token(certificate)}'
            "</GetAndPublishCertResponse>"
        )
        self.http(link, ">", f"POST {path}", action, soap(ask))
        self.record.pass_time(30 * MS)
        self.http(link, "<", "200 OK", [], soap(answer))
        link.finish(">")
