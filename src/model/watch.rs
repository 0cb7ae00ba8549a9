//! Names that a sign-in looks up or connects to.

/// First labels, whatever the domain: the client's discovery order and the web services' names.
#[rustfmt::skip]
const PREFIXES: [&str; 13] = [
    "lyncdiscoverinternal.", "lyncdiscover.", "_sipinternaltls._tcp.", "_sipinternal._tcp.", "_sip._tls.",
    "_sip._tcp.", "_sipfederationtls._tcp.", "sipinternal.", "sip.", "sipexternal.", "ucupdates-r2.", "ucupdates.",
    "_ntp._udp.",
];

/// Ends of names of the hosted service.
const SUFFIXES: [&str; 2] = [".lync.com", "login.microsoftonline.com"];

/// Whether a sign-in looks this name up. Any case; without the final dot.
pub fn is_watched(name: &str) -> bool {
    let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    let ends = |suffix: &&str| {
        let at = name.len().checked_sub(suffix.len());
        at.and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
    };
    PREFIXES.iter().any(begins) || SUFFIXES.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_sign_in() {
        assert!(is_watched("LyncDiscover.ex.test") && is_watched("_sip._tls.ex.test"));
        assert!(is_watched("webdir0a.online.lync.com") && is_watched("login.microsoftonline.com"));
        assert!(!is_watched("www.ex.test") && !is_watched("") && !is_watched("sip") && !is_watched("é.lync.co"));
    }
}
