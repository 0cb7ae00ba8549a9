//! Which port numbers stand for which protocol: the fact sheet's list and the user's `--decode-as`.

/// What the user says a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeAs {
    /// SIP in the clear.
    Sip,
    /// SIP inside TLS.
    SipTls,
    /// TLS, content decides.
    Tls,
    /// DNS.
    Dns,
    /// HTTP in the clear.
    Http,
    /// HTTP inside TLS.
    Https,
    /// Kerberos.
    Kerberos,
    /// DHCP.
    Dhcp,
}

impl DecodeAs {
    /// Every kind with the name that `--decode-as` takes.
    pub const ALL: [(&'static str, Self); 8] = [
        ("sip", Self::Sip),
        ("sip-tls", Self::SipTls),
        ("tls", Self::Tls),
        ("dns", Self::Dns),
        ("http", Self::Http),
        ("https", Self::Https),
        ("kerberos", Self::Kerberos),
        ("dhcp", Self::Dhcp),
    ];
}

/// The ports that ask for a flow whatever is in it.
#[derive(Clone, Debug)]
pub struct Ports {
    known: Vec<(u16, DecodeAs)>,
    bits: Box<[u64; 1024]>,
}

/// Servers' ports that tell which side of a flow without a SYN is the client, besides the asked ones.
const SERVER_PORTS: [u16; 9] = [80, 443, 444, 1433, 3389, 4443, 8080, 8443, 9443];

impl Default for Ports {
    fn default() -> Self {
        let mut ports = Self { known: Vec::new(), bits: Box::new([0; 1024]) };
        for port in [Self::DNS, Self::MDNS, Self::LLMNR] {
            ports.decode_as(port, DecodeAs::Dns);
        }
        for port in [Self::DHCP_SERVER, Self::DHCP_CLIENT] {
            ports.decode_as(port, DecodeAs::Dhcp);
        }
        ports.decode_as(Self::KERBEROS, DecodeAs::Kerberos);
        ports.decode_as(Self::SIP, DecodeAs::Sip);
        ports.decode_as(Self::SIPS, DecodeAs::SipTls);
        ports
    }
}

impl Ports {
    /// DNS (RFC 1035).
    pub const DNS: u16 = 53;
    /// Multicast DNS (RFC 6762).
    pub const MDNS: u16 = 5353;
    /// Link-Local Multicast Name Resolution (RFC 4795).
    pub const LLMNR: u16 = 5355;
    /// DHCP, where servers listen (RFC 2131).
    pub const DHCP_SERVER: u16 = 67;
    /// DHCP, where clients listen (RFC 2131).
    pub const DHCP_CLIENT: u16 = 68;
    /// Kerberos (RFC 4120).
    pub const KERBEROS: u16 = 88;
    /// SIP (RFC 3261).
    pub const SIP: u16 = 5060;
    /// SIP over TLS (RFC 3261).
    pub const SIPS: u16 = 5061;

    /// Takes `port` as `kind` from now on, whatever it was before.
    pub fn decode_as(&mut self, port: u16, kind: DecodeAs) {
        self.known.retain(|&(known, _)| known != port);
        self.known.push((port, kind));
        if let Some(word) = self.bits.get_mut(usize::from(port) / 64) {
            *word |= 1 << (port % 64);
        }
    }

    /// Whether anything on this port is wanted.
    pub fn asks(&self, port: u16) -> bool {
        self.bits.get(usize::from(port) / 64).is_some_and(|word| word >> (port % 64) & 1 == 1)
    }

    /// What the port is known to carry.
    pub fn kind(&self, port: u16) -> Option<DecodeAs> {
        self.known.iter().find(|&&(known, _)| known == port).map(|&(_, kind)| kind)
    }

    /// Whether the port is one on which servers listen.
    pub fn is_server(&self, port: u16) -> bool {
        self.asks(port) || SERVER_PORTS.contains(&port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_port_counts() {
        let mut ports = Ports::default();
        assert_eq!(ports.kind(5061), Some(DecodeAs::SipTls));
        ports.decode_as(5061, DecodeAs::Sip);
        assert_eq!(ports.kind(5061), Some(DecodeAs::Sip));
        assert!(ports.asks(5061) && ports.asks(53) && !ports.asks(443) && !ports.asks(u16::MAX));
        assert!(ports.is_server(443));
    }
}
