"""What all parts of the scenario generator share."""

import base64
import re
from datetime import datetime, timezone


START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=timezone.utc)
MS, SECOND, MSS = 1_000_000, 1_000_000_000, 1460
REALM = "SIP Communications Service"
ALERTS = {
    "close_notify": 0,
    "handshake_failure": 40,
    "bad_certificate": 42,
    "unsupported_certificate": 43,
    "certificate_revoked": 44,
    "certificate_expired": 45,
    "certificate_unknown": 46,
    "unknown_ca": 48,
    "protocol_version": 70,
    "insufficient_security": 71,
    "internal_error": 80,
    "unrecognized_name": 112,
}
AGENTS = {
    "2007": ("UCCAPI/3.5.6907.0 OC/3.5.6907.0 (Microsoft Office Communicator 2007 R2)", "RTC/3.5"),
    "2010": ("UCCAPI/4.0.7577.314 OC/4.0.7577.314 (Microsoft Lync 2010)", "RTC/4.0"),
    "2013": ("UCCAPI/15.0.4517.1504 OC/15.0.4517.1504 (Microsoft Lync)", "RTC/5.0"),
    "2016": ("UCCAPI/16.0.4849.1000 OC/16.0.4849.1000 (Skype for Business)", "RTC/6.0"),
    "phone": ("CPE/4.0.7577.4463 OCPhone/4.0.7577.4463 (Microsoft Lync Phone Edition)", "RTC/5.0"),
}


class Mistake(Exception):
    """The scenario cannot be made; the text says why."""


def seconds(text):
    found = re.fullmatch(r"([+-]?[\d.]+)(ms|s|m|h)", text)
    if not found:
        raise Mistake(f"no duration: {text}")
    return int(float(found[1]) * {"ms": MS, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}[found[2]])


def b64(data):
    return base64.b64encode(data).decode()


def dns_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
