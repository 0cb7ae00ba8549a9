"""Certificates of servers and users, made by `openssl` with the dates and names that a scenario wants."""

import subprocess
import zlib
from datetime import timedelta
from pathlib import Path

from .common import Mistake, START


class Certificates:
    """Made by `openssl ca`, the only command of OpenSSL 3.0 that sets both dates. One key per kind of owner."""

    ISSUERS = {
        "good": "/CN=Ex Test Root CA",
        "public": "/C=US/O=DigiCert Inc/CN=DigiCert TLS RSA SHA256 2020 CA1",
        "untrusted": "/CN=Other Lab CA",
        "client": "/CN=Communications Server",
        "proxy": "/C=US/ST=California/L=Sunnyvale/O=Fortinet/OU=Certificate Authority/CN=FG100E4Q17000001",
        "zscaler": "/C=US/ST=California/O=Zscaler Inc./OU=Zscaler Inc./CN=Zscaler Intermediate Root CA (zscaler.net)",
    }
    DAYS = {"expired": (-760, -30), "not-yet": (3, 733), "soon": (-700, 6), "old": (-760, -30)}

    def __init__(self, folder):
        self.folder, self.made = Path(folder), {}
        self.keys = {}

    def run(self, *arguments, text=None):
        done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True)
        if done.returncode:
            raise Mistake(f"openssl {arguments[0]}: {done.stderr[-400:]}")

    def key(self, name):
        if name not in self.keys:
            self.keys[name] = self.folder / f"{name}.key"
            self.run("genrsa", "-out", self.keys[name], 2048)
        return self.keys[name]

    def issuer(self, name):
        """Certificate of a CA."""
        path = self.folder / f"ca-{name}.pem"
        if not path.exists():
            self.sign(
                path,
                self.ISSUERS[name],
                self.key(f"ca-{name}"),
                None,
                (-1000, 3000),
                "basicConstraints=critical,CA:TRUE",
            )
        return path

    def sign(self, path, subject, key, issuer, days, extensions):
        signer = (
            ["-selfsign", "-keyfile", key]
            if issuer is None
            else ["-cert", self.issuer(issuer), "-keyfile", self.key(f"ca-{issuer}")]
        )
        serial = f"{0x4100000000000000 + zlib.crc32(path.name.encode()):x}"
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text(serial + "\n")
        config = self.folder / "ca.cnf"
        config.write_text(f"""[ca]\ndefault_ca=it\n[it]\ndatabase={self.folder}/index\nserial={self.folder}/serial
new_certs_dir={self.folder}\ndefault_md=sha256\npolicy=any\nx509_extensions=ext\nunique_subject=no\nemail_in_dn=no
[any]\ncommonName=supplied\norganizationName=optional\norganizationalUnitName=optional\ncountryName=optional
stateOrProvinceName=optional\nlocalityName=optional\n[ext]\n{extensions}\n[req]\ndistinguished_name=dn\n[dn]\n""")
        request = self.folder / "request.pem"
        self.run("req", "-new", "-config", config, "-key", key, "-subj", subject, "-out", request)
        dates = [(START + timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days]
        self.run(
            "ca",
            "-batch",
            "-notext",
            "-preserveDN",
            "-config",
            config,
            "-in",
            request,
            "-out",
            path,
            "-startdate",
            dates[0],
            "-enddate",
            dates[1],
            *signer,
        )

    def server(self, kind, names):
        """File with chain and key of a server's certificate."""
        place = (kind, tuple(names))
        if place not in self.made:
            self.made[place] = path = self.folder / f"server-{len(self.made)}.pem"
            alone = self.folder / f"server-{kind}-{'-'.join(names)[:80]}.crt"
            issuer = None if kind == "self-signed" else kind if kind in self.ISSUERS else "good"
            san = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
            san += "\nextendedKeyUsage=serverAuth\ncrlDistributionPoints=URI:http://crl.ex.test/root.crl"
            self.sign(alone, f"/CN={names[0]}", self.key("server"), issuer, self.DAYS.get(kind, (-30, 700)), san)
            path.write_text(alone.read_text() + self.key("server").read_text())
        return self.made[place]

    def revoked(self):
        """The list of revoked certificates of the CA, which is empty."""
        path = self.folder / "root.crl"
        if not path.exists():
            self.issuer("good")
            self.run(
                "ca",
                "-gencrl",
                "-config",
                self.folder / "ca.cnf",
                "-cert",
                self.issuer("good"),
                "-keyfile",
                self.key("ca-good"),
                "-crldays",
                7,
                "-out",
                path,
            )
            self.run("crl", "-in", path, "-outform", "DER", "-out", path)
        return path.read_bytes()

    def user(self, kind, name):
        """File with certificate and key of a user, as the pool issues it (180 days)."""
        place = ("user", kind, name)
        if place not in self.made:
            self.made[place] = path = self.folder / f"user-{len(self.made)}.pem"
            alone = self.folder / f"user-{kind}-{name}.crt"
            days = (-200, -20) if kind == "expired" else (-10, 170)
            self.sign(alone, f"/CN={name}", self.key("user"), "client", days, "extendedKeyUsage=clientAuth")
            path.write_text(alone.read_text() + self.key("user").read_text())
        return self.made[place]
