//! Win32 errors that a sign-in meets ([MS-ERREF] §2.2): logon, network, DNS, `WinHTTP`.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const ACCOUNT: &str = "Check the account in Active Directory";
const SERVER_CERTIFICATE: &str = "Look at the certificate of the web server: its names, its dates, its issuer";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Win32, number, name, meaning)
}

/// In the order of the numbers.
#[rustfmt::skip]
pub static TABLE: [Code; 52] = [
    code(2, "ERROR_FILE_NOT_FOUND", "there is no such file"),
    code(5, "ERROR_ACCESS_DENIED", "the access is denied"),
    code(14, "ERROR_OUTOFMEMORY", "no memory is left"),
    code(87, "ERROR_INVALID_PARAMETER", "a parameter is not valid"),
    code(121, "ERROR_SEM_TIMEOUT", "nothing answered in time"),
    code(1225, "ERROR_CONNECTION_REFUSED", "the other side refused the connection").fix("Start the service, or correct the port"),
    code(1231, "ERROR_NETWORK_UNREACHABLE", "the network cannot be reached"),
    code(1232, "ERROR_HOST_UNREACHABLE", "the host cannot be reached"),
    code(1236, "ERROR_CONNECTION_ABORTED", "the connection was given up on this machine"),
    code(1311, "ERROR_NO_LOGON_SERVERS", "no domain controller can be reached").fix("Check DNS and the way to a domain controller"),
    code(1312, "ERROR_NO_SUCH_LOGON_SESSION", "the logon session has ended"),
    code(1317, "ERROR_NO_SUCH_USER", "there is no such user").fix("Correct the user name"),
    code(1326, "ERROR_LOGON_FAILURE", "the user name is unknown or the password is wrong").fix("Type user name (DOMAIN\\user) and password again"),
    code(1327, "ERROR_ACCOUNT_RESTRICTION", "a restriction of the account forbids it, such as an empty password").fix(ACCOUNT),
    code(1328, "ERROR_INVALID_LOGON_HOURS", "the account may not log on at this time").fix(ACCOUNT),
    code(1329, "ERROR_INVALID_WORKSTATION", "the account may not log on from this computer").fix(ACCOUNT),
    code(1330, "ERROR_PASSWORD_EXPIRED", "the password has expired").fix("Change the password"),
    code(1331, "ERROR_ACCOUNT_DISABLED", "the account is disabled").fix(ACCOUNT),
    code(1355, "ERROR_NO_SUCH_DOMAIN", "the domain does not exist or cannot be reached").fix("Check DNS and the way to a domain controller"),
    code(1385, "ERROR_LOGON_TYPE_NOT_GRANTED", "the account may not log on in this way").fix(ACCOUNT),
    code(1396, "ERROR_WRONG_TARGET_NAME", "the service principal name is on another account").fix("Register it on the account that the service runs as, only there"),
    code(1398, "ERROR_TIME_SKEW", "the clocks of client and server differ").fix("Set both by one time source"),
    code(1460, "ERROR_TIMEOUT", "nothing came in time"),
    code(1793, "ERROR_ACCOUNT_EXPIRED", "the account has expired").fix(ACCOUNT),
    code(1907, "ERROR_PASSWORD_MUST_CHANGE", "the password must be changed before the first logon").fix("Change the password"),
    code(1909, "ERROR_ACCOUNT_LOCKED_OUT", "the account is locked").fix("Unlock it; look for a device that tries an old password"),
    code(9001, "DNS_ERROR_RCODE_FORMAT_ERROR", "the DNS server cannot read the query"),
    code(9002, "DNS_ERROR_RCODE_SERVER_FAILURE", "the DNS server failed").fix("Look at the DNS server and its forwarders"),
    code(9003, "DNS_ERROR_RCODE_NAME_ERROR", "there is no such DNS name").fix("Create the record, or correct the name"),
    code(9005, "DNS_ERROR_RCODE_REFUSED", "the DNS server refuses to answer").fix("Look at the DNS server and its permissions"),
    code(9501, "DNS_INFO_NO_RECORDS", "the DNS name has no record of that type").fix("Create the record"),
    code(9852, "DNS_ERROR_NO_DNS_SERVERS", "this machine has no DNS servers").fix("Check the network settings of this machine"),
    code(12002, "ERROR_WINHTTP_TIMEOUT", "the web server did not answer in time"),
    code(12005, "ERROR_WINHTTP_INVALID_URL", "the URL is not valid"),
    code(12007, "ERROR_WINHTTP_NAME_NOT_RESOLVED", "the name of the web server cannot be resolved").fix("Create the DNS record of the web services FQDN"),
    code(12029, "ERROR_WINHTTP_CANNOT_CONNECT", "the web server cannot be connected to").fix("Check that IIS runs, and firewalls and proxies on the way"),
    code(12030, "ERROR_WINHTTP_CONNECTION_ERROR", "the connection to the web server broke"),
    code(12037, "ERROR_WINHTTP_SECURE_CERT_DATE_INVALID", "the certificate of the web server has expired or is not valid yet").fix(SERVER_CERTIFICATE),
    code(12038, "ERROR_WINHTTP_SECURE_CERT_CN_INVALID", "the certificate of the web server does not have its name").fix(SERVER_CERTIFICATE),
    code(12044, "ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED", "the web server asks for a client certificate"),
    code(12045, "ERROR_WINHTTP_SECURE_INVALID_CA", "the issuer of the web server's certificate is not trusted").fix("Install the root certificate of the issuer on the client"),
    code(12057, "ERROR_WINHTTP_SECURE_CERT_REV_FAILED", "whether the web server's certificate is revoked cannot be found out").fix("Make the revocation list of the issuer reachable"),
    code(12152, "ERROR_WINHTTP_INVALID_SERVER_RESPONSE", "the answer of the web server cannot be read"),
    code(12157, "ERROR_WINHTTP_SECURE_CHANNEL_ERROR", "TLS with the web server failed").fix("Compare TLS versions and suites of both sides"),
    code(12169, "ERROR_WINHTTP_SECURE_INVALID_CERT", "the certificate of the web server is not valid").fix(SERVER_CERTIFICATE),
    code(12170, "ERROR_WINHTTP_SECURE_CERT_REVOKED", "the certificate of the web server is revoked").fix("Issue a new certificate"),
    code(12175, "ERROR_WINHTTP_SECURE_FAILURE", "the certificate of the web server is not accepted").fix(SERVER_CERTIFICATE),
    code(12178, "ERROR_WINHTTP_AUTO_PROXY_SERVICE_ERROR", "the proxy cannot be found out"),
    code(12179, "ERROR_WINHTTP_SECURE_CERT_WRONG_USAGE", "the certificate of the web server is not for servers").fix(SERVER_CERTIFICATE),
    code(12180, "ERROR_WINHTTP_AUTODETECTION_FAILED", "there is no proxy script"),
    code(12185, "ERROR_WINHTTP_CLIENT_CERT_NO_PRIVATE_KEY", "the client certificate has no private key").fix("Delete it; the client fetches a new one"),
    code(12186, "ERROR_WINHTTP_CLIENT_CERT_NO_ACCESS_PRIVATE_KEY", "the private key of the client certificate cannot be used").fix("Delete the certificate; the client fetches a new one"),
];
