//! HRESULTs ([MS-ERREF] §2.1): those that a sign-in meets by name, the rest by what is inside.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const NAME: &str =
    "Put the name that is connected to into the certificate of the server, or connect to a name that it has";
const ROOT: &str = "Install the root certificate of the issuer (and missing intermediates) on the side that says so";
const RENEW: &str = "Renew the certificate; check all servers of the pool, and the clock";
const REVOCATION: &str = "Make the revocation list (CRL, OCSP) of the issuer reachable from this machine";
const CREDENTIALS: &str =
    "Type user name (DOMAIN\\user) and password again; check that the account is not locked or expired";
const CLOCK: &str = "Set the clocks of client, server and domain controller by one time source";
const CONTROLLER: &str = "Check DNS and the way to a domain controller; outside the domain use NTLM or TLS-DSK";
const SUITES: &str = "Find a TLS version and a suite that both ends have";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Hresult, number, name, meaning)
}

/// In the order of the numbers.
#[rustfmt::skip]
pub static TABLE: [Code; 130] = [
    code(0x0009_0312, "SEC_I_CONTINUE_NEEDED", "the handshake needs another message; no error"),
    code(0x8000_4001, "E_NOTIMPL", "not implemented"),
    code(0x8000_4002, "E_NOINTERFACE", "no such interface"),
    code(0x8000_4004, "E_ABORT", "the operation was cancelled"),
    code(0x8000_4005, "E_FAIL", "an error without more detail"),
    code(0x8000_ffff, "E_UNEXPECTED", "an unexpected failure"),
    code(0x8007_0005, "E_ACCESSDENIED", "the access is denied"),
    code(0x8007_000e, "E_OUTOFMEMORY", "no memory is left"),
    code(0x8007_0057, "E_INVALIDARG", "an argument is not valid"),
    code(0x8009_0006, "NTE_BAD_SIGNATURE", "a signature does not verify"),
    code(0x8009_0010, "NTE_PERM", "the private key may not be used").fix("Give the service permission to read the private key of its certificate"),
    code(0x8009_0011, "NTE_NOT_FOUND", "the key is not there"),
    code(0x8009_0016, "NTE_BAD_KEYSET", "the private key is missing or cannot be opened").fix("Import the certificate with its private key, and give the service permission to read it"),
    code(0x8009_0300, "SEC_E_INSUFFICIENT_MEMORY", "no memory is left"),
    code(0x8009_0301, "SEC_E_INVALID_HANDLE", "the handle is not valid"),
    code(0x8009_0302, "SEC_E_UNSUPPORTED_FUNCTION", "the function is not supported"),
    code(0x8009_0303, "SEC_E_TARGET_UNKNOWN", "the target has no service principal name, or cannot be reached").fix("Register the service principal name of the server"),
    code(0x8009_0304, "SEC_E_INTERNAL_ERROR", "the security subsystem failed"),
    code(0x8009_0305, "SEC_E_SECPKG_NOT_FOUND", "there is no such security package"),
    code(0x8009_0306, "SEC_E_NOT_OWNER", "the caller does not own the credentials"),
    code(0x8009_0307, "SEC_E_CANNOT_INSTALL", "the security package cannot be initialised"),
    code(0x8009_0308, "SEC_E_INVALID_TOKEN", "the token cannot be read: no TLS message, or one of another handshake").fix("Look at what the peer sent instead: a plain-text port, a proxy, or a load balancer that spreads one client over servers"),
    code(0x8009_0309, "SEC_E_CANNOT_PACK", "the credentials cannot be packed"),
    code(0x8009_030a, "SEC_E_QOP_NOT_SUPPORTED", "the quality of protection is not supported"),
    code(0x8009_030b, "SEC_E_NO_IMPERSONATION", "impersonation is not allowed"),
    code(0x8009_030c, "SEC_E_LOGON_DENIED", "the logon failed: user name or password").fix(CREDENTIALS),
    code(0x8009_030d, "SEC_E_UNKNOWN_CREDENTIALS", "the credentials are not known: mostly a private key that cannot be read").fix("Give the service permission to read the private key of its certificate"),
    code(0x8009_030e, "SEC_E_NO_CREDENTIALS", "there are no credentials").fix(CREDENTIALS),
    code(0x8009_030f, "SEC_E_MESSAGE_ALTERED", "the message was altered: its signature does not verify"),
    code(0x8009_0310, "SEC_E_OUT_OF_SEQUENCE", "the message is out of order"),
    code(0x8009_0311, "SEC_E_NO_AUTHENTICATING_AUTHORITY", "no domain controller can be reached").fix(CONTROLLER),
    code(0x8009_0316, "SEC_E_BAD_PKGID", "there is no such security package"),
    code(0x8009_0317, "SEC_E_CONTEXT_EXPIRED", "the security context has expired; a new handshake is needed"),
    code(0x8009_0318, "SEC_E_INCOMPLETE_MESSAGE", "the message is not complete yet"),
    code(0x8009_0320, "SEC_E_INCOMPLETE_CREDENTIALS", "the credentials are not complete: the server wants a client certificate"),
    code(0x8009_0321, "SEC_E_BUFFER_TOO_SMALL", "a buffer is too small"),
    code(0x8009_0322, "SEC_E_WRONG_PRINCIPAL", "the certificate does not have the name that was connected to, or the ticket is for another service").fix(NAME),
    code(0x8009_0324, "SEC_E_TIME_SKEW", "the clocks of client and server differ").fix(CLOCK),
    code(0x8009_0325, "SEC_E_UNTRUSTED_ROOT", "the root of the certificate is not trusted").fix(ROOT),
    code(0x8009_0326, "SEC_E_ILLEGAL_MESSAGE", "a message that is not expected or not well formed: mostly a fatal alert of the peer").fix("Look at the alert in the capture"),
    code(0x8009_0327, "SEC_E_CERT_UNKNOWN", "an error in the certificate that has no number of its own").fix("Look at names, dates, issuer and usage of the certificate"),
    code(0x8009_0328, "SEC_E_CERT_EXPIRED", "the certificate has expired").fix(RENEW),
    code(0x8009_0329, "SEC_E_ENCRYPT_FAILURE", "encryption failed"),
    code(0x8009_0330, "SEC_E_DECRYPT_FAILURE", "decryption failed"),
    code(0x8009_0331, "SEC_E_ALGORITHM_MISMATCH", "client and server have no algorithm in common").fix(SUITES),
    code(0x8009_0332, "SEC_E_SECURITY_QOS_FAILED", "the requested security cannot be reached"),
    code(0x8009_0333, "SEC_E_UNFINISHED_CONTEXT_DELETED", "the handshake was given up before its end"),
    code(0x8009_0334, "SEC_E_NO_TGT_REPLY", "the peer sent no ticket-granting ticket"),
    code(0x8009_0335, "SEC_E_NO_IP_ADDRESSES", "this machine has no address"),
    code(0x8009_0336, "SEC_E_WRONG_CREDENTIAL_HANDLE", "the credentials are of another context"),
    code(0x8009_0337, "SEC_E_CRYPTO_SYSTEM_INVALID", "the cryptography of the certificate cannot be used"),
    code(0x8009_0338, "SEC_E_MAX_REFERRALS_EXCEEDED", "too many referrals between realms"),
    code(0x8009_0339, "SEC_E_MUST_BE_KDC", "only a domain controller may do this"),
    code(0x8009_033a, "SEC_E_STRONG_CRYPTO_NOT_SUPPORTED", "strong cryptography is not supported"),
    code(0x8009_033b, "SEC_E_TOO_MANY_PRINCIPALS", "too many principals in the answer"),
    code(0x8009_033c, "SEC_E_NO_PA_DATA", "pre-authentication data is missing"),
    code(0x8009_033d, "SEC_E_PKINIT_NAME_MISMATCH", "the client certificate does not have the user's name"),
    code(0x8009_033e, "SEC_E_SMARTCARD_LOGON_REQUIRED", "a smart card is needed"),
    code(0x8009_033f, "SEC_E_SHUTDOWN_IN_PROGRESS", "the system shuts down"),
    code(0x8009_0340, "SEC_E_KDC_INVALID_REQUEST", "the request to the domain controller is not valid"),
    code(0x8009_0341, "SEC_E_KDC_UNABLE_TO_REFER", "the domain controller knows no realm to refer to"),
    code(0x8009_0342, "SEC_E_KDC_UNKNOWN_ETYPE", "the domain controller does not support the encryption type").fix("Allow an encryption type that both have (AES, or RC4 for old ones)"),
    code(0x8009_0343, "SEC_E_UNSUPPORTED_PREAUTH", "this kind of pre-authentication is not supported"),
    code(0x8009_0345, "SEC_E_DELEGATION_REQUIRED", "delegation is needed"),
    code(0x8009_0346, "SEC_E_BAD_BINDINGS", "the channel binding does not fit: something ends TLS between client and server").fix("Look for a proxy or load balancer that decrypts; else set Extended Protection as the other side needs it"),
    code(0x8009_0347, "SEC_E_MULTIPLE_ACCOUNTS", "the name fits several accounts").fix("Look for a service principal name on two accounts: setspn -X"),
    code(0x8009_0348, "SEC_E_NO_KERB_KEY", "there is no Kerberos key"),
    code(0x8009_0349, "SEC_E_CERT_WRONG_USAGE", "the certificate is not for this use").fix("Issue a certificate with server authentication, and client authentication for servers that talk to servers"),
    code(0x8009_0350, "SEC_E_DOWNGRADE_DETECTED", "a downgrade was detected: no domain controller can be reached, or somebody meddles").fix(CONTROLLER),
    code(0x8009_0351, "SEC_E_SMARTCARD_CERT_REVOKED", "the certificate of the smart card is revoked"),
    code(0x8009_0352, "SEC_E_ISSUING_CA_UNTRUSTED", "the issuer of the client certificate is not trusted").fix(ROOT),
    code(0x8009_0353, "SEC_E_REVOCATION_OFFLINE_C", "whether the client certificate is revoked cannot be found out").fix(REVOCATION),
    code(0x8009_0354, "SEC_E_PKINIT_CLIENT_FAILURE", "the client certificate is not trusted"),
    code(0x8009_0355, "SEC_E_SMARTCARD_CERT_EXPIRED", "the certificate of the smart card has expired"),
    code(0x8009_0356, "SEC_E_NO_S4U_PROT_SUPPORT", "the domain controller does not support S4U"),
    code(0x8009_0357, "SEC_E_CROSSREALM_DELEGATION_FAILURE", "delegation into another realm failed"),
    code(0x8009_0358, "SEC_E_REVOCATION_OFFLINE_KDC", "whether the domain controller's certificate is revoked cannot be found out").fix(REVOCATION),
    code(0x8009_0359, "SEC_E_ISSUING_CA_UNTRUSTED_KDC", "the issuer of the domain controller's certificate is not trusted").fix(ROOT),
    code(0x8009_035a, "SEC_E_KDC_CERT_EXPIRED", "the domain controller's certificate has expired"),
    code(0x8009_035b, "SEC_E_KDC_CERT_REVOKED", "the domain controller's certificate is revoked"),
    code(0x8009_035d, "SEC_E_INVALID_PARAMETER", "a parameter is not valid"),
    code(0x8009_035e, "SEC_E_DELEGATION_POLICY", "a policy forbids delegation"),
    code(0x8009_035f, "SEC_E_POLICY_NLTM_ONLY", "a policy allows NTLM only"),
    code(0x8009_0367, "SEC_E_APPLICATION_PROTOCOL_MISMATCH", "client and server have no application protocol in common"),
    code(0x8009_1007, "CRYPT_E_HASH_VALUE", "the hash value is not right"),
    code(0x8009_2004, "CRYPT_E_NOT_FOUND", "the certificate or key is not there"),
    code(0x8009_2009, "CRYPT_E_NO_MATCH", "nothing fits"),
    code(0x8009_200b, "CRYPT_E_NO_KEY_PROPERTY", "the certificate has no private key").fix("Import the certificate with its private key"),
    code(0x8009_2010, "CRYPT_E_REVOKED", "the certificate is revoked").fix("Issue a new certificate"),
    code(0x8009_2011, "CRYPT_E_NO_REVOCATION_DLL", "nothing is installed that could check revocation"),
    code(0x8009_2012, "CRYPT_E_NO_REVOCATION_CHECK", "whether the certificate is revoked cannot be checked: it names no list, or none that can be used").fix(REVOCATION),
    code(0x8009_2013, "CRYPT_E_REVOCATION_OFFLINE", "whether the certificate is revoked cannot be checked: the server of the list is offline").fix(REVOCATION),
    code(0x8009_2014, "CRYPT_E_NOT_IN_REVOCATION_DATABASE", "the certificate is not in the database of the revocation server"),
    code(0x8009_6004, "TRUST_E_CERT_SIGNATURE", "the signature of the certificate does not verify"),
    code(0x8009_6019, "TRUST_E_BASIC_CONSTRAINTS", "a certificate of the chain is no issuer"),
    code(0x800b_0101, "CERT_E_EXPIRED", "the certificate has expired or is not valid yet").fix(RENEW),
    code(0x800b_0102, "CERT_E_VALIDITYPERIODNESTING", "the certificate is valid for longer than its issuer"),
    code(0x800b_0103, "CERT_E_ROLE", "an end certificate is used as an issuer, or the other way round"),
    code(0x800b_0104, "CERT_E_PATHLENCONST", "the chain is longer than an issuer allows"),
    code(0x800b_0105, "CERT_E_CRITICAL", "a critical extension is not known"),
    code(0x800b_0106, "CERT_E_PURPOSE", "the certificate is not for this purpose"),
    code(0x800b_0107, "CERT_E_ISSUERCHAINING", "the issuer did not issue the certificate"),
    code(0x800b_0108, "CERT_E_MALFORMED", "the certificate lacks something, such as a subject or issuer"),
    code(0x800b_0109, "CERT_E_UNTRUSTEDROOT", "the root of the chain is not trusted").fix(ROOT),
    code(0x800b_010a, "CERT_E_CHAINING", "no chain to a trusted root can be built").fix(ROOT),
    code(0x800b_010b, "TRUST_E_FAIL", "the trust check failed without more detail"),
    code(0x800b_010c, "CERT_E_REVOKED", "the certificate is revoked").fix("Issue a new certificate"),
    code(0x800b_010d, "CERT_E_UNTRUSTEDTESTROOT", "the root is one for tests and not trusted"),
    code(0x800b_010e, "CERT_E_REVOCATION_FAILURE", "whether the certificate is revoked cannot be found out").fix(REVOCATION),
    code(0x800b_010f, "CERT_E_CN_NO_MATCH", "the certificate does not have the name that was connected to").fix(NAME),
    code(0x800b_0110, "CERT_E_WRONG_USAGE", "the certificate is not for this use").fix("Issue a certificate with server authentication, and client authentication for servers that talk to servers"),
    code(0x800b_0111, "TRUST_E_EXPLICIT_DISTRUST", "the certificate is distrusted explicitly"),
    code(0x800b_0112, "CERT_E_UNTRUSTEDCA", "an issuer of the chain is not trusted").fix(ROOT),
    code(0x800b_0113, "CERT_E_INVALID_POLICY", "the policy of the certificate does not fit"),
    code(0x800b_0114, "CERT_E_INVALID_NAME", "the name of the certificate is not allowed by its issuer"),
    code(0x80ee_000c, "UCC_E_SIP_TIMEOUT", "the server did not answer the SIP request in time").fix("Look for the request in the capture, and for what should have answered it"),
    code(0x80ee_000f, "UCC_E_SIP_AUTHENTICATION_HEADER_SENT", "the server asked for credentials again after it had got them").fix(CREDENTIALS),
    code(0x80ee_0010, "UCC_E_SIP_AUTHENTICATION_TYPE_NOT_SUPPORTED", "the client can use none of the schemes that the server offers").fix("Offer NTLM or TLS-DSK besides Kerberos"),
    code(0x80ee_0011, "UCC_E_SIP_AUTHENTICATION_FAILED", "the authentication failed").fix(CREDENTIALS),
    code(0x80ee_0012, "UCC_E_INVALID_SIP_URL", "the SIP address is not valid").fix("Correct the sign-in address"),
    code(0x80ee_0017, "UCC_E_SIP_TRANSPORT_NOT_SUPPORTED", "the transport is not supported"),
    code(0x80ee_001c, "UCC_E_SIP_SSL_TUNNEL_FAILED", "no TLS tunnel through the HTTP proxy").fix("Check the proxy of the client: it has to let CONNECT to the server through"),
    code(0x80ee_001d, "UCC_E_SIP_SSL_NEGOTIATION_TIMEOUT", "the TLS handshake did not end in time"),
    code(0x80ee_0042, "UCC_E_ENDPOINT_SERVER_UNAUTHORIZED", "the server is not in a domain that is allowed for this sign-in address").fix("Make the SRV record point to a host name in the SIP domain, or set the policy for trusted domains"),
    code(0x80ee_00bd, "UCC_E_TRANSIENT_LOCAL_DISCONNECT", "the network of this machine is not available"),
    code(0xc3e8_302d, "SIPPROXY_E_WORKER_PROCESS_SLOW_INITIALIZING", "a service of the server did not start in time").fix("Check the resources of the server; start the service again"),
    code(0xc3e9_3c2f, "SIPPROXY_E_UNKNOWN_USER_OR_EPID", "the server does not know the user or the endpoint: mostly a stale subscription, which is harmless"),
    code(0xc3e9_3c5e, "SIPPROXY_E_ROUTING", "the message cannot be routed").fix("Look at the text beside it in the server's log"),
    code(0xc3e9_3d67, "SIPPROXY_E_ROUTING_MSG_CERT_MISMATCH", "the certificate of the peer does not have the name that is expected").fix(NAME),
    code(0xc3e9_3d6f, "SIPPROXY_E_EPROUTING_MSG_ALLOWED_DOMAIN_NO_SRV_MATCH", "the SRV record of the domain has no host in that domain").fix("Make the SRV record point to a host name in the SIP domain"),
];

/// Names of facilities: the 11 bits below the severity ([MS-ERREF] §2.1).
#[rustfmt::skip]
static FACILITIES: [(u32, &str, &str); 17] = [
    (0, "FACILITY_NULL", "an error of general kind"),
    (1, "FACILITY_RPC", "an error of remote procedure calls"),
    (2, "FACILITY_DISPATCH", "an error of COM Dispatch"),
    (3, "FACILITY_STORAGE", "an error of OLE Storage"),
    (4, "FACILITY_ITF", "an error of a COM interface"),
    (7, "FACILITY_WIN32", "a Win32 error"),
    (8, "FACILITY_WINDOWS", "an error of Windows"),
    (9, "FACILITY_SECURITY", "an error of security: SSPI, Schannel, cryptography"),
    (11, "FACILITY_CERT", "an error of certificates and trust"),
    (12, "FACILITY_INTERNET", "an error of WinINet"),
    (14, "FACILITY_MSMQ", "an error of Message Queuing"),
    (16, "FACILITY_ACS", "an error of audit collection"),
    (19, "FACILITY_URT", "an error of .NET"),
    (25, "FACILITY_HTTP", "an HTTP status as HRESULT"),
    (238, "FACILITY_UCC_INTERFACE", "an error of the UCC API, the client's SIP library"),
    (239, "FACILITY_SIP_INTERFACE", "a SIP status as HRESULT"),
    (1001, "FACILITY_SIPPROXY", "an error of the server's SIP stack"),
];

/// What an HRESULT means; of one that is not in the table what is inside it, or whose it is.
pub fn of(number: u32) -> Code {
    if let Some(known) = CodeKind::Hresult.find(number) {
        return known;
    }
    if let Some(inside) = inside(number) {
        return Code { kind: CodeKind::Hresult, number, ..inside };
    }
    // The high bits of the facility: 0x3e9 of 0xC3E9xxxx.
    let facility = number >> 16 & 0x7ff;
    let found = FACILITIES.iter().find(|&&(known, ..)| known == facility);
    let (name, meaning) = found.map_or(("unknown facility", "of no facility that is known"), |&(_, a, b)| (a, b));
    code(number, name, meaning)
}

/// The code of another kind that an HRESULT carries: a SIP status (0x80EFxxxx), an HTTP status (0x8019xxxx),
/// a Winsock or Win32 error (0x8007xxxx).
pub fn inside(number: u32) -> Option<Code> {
    let low = number & 0xffff;
    match number >> 16 {
        0x80ef | 0x00ef => CodeKind::Sip.find(low),
        0x8019 => CodeKind::Http.find(low),
        0x8007 => CodeKind::Winsock.find(low).or_else(|| CodeKind::Win32.find(low)),
        _ => None,
    }
}

/// Whether an HRESULT says that a logon failed for user name, password or the state of the account.
pub fn is_of_credentials(number: u32) -> bool {
    const LOGON_DENIED: u32 = 0x8009_030c;
    let of_account =
        |code: Code| code.kind == CodeKind::Win32 && matches!(code.number, 1317 | 1326..=1331 | 1793 | 1907 | 1909);
    number == LOGON_DENIED || inside(number).is_some_and(of_account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logons_that_failed() {
        let numbers = [0x8009_030c, 0x8007_052e, 0x8007_0533, 0x8007_0775, 0x8009_0324, 0x8009_0325, 0x8007_274d, 0];
        let expected = [true, true, true, true, false, false, false, false];
        assert_eq!(numbers.map(is_of_credentials), expected);
    }

    #[track_caller]
    fn check(number: u32, name: &str, inner: Option<&str>) {
        assert_eq!((of(number).name, of(number).number), (name, number));
        assert_eq!(inside(number).map(|code| code.to_string()).as_deref(), inner);
    }

    #[test]
    fn families_are_decoded() {
        check(0x8009_0322, "SEC_E_WRONG_PRINCIPAL", None);
        check(0x800b_0109, "CERT_E_UNTRUSTEDROOT", None);
        check(0x80ef_0191, "Unauthorized", Some("SIP status 401 Unauthorized"));
        check(0x80ef_0193, "Forbidden", Some("SIP status 403 Forbidden"));
        check(0x80ef_01f8, "Server Time-out", Some("SIP status 504 Server Time-out"));
        check(0x8007_274c, "WSAETIMEDOUT", Some("Winsock error 10060 WSAETIMEDOUT"));
        check(0x8007_274d, "WSAECONNREFUSED", Some("Winsock error 10061 WSAECONNREFUSED"));
        check(0x8007_052e, "ERROR_LOGON_FAILURE", Some("Win32 error 1326 ERROR_LOGON_FAILURE"));
        check(0x8007_0005, "E_ACCESSDENIED", Some("Win32 error 5 ERROR_ACCESS_DENIED"));
        check(0x8019_0191, "Unauthorized", Some("HTTP status 401 Unauthorized"));
        check(0xc3e9_3c2f, "SIPPROXY_E_UNKNOWN_USER_OR_EPID", None);
        check(0xc3e9_0001, "FACILITY_SIPPROXY", None);
        check(0x80ee_0fff, "FACILITY_UCC_INTERFACE", None);
        check(0x8009_0fff, "FACILITY_SECURITY", None);
        check(0x87fa_0000, "unknown facility", None);
    }

    #[test]
    fn facilities_are_in_order() {
        assert!(FACILITIES.is_sorted_by_key(|&(number, ..)| number));
    }
}
