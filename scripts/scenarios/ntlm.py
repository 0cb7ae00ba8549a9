"""NTLM messages ([MS-NLMP])."""

import struct
from datetime import datetime, timezone


def utf16(text):
    return text.encode("utf-16-le")


def ntlm_challenge(rng, domain, server, when):
    """CHALLENGE_MESSAGE, [MS-NLMP] 2.2.1.2."""
    netbios, dns = domain.split(".")[0].upper(), domain
    filetime = int((when - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds() * 10_000_000)
    pairs = [
        (2, utf16(netbios)),
        (1, utf16(server.split(".")[0].upper())),
        (4, utf16(dns)),
        (3, utf16(server)),
        (5, utf16(dns)),
        (7, struct.pack("<Q", filetime)),
        (0, b""),
    ]
    info = b"".join(struct.pack("<HH", number, len(value)) + value for number, value in pairs)
    name = utf16(netbios)
    field = lambda data, offset: struct.pack("<HHI", len(data), len(data), offset)
    return (
        b"NTLMSSP\0"
        + struct.pack("<I", 2)
        + field(name, 56)
        + struct.pack("<I", 0x62898255)
        + rng.randbytes(8)
        + bytes(8)
        + field(info, 56 + len(name))
        + bytes.fromhex("0601b11d0000000f")
        + name
        + info
    ), info


def ntlm_authenticate(rng, domain, user, machine, info, when):
    """AUTHENTICATE_MESSAGE with an NTLMv2 response, [MS-NLMP] 2.2.1.3."""
    filetime = int((when - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds() * 10_000_000)
    blob = b"\1\1" + bytes(6) + struct.pack("<Q", filetime) + rng.randbytes(8) + bytes(4) + info + bytes(4)
    fields = [
        rng.randbytes(24),
        rng.randbytes(16) + blob,
        utf16(domain.split(".")[0].upper()),
        utf16(user),
        utf16(machine),
        rng.randbytes(16),
    ]
    order, offset, places = [2, 3, 4, 0, 1, 5], 72, {}
    for number in order:
        places[number] = offset
        offset += len(fields[number])
    head = b"".join(struct.pack("<HHI", len(fields[n]), len(fields[n]), places[n]) for n in range(6))
    return (
        b"NTLMSSP\0"
        + struct.pack("<I", 3)
        + head
        + struct.pack("<I", 0x62898255)
        + bytes.fromhex("0601b11d0000000f")
        + b"".join(fields[number] for number in order)
    )


def ntlm_negotiate():
    return b"NTLMSSP\0" + struct.pack("<II", 1, 0xE2088297) + bytes(16) + bytes.fromhex("0601b11d0000000f")
