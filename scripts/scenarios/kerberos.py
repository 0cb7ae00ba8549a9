"""Kerberos messages (RFC 4120) in DER."""


def der(tag, *parts):
    body = b"".join(parts)
    size = b"" if len(body) >= 128 else bytes([len(body)])
    if not size:
        long = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
        size = bytes([0x80 | len(long)]) + long
    return bytes([tag]) + size + body


def der_int(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def der_seq(*parts):
    return der(0x30, *parts)


def ctx(number, *parts):
    return der(0xA0 + number, *parts)


def app(number, *parts):
    return der(0x60 + number, *parts)


def general(text):
    return der(0x1B, text.encode())


def principal(kind, name):
    return der_seq(ctx(0, der_int(kind)), ctx(1, der_seq(*map(general, name.split("/")))))


class Kerberos:
    """Messages of RFC 4120, as far as a reader without keys sees into them."""

    def __init__(self, rng, realm, user):
        self.rng, self.realm, self.user = rng, realm, user

    def sealed(self, size, kvno=None):
        version = [ctx(1, der_int(kvno))] if kvno else []
        return der_seq(ctx(0, der_int(18)), *version, ctx(2, der(4, self.rng.randbytes(size))))

    def ticket(self, name):
        return app(
            1,
            der_seq(
                ctx(0, der_int(5)), ctx(1, general(self.realm)), ctx(2, principal(2, name)), ctx(3, self.sealed(180, 3))
            ),
        )

    def ap_req(self, name):
        return app(
            14,
            der_seq(
                ctx(0, der_int(5)),
                ctx(1, der_int(14)),
                ctx(2, der(3, b"\0\x20\0\0\0")),
                ctx(3, self.ticket(name)),
                ctx(4, self.sealed(120)),
            ),
        )

    def gss(self, name):
        """Initial token of RFC 4121 around an AP-REQ."""
        return der(0x60, bytes.fromhex("06092a864886f7120102020100"), self.ap_req(name))

    def request(self, kind, name, preauth):
        asks = kind == "AS-REQ"
        padata = []
        if not asks:
            krbtgt = f"krbtgt/{self.realm}"
            padata = [ctx(3, der_seq(der_seq(ctx(1, der_int(1)), ctx(2, der(4, self.ap_req(krbtgt))))))]
        elif preauth:
            padata = [ctx(3, der_seq(der_seq(ctx(1, der_int(2)), ctx(2, der(4, self.sealed(56))))))]
        who = [ctx(1, principal(1, self.user))] if asks else []
        body = der_seq(
            ctx(0, der(3, b"\0\x40\x81\0\x10")),
            *who,
            ctx(2, general(self.realm)),
            ctx(3, principal(2, name)),
            ctx(5, der(0x18, b"20370913024805Z")),
            ctx(7, der_int(self.rng.getrandbits(31))),
            ctx(8, der_seq(der_int(18), der_int(17), der_int(23))),
        )
        number = 10 if asks else 12
        return app(number, der_seq(ctx(1, der_int(5)), ctx(2, der_int(number)), *padata, ctx(4, body)))

    def reply(self, kind, name):
        number = 11 if kind == "AS-REQ" else 13
        return app(
            number,
            der_seq(
                ctx(0, der_int(5)),
                ctx(1, der_int(number)),
                ctx(3, general(self.realm)),
                ctx(4, principal(1, self.user)),
                ctx(5, self.ticket(name)),
                ctx(6, self.sealed(150)),
            ),
        )

    def error(self, code, name, when):
        data = []
        if code == 25:
            info = der_seq(der_seq(ctx(0, der_int(18)), ctx(1, general(f"{self.realm}{self.user}"))))
            data = [ctx(12, der(4, der_seq(der_seq(ctx(1, der_int(19)), ctx(2, der(4, info))))))]
        return app(
            30,
            der_seq(
                ctx(0, der_int(5)),
                ctx(1, der_int(30)),
                ctx(4, der(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())),
                ctx(5, der_int(when.microsecond)),
                ctx(6, der_int(code)),
                ctx(9, general(self.realm)),
                ctx(10, principal(2, name)),
                *data,
            ),
        )
