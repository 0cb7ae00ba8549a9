//! TLS alerts (IANA "TLS Alerts").

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const VERSIONS: &str =
    "Find a version and a suite that both ends have: enable TLS 1.2 on the older one, or compare their suites";
const ISSUER: &str =
    "Install the root certificate of the issuer (and missing intermediates) on the side that sends the alert";
const RENEW: &str = "Renew the certificate; check all servers of the pool";
const NAME: &str =
    "Put the name that the client connects to into the certificate, or make DNS lead to a name that it has";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::TlsAlert, number, name, meaning)
}

/// In the order of the numbers.
#[rustfmt::skip]
pub static TABLE: [Code; 37] = [
    code(0, "close_notify", "the sender will send no more"),
    code(10, "unexpected_message", "a message that does not belong there"),
    code(20, "bad_record_mac", "a record that fails its check"),
    code(21, "decryption_failed", "a record that cannot be decrypted"),
    code(22, "record_overflow", "a record that is too long"),
    code(30, "decompression_failure", "a record that cannot be decompressed"),
    code(40, "handshake_failure", "no acceptable set of parameters").fix(VERSIONS),
    code(41, "no_certificate", "the client has no certificate (SSL 3.0)"),
    code(42, "bad_certificate", "a certificate that is damaged or whose signature does not verify").fix(ISSUER),
    code(43, "unsupported_certificate", "a certificate of a kind that is not supported").fix("Issue a certificate for server authentication, with a key and a signature that the client knows"),
    code(44, "certificate_revoked", "a certificate that its issuer revoked").fix("Issue a new certificate"),
    code(45, "certificate_expired", "a certificate that has expired or is not valid yet").fix(RENEW),
    code(46, "certificate_unknown", "a certificate that is not accepted; Windows says so for untrusted roots and wrong names").fix("Install the root certificate of the issuer on the side that sends the alert, and check that the certificate has the name that is connected to"),
    code(47, "illegal_parameter", "a field out of range or contradicting another"),
    code(48, "unknown_ca", "a certificate from an issuer that is not trusted").fix(ISSUER),
    code(49, "access_denied", "a good certificate that is not allowed in"),
    code(50, "decode_error", "a message that cannot be read"),
    code(51, "decrypt_error", "a signature or Finished message that does not verify"),
    code(52, "too_many_cids_requested", "more connection ids were asked for than are given (DTLS 1.3)"),
    code(60, "export_restriction", "export restrictions"),
    code(70, "protocol_version", "a protocol version that is not supported").fix(VERSIONS),
    code(71, "insufficient_security", "only suites that are too weak were offered").fix(VERSIONS),
    code(80, "internal_error", "a fault inside the sender").fix("Look at the event log of the sender (source Schannel)"),
    code(86, "inappropriate_fallback", "a needless retry with an older version"),
    code(90, "user_canceled", "the user cancelled"),
    code(100, "no_renegotiation", "renegotiation is refused"),
    code(109, "missing_extension", "a mandatory extension is missing"),
    code(110, "unsupported_extension", "an extension that was not offered"),
    code(111, "certificate_unobtainable", "a certificate could not be fetched"),
    code(112, "unrecognized_name", "the server does not know the name in SNI").fix(NAME),
    code(113, "bad_certificate_status_response", "an OCSP response that is not acceptable"),
    code(114, "bad_certificate_hash_value", "a certificate that does not match its hash"),
    code(115, "unknown_psk_identity", "a pre-shared key that is not known"),
    code(116, "certificate_required", "a client certificate is needed"),
    code(117, "general_error", "an error that no other alert describes"),
    code(120, "no_application_protocol", "no common application protocol"),
    code(121, "ech_required", "the client needs Encrypted Client Hello and did not get it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_worth_naming_have_a_fix() {
        for number in [40, 42, 43, 44, 45, 46, 48, 70, 71, 80, 112] {
            assert!(CodeKind::TlsAlert.find(number).unwrap().fix.is_some(), "{number}");
        }
        assert_eq!(CodeKind::TlsAlert.find(48).unwrap().name, "unknown_ca");
    }
}
