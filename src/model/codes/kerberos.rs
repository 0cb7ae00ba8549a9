//! Kerberos errors (RFC 4120 §7.5.9, RFC 4556 §3.1.3).

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const ACCOUNT: &str = "Check the account in Active Directory: disabled, locked, expired or outside its hours";
const CLOCK: &str = "Set the clocks of client, server and domain controller by one time source";
const SPN: &str = "Register sip/<FQDN> and http/<FQDN> of pool and Front Ends on one account only: setspn -Q finds them, setspn -X the duplicates";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Kerberos, number, name, meaning)
}

/// In the order of the numbers.
#[rustfmt::skip]
pub static TABLE: [Code; 68] = [
    code(0, "KDC_ERR_NONE", "no error"),
    code(1, "KDC_ERR_NAME_EXP", "the client's entry has expired").fix(ACCOUNT),
    code(2, "KDC_ERR_SERVICE_EXP", "the server's entry has expired"),
    code(3, "KDC_ERR_BAD_PVNO", "the protocol version is not supported"),
    code(4, "KDC_ERR_C_OLD_MAST_KVNO", "the client's key is encrypted in an old master key"),
    code(5, "KDC_ERR_S_OLD_MAST_KVNO", "the server's key is encrypted in an old master key"),
    code(6, "KDC_ERR_C_PRINCIPAL_UNKNOWN", "the user name is not in the directory").fix("Correct the user name: DOMAIN\\user or the user principal name, which need not be the sign-in address"),
    code(7, "KDC_ERR_S_PRINCIPAL_UNKNOWN", "the service principal name is not in the directory, or several accounts have it").fix(SPN),
    code(8, "KDC_ERR_PRINCIPAL_NOT_UNIQUE", "several entries have this name").fix(SPN),
    code(9, "KDC_ERR_NULL_KEY", "the client or the server has no key"),
    code(10, "KDC_ERR_CANNOT_POSTDATE", "the ticket cannot be postdated"),
    code(11, "KDC_ERR_NEVER_VALID", "the ticket would never be valid: it ends before it begins").fix(CLOCK),
    code(12, "KDC_ERR_POLICY", "a policy refuses it: logon hours, workstations or authentication policy").fix(ACCOUNT),
    code(13, "KDC_ERR_BADOPTION", "an option cannot be granted, such as delegation"),
    code(14, "KDC_ERR_ETYPE_NOSUPP", "no common encryption type").fix("Allow an encryption type that both have (AES, or RC4 for old ones) on the account of the server and on the domain controllers; reset the password of an account that has no AES keys yet"),
    code(15, "KDC_ERR_SUMTYPE_NOSUPP", "the checksum type is not supported"),
    code(16, "KDC_ERR_PADATA_TYPE_NOSUPP", "this kind of pre-authentication is not supported; for smart cards the domain controller has no suitable certificate"),
    code(17, "KDC_ERR_TRTYPE_NOSUPP", "the transited type is not supported"),
    code(18, "KDC_ERR_CLIENT_REVOKED", "the account is disabled, locked, expired or outside its logon hours").fix(ACCOUNT),
    code(19, "KDC_ERR_SERVICE_REVOKED", "the account of the service is disabled").fix("Enable the account that has the service principal name"),
    code(20, "KDC_ERR_TGT_REVOKED", "the ticket-granting ticket is revoked"),
    code(21, "KDC_ERR_CLIENT_NOTYET", "the account is not valid yet"),
    code(22, "KDC_ERR_SERVICE_NOTYET", "the account of the service is not valid yet"),
    code(23, "KDC_ERR_KEY_EXPIRED", "the password has expired").fix("Change the password"),
    code(24, "KDC_ERR_PREAUTH_FAILED", "the password is wrong").fix("Type the password again; remove a stored one from the Credential Manager"),
    code(25, "KDC_ERR_PREAUTH_REQUIRED", "the client must prove itself first; the normal answer to its first request"),
    code(26, "KDC_ERR_SERVER_NOMATCH", "the server that was asked for and the ticket do not fit"),
    code(27, "KDC_ERR_MUST_USE_USER2USER", "the service principal is good for user-to-user only"),
    code(28, "KDC_ERR_PATH_NOT_ACCEPTED", "the path of realms is not accepted"),
    code(29, "KDC_ERR_SVC_UNAVAILABLE", "a service is not available: the domain controller cannot go on now").fix("Check the domain controller; try another"),
    code(31, "KRB_AP_ERR_BAD_INTEGRITY", "the ticket or a message fails its check: the key is not the one it was made with").fix("Reset the password of the account of the service, and register its service principal name on that account only"),
    code(32, "KRB_AP_ERR_TKT_EXPIRED", "the ticket has expired; the client fetches a new one").fix(CLOCK),
    code(33, "KRB_AP_ERR_TKT_NYV", "the ticket is not valid yet").fix(CLOCK),
    code(34, "KRB_AP_ERR_REPEAT", "the request was seen before: a replay"),
    code(35, "KRB_AP_ERR_NOT_US", "the ticket is for another server").fix(SPN),
    code(36, "KRB_AP_ERR_BADMATCH", "ticket and authenticator do not fit"),
    code(37, "KRB_AP_ERR_SKEW", "the clocks differ by more than five minutes").fix(CLOCK),
    code(38, "KRB_AP_ERR_BADADDR", "the ticket is for another address"),
    code(39, "KRB_AP_ERR_BADVERSION", "the protocol version does not fit"),
    code(40, "KRB_AP_ERR_MSG_TYPE", "the message is of the wrong type"),
    code(41, "KRB_AP_ERR_MODIFIED", "the server cannot decrypt the ticket: it was made with the key of another account").fix(SPN),
    code(42, "KRB_AP_ERR_BADORDER", "the message is out of order"),
    code(44, "KRB_AP_ERR_BADKEYVER", "the server does not have this version of its key").fix("Wait for replication between the domain controllers, or restart the service so that it has its new password"),
    code(45, "KRB_AP_ERR_NOKEY", "the server has no key"),
    code(46, "KRB_AP_ERR_MUT_FAIL", "the server did not prove itself"),
    code(47, "KRB_AP_ERR_BADDIRECTION", "the message goes the wrong way"),
    code(48, "KRB_AP_ERR_METHOD", "another method of authentication is needed"),
    code(49, "KRB_AP_ERR_BADSEQ", "the sequence number is wrong"),
    code(50, "KRB_AP_ERR_INAPP_CKSUM", "the type of checksum does not fit"),
    code(51, "KRB_AP_PATH_NOT_ACCEPTED", "the server does not accept the path of realms"),
    code(52, "KRB_ERR_RESPONSE_TOO_BIG", "the answer does not fit into UDP; the client asks again over TCP, which is normal").fix("Only where no TCP connection to port 88 follows: open it"),
    code(60, "KRB_ERR_GENERIC", "an error that only its text describes").fix("Look at the text of the error and at the event log of the domain controller"),
    code(61, "KRB_ERR_FIELD_TOOLONG", "a field is too long"),
    code(62, "KDC_ERROR_CLIENT_NOT_TRUSTED", "the client's certificate is not trusted"),
    code(63, "KDC_ERROR_KDC_NOT_TRUSTED", "the certificate of the domain controller is not trusted"),
    code(64, "KDC_ERROR_INVALID_SIG", "a signature does not verify"),
    code(65, "KDC_ERR_KEY_TOO_WEAK", "the Diffie-Hellman parameters are not accepted"),
    code(66, "KDC_ERR_CERTIFICATE_MISMATCH", "the certificate is for another user"),
    code(67, "KRB_AP_ERR_NO_TGT", "a ticket-granting ticket is missing"),
    code(68, "KDC_ERR_WRONG_REALM", "the user or the service is in another realm, to which the client is referred").fix("Normal between domains of a forest; else check the trust and the domain in the user name"),
    code(69, "KRB_AP_ERR_USER_TO_USER_REQUIRED", "user-to-user authentication is needed"),
    code(70, "KDC_ERR_CANT_VERIFY_CERTIFICATE", "the client's certificate cannot be verified"),
    code(71, "KDC_ERR_INVALID_CERTIFICATE", "the client's certificate is not valid"),
    code(72, "KDC_ERR_REVOKED_CERTIFICATE", "the client's certificate is revoked"),
    code(73, "KDC_ERR_REVOCATION_STATUS_UNKNOWN", "whether the certificate is revoked is not known"),
    code(74, "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE", "whether the certificate is revoked cannot be found out"),
    code(75, "KDC_ERR_CLIENT_NAME_MISMATCH", "the certificate does not have the user's name"),
    code(76, "KDC_ERR_KDC_NAME_MISMATCH", "the certificate does not have the domain controller's name"),
];
