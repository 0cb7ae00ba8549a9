//! Event ids that clients and servers write to the Windows event log about sign-in.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const PARTNER: &str = "Look at the event's own text: it names the partner; check its Edge, DNS and certificate";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Event, number, name, meaning)
}

/// In the order of the ids; the name is the event's source.
#[rustfmt::skip]
pub static TABLE: [Code; 9] = [
    code(1, "client: Communicator or Lync", "the login server was not found: the SIP domain has no SRV records; one per sign-in attempt").fix("Create the SRV records of the domain, or set the server by hand"),
    code(3, "client: Communicator or Lync", "the host name of the login server cannot be resolved; one each for sipinternal, sip and sipexternal").fix("Create the A record that the event names, or the SRV records of the domain"),
    code(14428, "LS Protocol Stack", "outgoing TLS connections failed; the event names the peer and an HRESULT").fix("Explain the HRESULT; mostly a name that is missing in the peer's certificate, or a root that is not trusted"),
    code(14501, "LS Protocol Stack", "trouble with a federated partner").fix(PARTNER).probably(),
    code(14502, "LS Protocol Stack", "trouble with a federated partner").fix(PARTNER).probably(),
    code(14603, "LS Protocol Stack", "trouble with a federated partner").fix(PARTNER).probably(),
    code(30061, "LS User Replicator", "the replication of users from Active Directory; a new user can sign in only after it").fix("Wait for it, or start it with Update-CsUserDatabase").probably(),
    code(32263, "LS User Services", "a notification to a Front End failed; with 0xC3E93C2F because of a stale subscription, which is harmless").fix("Nothing where the error code is 0xC3E93C2F; else check the Front End that the event names"),
    code(47067, "LS UserPin", "the PIN service cannot reach another server on port 444; phones cannot sign in with a PIN").fix("Remove certificates that are not self-signed from the trusted roots of the Front Ends, and open port 444 between them").probably(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_client_without_records() {
        for id in [1, 3] {
            assert!(CodeKind::Event.find(id).unwrap().name.starts_with("client"));
        }
    }
}
