//! DNS response codes, and what they do to a sign-in. The names are those of [`crate::model::dns::rcode_name`].

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const SERVER: &str = "Look at the DNS server that answers: its forwarders, its zone, its permissions";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Dns, number, name, meaning)
}

/// In the order of the numbers (IANA "DNS RCODEs").
#[rustfmt::skip]
pub static TABLE: [Code; 20] = [
    code(0, "NOERROR", "the name exists; without records it has none of the type that was asked for, and the client takes its next name"),
    code(1, "FORMERR", "the server cannot read the query"),
    code(2, "SERVFAIL", "the server failed; the resolver tries its other servers, then the client goes on to its next name").fix(SERVER),
    code(3, "NXDOMAIN", "there is no such name; the client takes its next name at once, and only where all of them are missing does sign-in fail").fix("None where another name answers; else create lyncdiscoverinternal or _sipinternaltls._tcp inside, lyncdiscover or _sip._tls outside"),
    code(4, "NOTIMP", "the server does not know this kind of query"),
    code(5, "REFUSED", "the server refuses to answer; the resolver tries its other servers, then the client goes on to its next name").fix(SERVER),
    code(6, "YXDOMAIN", "a name exists that should not (update)"),
    code(7, "YXRRSET", "records exist that should not (update)"),
    code(8, "NXRRSET", "records are missing that should exist (update)"),
    code(9, "NOTAUTH", "the server is not authoritative for the zone, or the sender is not authorised"),
    code(10, "NOTZONE", "the name is not in the zone (update)"),
    code(11, "DSOTYPENI", "a DNS Stateful Operation of a type that is not implemented"),
    code(16, "BADVERS", "a version of EDNS that is not supported, or a TSIG signature that does not verify"),
    code(17, "BADKEY", "a key that is not known"),
    code(18, "BADTIME", "a signature out of its time").fix("Compare the clocks of both machines"),
    code(19, "BADMODE", "a TKEY mode that is not supported"),
    code(20, "BADNAME", "a key name that exists already"),
    code(21, "BADALG", "an algorithm that is not supported"),
    code(22, "BADTRUNC", "a signature that is cut too short"),
    code(23, "BADCOOKIE", "a cookie that is missing or wrong"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dns::rcode_name;

    #[test]
    fn names_are_those_of_the_rows() {
        for number in 0..64_u16 {
            let name = CodeKind::Dns.find(number.into()).map_or(format!("RCODE{number}"), |code| code.name.to_owned());
            assert_eq!(name, rcode_name(number));
        }
    }
}
