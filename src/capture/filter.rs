//! The capture filter, where the user gives none: what a sign-in consists of.

use crate::model::DecodeAs;

/// BPF filters of which the first that an interface can have is taken: with VLAN tags, where its link type has them.
pub fn default_filters(decode_as: &[(u16, DecodeAs)]) -> Vec<String> {
    let mut ports: Vec<u16> = vec![53, 67, 68, 80, 88, 443, 444, 4443, 5060, 5061, 5353, 5355, 8080];
    ports.extend(decode_as.iter().map(|(port, _)| *port));
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    // Of a fragment but the first no port is known.
    let base = format!("port ({}) or icmp or icmp6 or ip[6:2] & 0x3fff != 0 or ip6[6] = 44", ports.join(" or "));
    // `and` binds no closer than `or`. Behind `vlan` everything is looked for behind the tag.
    vec![format!("{base} or (vlan and ({base}))"), base]
}

/// The filter for people: behind VLAN tags the same is looked for again.
pub fn shown(filter: &str) -> String {
    match filter.split_once(" or (vlan and (") {
        Some((base, behind)) if behind.strip_suffix("))") == Some(base) => format!("{base}, the same behind VLAN tags"),
        _ if filter.is_empty() => "everything".to_owned(),
        _ => filter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap::{Capture, Linktype};

    #[test]
    fn libpcap_takes_them() {
        let filters = default_filters(&[(7443, DecodeAs::Https)]);
        assert!(filters.iter().all(|filter| filter.contains(" or 7443 or ")));
        assert_eq!(shown(&filters[0]), format!("{}, the same behind VLAN tags", filters[1]));
        assert_eq!(
            (shown(""), shown("udp or (vlan and (tcp))")),
            ("everything".into(), "udp or (vlan and (tcp))".into())
        );
        let ethernet = Capture::dead(Linktype::ETHERNET).unwrap();
        let [with_vlan, base] = filters.as_slice() else { panic!("two filters") };
        let program = ethernet.compile(with_vlan, true).unwrap();
        assert!(Capture::dead(Linktype::LINUX_SLL2).unwrap().compile(base, true).is_ok());
        let mut frame = [0_u8; 60];
        frame[12] = 8; // IPv4
        frame[14] = 0x45;
        assert!(!program.filter(&frame), "no protocol of ours");
        (frame[23], frame[36], frame[37]) = (6, 0x13, 0xc5); // TCP to port 5061
        assert!(program.filter(&frame));
        frame[37] = 0xc0;
        assert!(!program.filter(&frame), "5056 is nothing");
        (frame[20], frame[21]) = (0, 0x10); // a fragment
        assert!(program.filter(&frame));
        let mut tagged = [0_u8; 64];
        tagged[12] = 0x81;
        tagged[16..].copy_from_slice(&frame[12..60]);
        assert!(program.filter(&tagged));
    }
}
