//! A Kerberos message (RFC 4120): what of it is readable without a key.

use std::borrow::Cow;
use std::fmt;

use crate::model::time::Timestamp;

/// Which message it is (RFC 4120 §5.4 to §5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name in the RFC")]
pub enum KerberosKind {
    AsReq,
    AsRep,
    TgsReq,
    TgsRep,
    ApReq,
    ApRep,
    Error,
}

impl KerberosKind {
    /// Every kind with its application tag and its name.
    const ALL: [(Self, u8, &'static str); 7] = [
        (Self::AsReq, 10, "AS-REQ"),
        (Self::AsRep, 11, "AS-REP"),
        (Self::TgsReq, 12, "TGS-REQ"),
        (Self::TgsRep, 13, "TGS-REP"),
        (Self::ApReq, 14, "AP-REQ"),
        (Self::ApRep, 15, "AP-REP"),
        (Self::Error, 30, "KRB-ERROR"),
    ];

    /// The kind with that application tag.
    pub fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == tag).map(|&(kind, ..)| kind)
    }

    /// As the RFC spells it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |&(_, _, name)| name)
    }

    /// Whether an answer to it is expected.
    pub const fn is_request(self) -> bool {
        matches!(self, Self::AsReq | Self::TgsReq | Self::ApReq)
    }
}

/// Encryption type (IANA "Kerberos Encryption Type Numbers"). Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptionType(pub i32);

const ETYPES: [(i32, &str); 17] = [
    (1, "des-cbc-crc"),
    (2, "des-cbc-md4"),
    (3, "des-cbc-md5"),
    (5, "des3-cbc-md5"),
    (7, "des3-cbc-sha1"),
    (16, "des3-cbc-sha1-kd"),
    (17, "aes128-cts-hmac-sha1-96"),
    (18, "aes256-cts-hmac-sha1-96"),
    (19, "aes128-cts-hmac-sha256-128"),
    (20, "aes256-cts-hmac-sha384-192"),
    (23, "rc4-hmac"),
    (24, "rc4-hmac-exp"),
    (25, "camellia128-cts-cmac"),
    (26, "camellia256-cts-cmac"),
    // Microsoft's own, from before RFC 4757.
    (-128, "rc4-md4"),
    (-133, "rc4-hmac-old"),
    (-135, "rc4-hmac-old-exp"),
];

impl EncryptionType {
    /// Its name, or its number.
    pub fn name(self) -> Cow<'static, str> {
        named(&ETYPES, self.0)
    }
}

/// Error code of a KRB-ERROR (RFC 4120 §7.5.9, RFC 4556 §3.1.3). Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub i32);

const ERRORS: [(i32, &str); 70] = [
    (0, "KDC_ERR_NONE"),
    (1, "KDC_ERR_NAME_EXP"),
    (2, "KDC_ERR_SERVICE_EXP"),
    (3, "KDC_ERR_BAD_PVNO"),
    (4, "KDC_ERR_C_OLD_MAST_KVNO"),
    (5, "KDC_ERR_S_OLD_MAST_KVNO"),
    (6, "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
    (7, "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    (8, "KDC_ERR_PRINCIPAL_NOT_UNIQUE"),
    (9, "KDC_ERR_NULL_KEY"),
    (10, "KDC_ERR_CANNOT_POSTDATE"),
    (11, "KDC_ERR_NEVER_VALID"),
    (12, "KDC_ERR_POLICY"),
    (13, "KDC_ERR_BADOPTION"),
    (14, "KDC_ERR_ETYPE_NOSUPP"),
    (15, "KDC_ERR_SUMTYPE_NOSUPP"),
    (16, "KDC_ERR_PADATA_TYPE_NOSUPP"),
    (17, "KDC_ERR_TRTYPE_NOSUPP"),
    (18, "KDC_ERR_CLIENT_REVOKED"),
    (19, "KDC_ERR_SERVICE_REVOKED"),
    (20, "KDC_ERR_TGT_REVOKED"),
    (21, "KDC_ERR_CLIENT_NOTYET"),
    (22, "KDC_ERR_SERVICE_NOTYET"),
    (23, "KDC_ERR_KEY_EXPIRED"),
    (24, "KDC_ERR_PREAUTH_FAILED"),
    (25, "KDC_ERR_PREAUTH_REQUIRED"),
    (26, "KDC_ERR_SERVER_NOMATCH"),
    (27, "KDC_ERR_MUST_USE_USER2USER"),
    (28, "KDC_ERR_PATH_NOT_ACCEPTED"),
    (29, "KDC_ERR_SVC_UNAVAILABLE"),
    (31, "KRB_AP_ERR_BAD_INTEGRITY"),
    (32, "KRB_AP_ERR_TKT_EXPIRED"),
    (33, "KRB_AP_ERR_TKT_NYV"),
    (34, "KRB_AP_ERR_REPEAT"),
    (35, "KRB_AP_ERR_NOT_US"),
    (36, "KRB_AP_ERR_BADMATCH"),
    (37, "KRB_AP_ERR_SKEW"),
    (38, "KRB_AP_ERR_BADADDR"),
    (39, "KRB_AP_ERR_BADVERSION"),
    (40, "KRB_AP_ERR_MSG_TYPE"),
    (41, "KRB_AP_ERR_MODIFIED"),
    (42, "KRB_AP_ERR_BADORDER"),
    (44, "KRB_AP_ERR_BADKEYVER"),
    (45, "KRB_AP_ERR_NOKEY"),
    (46, "KRB_AP_ERR_MUT_FAIL"),
    (47, "KRB_AP_ERR_BADDIRECTION"),
    (48, "KRB_AP_ERR_METHOD"),
    (49, "KRB_AP_ERR_BADSEQ"),
    (50, "KRB_AP_ERR_INAPP_CKSUM"),
    (51, "KRB_AP_PATH_NOT_ACCEPTED"),
    (52, "KRB_ERR_RESPONSE_TOO_BIG"),
    (60, "KRB_ERR_GENERIC"),
    (61, "KRB_ERR_FIELD_TOOLONG"),
    (62, "KDC_ERROR_CLIENT_NOT_TRUSTED"),
    (63, "KDC_ERROR_KDC_NOT_TRUSTED"),
    (64, "KDC_ERROR_INVALID_SIG"),
    (65, "KDC_ERR_KEY_TOO_WEAK"),
    (66, "KDC_ERR_CERTIFICATE_MISMATCH"),
    (67, "KRB_AP_ERR_NO_TGT"),
    (68, "KDC_ERR_WRONG_REALM"),
    (69, "KRB_AP_ERR_USER_TO_USER_REQUIRED"),
    (70, "KDC_ERR_CANT_VERIFY_CERTIFICATE"),
    (71, "KDC_ERR_INVALID_CERTIFICATE"),
    (72, "KDC_ERR_REVOKED_CERTIFICATE"),
    (73, "KDC_ERR_REVOCATION_STATUS_UNKNOWN"),
    (74, "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE"),
    (75, "KDC_ERR_CLIENT_NAME_MISMATCH"),
    (76, "KDC_ERR_KDC_NAME_MISMATCH"),
    // RFC 6113.
    (90, "KDC_ERR_PREAUTH_EXPIRED"),
    (91, "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED"),
];

impl ErrorCode {
    /// Its name, or its number.
    pub fn name(self) -> Cow<'static, str> {
        named(&ERRORS, self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// Pre-authentication data type (IANA "Pre-authentication and Typed Data"). Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreAuthentication(pub i32);

const PADATA: [(i32, &str); 20] = [
    (1, "PA-TGS-REQ"),
    (2, "PA-ENC-TIMESTAMP"),
    (3, "PA-PW-SALT"),
    (11, "PA-ETYPE-INFO"),
    (14, "PA-PK-AS-REQ_OLD"),
    (15, "PA-PK-AS-REP_OLD"),
    (16, "PA-PK-AS-REQ"),
    (17, "PA-PK-AS-REP"),
    (19, "PA-ETYPE-INFO2"),
    (128, "PA-PAC-REQUEST"),
    (129, "PA-FOR_USER"),
    (130, "PA-FOR-X509-USER"),
    (133, "PA-FX-COOKIE"),
    (136, "PA-FX-FAST"),
    (137, "PA-FX-ERROR"),
    (138, "PA-ENCRYPTED-CHALLENGE"),
    (149, "PA-REQ-ENC-PA-REP"),
    (150, "PA_AS_FRESHNESS"),
    (165, "PA-SUPPORTED-ENCTYPES"),
    (167, "PA-PAC-OPTIONS"),
];

impl PreAuthentication {
    /// Its name, or its number.
    pub fn name(self) -> Cow<'static, str> {
        named(&PADATA, self.0)
    }
}

fn named(table: &[(i32, &'static str)], number: i32) -> Cow<'static, str> {
    let known = table.iter().find(|&&(known, _)| known == number);
    known.map_or_else(|| number.to_string().into(), |&(_, name)| name.into())
}

/// A Kerberos message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerberosMessage {
    /// Which it is.
    pub kind: KerberosKind,
    /// Realm of the service, or of the ticket.
    pub realm: Option<String>,
    /// The client's principal without its realm: `ann`.
    pub client: Option<String>,
    /// The principal for which a ticket is asked or given: `sip/pool01.ex.test`.
    pub service: Option<String>,
    /// Encryption types: of a request those the client takes, of an answer or a ticket the one used.
    pub etypes: Vec<EncryptionType>,
    /// Version of the key with which the ticket is encrypted.
    pub kvno: Option<u32>,
    /// Error code.
    pub error: Option<ErrorCode>,
    /// `e-text` of an error.
    pub error_text: Option<String>,
    /// The client's time in an error.
    pub client_time: Option<Timestamp>,
    /// The server's time in an error.
    pub server_time: Option<Timestamp>,
    /// Types of pre-authentication data.
    pub preauthentication: Vec<PreAuthentication>,
}

impl KerberosMessage {
    /// A message of which only the kind is known.
    pub const fn new(kind: KerberosKind) -> Self {
        Self {
            kind,
            realm: None,
            client: None,
            service: None,
            etypes: Vec::new(),
            kvno: None,
            error: None,
            error_text: None,
            client_time: None,
            server_time: None,
            preauthentication: Vec::new(),
        }
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let texts = [&self.realm, &self.client, &self.service, &self.error_text];
        let texts: usize = texts.iter().map(|text| text.as_ref().map_or(0, String::len)).sum();
        size_of::<Self>() + texts + (self.etypes.len() + self.preauthentication.len()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registries() {
        assert_eq!(EncryptionType(18).name(), "aes256-cts-hmac-sha1-96");
        assert_eq!(EncryptionType(99).name(), "99");
        assert_eq!(ErrorCode(7).to_string(), "KDC_ERR_S_PRINCIPAL_UNKNOWN (7)");
        assert_eq!(PreAuthentication(2).name(), "PA-ENC-TIMESTAMP");
        assert_eq!(KerberosKind::of_tag(30).unwrap().name(), "KRB-ERROR");
        assert_eq!(KerberosKind::of_tag(16), None);
    }
}
