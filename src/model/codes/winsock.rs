//! Windows Sockets errors.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const FIREWALL: &str = "Check that the service runs, and firewalls and routes on the way to its port";
const RECORD: &str = "Create the DNS record, or correct the name";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Winsock, number, name, meaning)
}

/// In the order of the numbers.
#[rustfmt::skip]
pub static TABLE: [Code; 65] = [
    code(10004, "WSAEINTR", "the call was interrupted"),
    code(10009, "WSAEBADF", "the handle is not valid"),
    code(10013, "WSAEACCES", "the access is forbidden by its permissions").fix("Look for a firewall or security software on this machine"),
    code(10014, "WSAEFAULT", "a pointer is not valid"),
    code(10022, "WSAEINVAL", "an argument is not valid"),
    code(10024, "WSAEMFILE", "too many sockets are open"),
    code(10035, "WSAEWOULDBLOCK", "it cannot be done at once; normal for sockets that do not block"),
    code(10036, "WSAEINPROGRESS", "a blocking call is in progress"),
    code(10037, "WSAEALREADY", "it is in progress already"),
    code(10038, "WSAENOTSOCK", "the handle is no socket"),
    code(10039, "WSAEDESTADDRREQ", "the destination address is missing"),
    code(10040, "WSAEMSGSIZE", "the datagram is too long"),
    code(10041, "WSAEPROTOTYPE", "the protocol does not fit the socket"),
    code(10042, "WSAENOPROTOOPT", "the option is not known"),
    code(10043, "WSAEPROTONOSUPPORT", "the protocol is not supported"),
    code(10044, "WSAESOCKTNOSUPPORT", "the type of socket is not supported"),
    code(10045, "WSAEOPNOTSUPP", "the operation is not supported"),
    code(10046, "WSAEPFNOSUPPORT", "the protocol family is not supported"),
    code(10047, "WSAEAFNOSUPPORT", "the address family is not supported by the protocol"),
    code(10048, "WSAEADDRINUSE", "the address and port are in use").fix("Find the other program that has the port"),
    code(10049, "WSAEADDRNOTAVAIL", "the address is none of this machine"),
    code(10050, "WSAENETDOWN", "the network is down").fix("Check the network of this machine"),
    code(10051, "WSAENETUNREACH", "the network cannot be reached").fix("Check the routes of this machine"),
    code(10052, "WSAENETRESET", "the connection broke: keep-alive found it dead"),
    code(10053, "WSAECONNABORTED", "the connection was given up on this machine: a timeout or a protocol error"),
    code(10054, "WSAECONNRESET", "the other side reset the connection; in a TLS handshake mostly because it does not trust the certificate").fix("Look at what was sent last: in a handshake check certificates and trust on both sides, else look for a firewall that cuts idle connections"),
    code(10055, "WSAENOBUFS", "no buffer space is left"),
    code(10056, "WSAEISCONN", "the socket is connected already"),
    code(10057, "WSAENOTCONN", "the socket is not connected"),
    code(10058, "WSAESHUTDOWN", "the socket was shut down"),
    code(10059, "WSAETOOMANYREFS", "too many references"),
    code(10060, "WSAETIMEDOUT", "nothing answered in time").fix(FIREWALL),
    code(10061, "WSAECONNREFUSED", "the other side refused the connection: nothing listens on the port").fix("Start the service (Front End or Access Edge), or correct the port in the SRV record"),
    code(10062, "WSAELOOP", "the name cannot be translated: it goes in a circle"),
    code(10063, "WSAENAMETOOLONG", "the name is too long"),
    code(10064, "WSAEHOSTDOWN", "the host is down").fix(FIREWALL),
    code(10065, "WSAEHOSTUNREACH", "the host cannot be reached").fix(FIREWALL),
    code(10066, "WSAENOTEMPTY", "the folder is not empty"),
    code(10067, "WSAEPROCLIM", "too many processes use Windows Sockets"),
    code(10068, "WSAEUSERS", "the user quota is used up"),
    code(10069, "WSAEDQUOT", "the disk quota is used up"),
    code(10070, "WSAESTALE", "the handle is stale"),
    code(10071, "WSAEREMOTE", "the item is on another machine"),
    code(10091, "WSASYSNOTREADY", "the network subsystem is not ready"),
    code(10092, "WSAVERNOTSUPPORTED", "the version of Windows Sockets is not supported"),
    code(10093, "WSANOTINITIALISED", "Windows Sockets was not started up"),
    code(10101, "WSAEDISCON", "the other side shuts the connection down"),
    code(10102, "WSAENOMORE", "there are no more results"),
    code(10103, "WSAECANCELLED", "the look-up was cancelled"),
    code(10104, "WSAEINVALIDPROCTABLE", "the table of a service provider is not valid"),
    code(10105, "WSAEINVALIDPROVIDER", "a service provider is not valid"),
    code(10106, "WSAEPROVIDERFAILEDINIT", "a service provider did not start"),
    code(10107, "WSASYSCALLFAILURE", "a system call failed"),
    code(10108, "WSASERVICE_NOT_FOUND", "there is no such service"),
    code(10109, "WSATYPE_NOT_FOUND", "there is no such class"),
    code(10110, "WSA_E_NO_MORE", "there are no more results (new form)"),
    code(10111, "WSA_E_CANCELLED", "the look-up was cancelled (new form)"),
    code(10112, "WSAEREFUSED", "the database query was refused"),
    code(11001, "WSAHOST_NOT_FOUND", "there is no such host").fix(RECORD),
    code(11002, "WSATRY_AGAIN", "the DNS server did not answer, or failed").fix("Check the DNS servers of this machine"),
    code(11003, "WSANO_RECOVERY", "the DNS look-up failed for good").fix("Check the DNS servers of this machine"),
    code(11004, "WSANO_DATA", "the name exists and has no record of that type").fix(RECORD),
    code(11005, "WSA_QOS_RECEIVERS", "a QoS receiver is there"),
    code(11006, "WSA_QOS_SENDERS", "a QoS sender is there"),
    code(11007, "WSA_QOS_NO_SENDERS", "there is no QoS sender"),
];
