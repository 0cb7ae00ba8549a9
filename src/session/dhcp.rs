//! DHCP (RFC 2131): messages that bear on a sign-in of a phone are told, others are counted.
//!
//! In: datagrams. Out: messages with the vendor classes or options of Lync's phones, the answers to them, and
//! what was wrong with them. Content alone never makes a flow DHCP: a port must say so.

use crate::model::{At, Counter, DecodeAs, Direction, Message};
use crate::session::datagrams::Datagrams;
use crate::session::{Output, Probe};
use crate::wire::dhcp::{self, Parsed};
use crate::wire::sip::Likeness;

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "dhcp",
    kinds: &[DecodeAs::Dhcp],
    begins: |_| Likeness::No,
    keeps: false,
    decoder: |_, _| Box::new(Datagrams(tell)),
};

fn tell(at: At, direction: Direction, bytes: &[u8], out: &mut Output<'_>) {
    let Ok(Parsed { message, defects }) = dhcp::parse(bytes) else { return out.stats.count(Counter::DhcpOther) };
    // An answer that lacks what a phone asked for bears on its sign-in, too.
    let asked = out.phones.peek(&message.xid).is_some();
    if !(asked || message.is_about_lync()) {
        return out.stats.count(Counter::DhcpOther);
    }
    if message.is_request {
        out.phones.insert(message.xid, ());
    }
    out.keep = true;
    out.tell((at, at), direction, Message::Dhcp(Box::new(message)));
    for defect in defects {
        out.defect(at, direction, defect);
    }
}
