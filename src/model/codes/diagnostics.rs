//! Error ids of `ms-diagnostics` headers ([MS-OCER] §2.2.1; ranges from the OCS 2007 technical reference).

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

/// First and last id of each component, its short name, and what it does.
#[rustfmt::skip]
pub static RANGES: [(u32, u32, &str, &str); 20] = [
    (0, 999, "common", "an error that all components share"),
    (1000, 1999, "SIP stack", "an error of the SIP stack: routing, DNS, TLS, federation"),
    (2000, 2999, "presence", "an error of the user services: presence"),
    (3000, 3999, "conferencing", "an error of conferencing: focus, focus factory"),
    (4000, 4999, "user services", "an error of the user services: registration, users, contacts"),
    (5000, 5999, "API applications", "an error of an application on the server"),
    (6000, 6999, "IM conferencing", "an error of the IM conferencing service"),
    (7000, 7999, "A/V conferencing", "an error of the A/V conferencing service"),
    (8000, 8999, "telephony conferencing", "an error of the telephony conferencing service"),
    (9000, 9999, "MRAS", "an error of the service that gives credentials for the A/V Edge"),
    (10000, 10999, "Mediation Server", "an error of the Mediation Server"),
    (11000, 11999, "metrics", "an error of the metrics service"),
    (12000, 12999, "voice outbound routing", "an error of outbound voice routing"),
    (13000, 13999, "voice inbound routing", "an error of inbound voice routing"),
    (14000, 14999, "translation service", "an error of the translation service: dial plan, location profile"),
    (15000, 15999, "Exchange UM routing", "an error of routing to Exchange Unified Messaging"),
    (16000, 16999, "IM filter", "the IM filter refused the message"),
    (17000, 17999, "client version filter", "the client version filter refused the client"),
    (21000, 21999, "application sharing", "an error of the application sharing service"),
    (1_000_000, 9_999_999, "web services", "an error of the web services (`x-ms-diagnostics` of HTTPS)"),
];

const POLICY: &str = "Check the external access policy of the user";
const CHAIN: &str = "Look at HRESULT and ErrorType of the header: put the name that is connected to into the certificate, and install the root of its issuer on both servers";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Diagnostics, number, name, meaning)
}

const fn common(number: u32, meaning: &'static str) -> Code {
    code(number, "common", meaning)
}

const fn stack(number: u32, meaning: &'static str) -> Code {
    code(number, "SIP stack", meaning)
}

const fn users(number: u32, meaning: &'static str) -> Code {
    code(number, "user services", meaning)
}

/// The ids that are known, in order.
#[rustfmt::skip]
pub static TABLE: [Code; 53] = [
    common(0, "internal error of the server"),
    common(1, "the service is unavailable").fix("Start the services of the pool and look at its event log"),
    common(4, "the bandwidth policy does not allow it"),
    stack(1000, "the last step of the security handshake failed").fix("Check password, clock and certificate; the messages of the authentication show which of them"),
    stack(1001, "the user may not talk to public IM").fix(POLICY),
    stack(1002, "the user may not talk to federated partners").fix(POLICY),
    stack(1003, "no such user").fix("Correct the sign-in address"),
    stack(1004, "the route set is no longer valid").fix("Sign in again: the dialog is from before a failover"),
    stack(1005, "the domain of the destination cannot be routed").fix("Correct the address, or add the SIP domain to the topology"),
    stack(1006, "routing on the client's connection failed: the connection is gone"),
    stack(1007, "cannot be routed now").fix("Check that the next hop is up, and try again"),
    stack(1008, "the SRV record cannot be resolved").fix("Create _sipfederationtls._tcp of the domain, and check DNS on the Edge"),
    stack(1009, "the host of the SRV record is not in the domain that was asked for").fix("Make the SRV record point to a host name in the SIP domain"),
    stack(1010, "no trust in the certificate of the next hop, or of another server").fix(CHAIN),
    stack(1011, "the previous hop said no reason").fix("Look at that hop"),
    stack(1012, "the sender may not talk outside the enterprise").fix(POLICY),
    stack(1013, "the clocks differ too much for the authentication").fix("Set the clock of the client by the time source of the domain"),
    stack(1014, "the A record cannot be resolved").fix("Create the A record"),
    stack(1015, "the domain of the sender cannot be routed").probably(),
    stack(1016, "the domain of the sender is of the wrong type").probably(),
    stack(1017, "the domains of From and To cannot be routed together").fix("In a hybrid deployment: add the domain to the topology, and check the shared SIP address space"),
    stack(1018, "the message cannot be parsed").probably(),
    stack(1027, "this kind of request cannot go to or come from federated partners").fix("Check that the partner is allowed, and discovery of partners on the Edge"),
    stack(1033, "the previous component of the server said no reason").probably(),
    stack(1034, "the previous hop, a federated partner, said no reason").fix("Ask the partner"),
    stack(1035, "the public IM provider said no reason").probably(),
    stack(1036, "the peer that shares the address space said no reason").probably(),
    stack(1037, "the client said no reason").probably(),
    stack(1046, "the TCP connection to a federated partner failed").fix("Open port 5061 of the firewalls to the Edge of the partner").probably(),
    stack(1047, "TLS with a federated partner failed; with WSAECONNRESET the partner does not trust the issuer of the own certificate").fix("Install the whole certificate chain on the Edge; have the partner install the root"),
    code(2139, "presence", "the subscription ended because a new one took over; normal after a reconnect"),
    users(4000, "error of the user services without more detail"),
    users(4001, "the XML of the request cannot be parsed"),
    users(4002, "several users share the number of the caller").fix("Give each user a line URI of their own"),
    users(4003, "the user is not enabled for what was asked, which the reason names: SIP, Enterprise Voice (location profile) or remote access").fix("Enable the user (Enable-CsUser), or Enterprise Voice, or remote access in the external access policy and on the Edge"),
    users(4004, "the authenticated identity may not use this From URI").fix("Sign-in address and credentials belong to different users: give the user name of the owner of the address"),
    users(4005, "the destination URI is not enabled for SIP or does not exist").fix("Enable the user, correct the address, or wait for the replication of Active Directory (LS User Replicator, event 30061)"),
    users(4006, "the user is not found in this pool").fix("Check on which pool the user is homed, and whether a move has ended"),
    users(4007, "the resource is unknown in this deployment"),
    users(4008, "the input is too large"),
    users(4009, "several users share the number that was called").fix("Give each user a line URI of their own"),
    users(4010, "the identifier of the endpoint is missing"),
    users(4011, "epid is missing"),
    users(4012, "epid is too long"),
    users(4013, "the content type is not the expected one"),
    users(4141, "the user is disabled; it ends the registration").fix("Enable the account again if it ought to be"),
    users(4268, "delegate and delegator are in different deployments").fix("Move both to the same side of the hybrid deployment"),
    code(10003, "Mediation Server", "the peer answered with a SIP failure").fix("Look at SipResponseCode and SipResponseText of the header"),
    code(14012, "translation service", "an error of the dial plan or location profile; the user is not enabled for voice").fix("Enable Enterprise Voice only if the user should have it; else it is harmless").probably(),
    code(14013, "translation service", "an error of the dial plan or location profile; the user is not enabled for voice").fix("Enable Enterprise Voice only if the user should have it; else it is harmless").probably(),
    code(15000, "Exchange UM routing", "the properties of the contact object cannot be read"),
    code(17000, "client version filter", "the client is blocked by its version").fix("Update the client, or change the client version policy").probably(),
    code(21002, "application sharing", "the attendee may not share"),
];

/// What an id means; of an id that is not in the table, which component gives it.
pub fn of(id: u32) -> Code {
    CodeKind::Diagnostics.find(id).unwrap_or_else(|| {
        let range = RANGES.iter().find(|&&(first, last, ..)| (first..=last).contains(&id));
        let (name, meaning) = range.map_or(("unknown component", "of no range that is known"), |&(.., a, b)| (a, b));
        let code = code(id, name, meaning);
        if name == "client version filter" {
            code.fix("Update the client, or change the client version policy")
        } else {
            code
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_component() {
        for (id, name, certain) in [
            (4005, "user services", true),
            (1015, "SIP stack", false),
            (4999, "user services", true),
            (14001, "translation service", true),
            (17042, "client version filter", true),
            (18500, "unknown component", true),
            (4_000_000, "web services", true),
            (u32::MAX, "unknown component", true),
        ] {
            let code = of(id);
            assert_eq!((code.number, code.name, code.certain), (id, name, certain));
        }
    }

    #[test]
    fn components_fit_their_ranges() {
        assert!(RANGES.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for code in TABLE {
            let range = RANGES.iter().find(|range| (range.0..=range.1).contains(&code.number)).unwrap();
            assert_eq!(code.name, range.2, "{code}");
        }
    }
}
