//! A DHCP message (RFC 2131): what of it a phone that signs in to Lync goes by.

use std::borrow::Cow;
use std::net::Ipv4Addr;

/// DHCP options that tell of Lync: vendor-specific information, and SIP servers (RFC 3361).
pub const VENDOR_SPECIFIC: u8 = 43;
/// SIP servers (RFC 3361).
pub const SIP_SERVERS: u8 = 120;

/// Vendor classes of Lync's phones: for the certificate service, and for the VLAN.
const VENDOR_CLASSES: [&str; 2] = ["MS-UC-Client", "CPE-OCPHONE"];

const NAMES: [&str; 8] =
    ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPDECLINE", "DHCPACK", "DHCPNAK", "DHCPRELEASE", "DHCPINFORM"];

/// Sub-options of option 43 for the vendor class `MS-UC-Client`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateService {
    /// Sub-option 2: scheme of the URL, `https`.
    pub scheme: Option<String>,
    /// Sub-option 3: name of the web services.
    pub host: Option<String>,
    /// Sub-option 4: port, in digits.
    pub port: Option<String>,
    /// Sub-option 5: path of the certificate service.
    pub path: Option<String>,
}

/// A DHCP message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpMessage {
    /// Whether a client sent it (`op` 1).
    pub is_request: bool,
    /// Option 53; 0 where there is none, as in BOOTP.
    pub message_type: u8,
    /// Transaction id.
    pub xid: u32,
    /// Hardware address of the client, in hexadecimal with colons.
    pub client_mac: String,
    /// The address that the client has or is given (`yiaddr`, else `ciaddr`).
    pub your_address: Option<Ipv4Addr>,
    /// Option 54.
    pub server_id: Option<Ipv4Addr>,
    /// Option 51, in seconds.
    pub lease: Option<u32>,
    /// Option 12.
    pub host_name: Option<String>,
    /// Option 60.
    pub vendor_class: Option<String>,
    /// Option 55.
    pub requested: Vec<u8>,
    /// Option 120: names, or addresses.
    pub sip_servers: Vec<String>,
    /// Bytes of option 43, whatever they mean.
    pub vendor_specific_bytes: usize,
    /// Option 43, where it is that of `MS-UC-Client`.
    pub certificate_service: Option<CertificateService>,
}

impl DhcpMessage {
    /// Its type as the RFC spells it.
    pub fn name(&self) -> Cow<'static, str> {
        match usize::from(self.message_type).checked_sub(1).map(|index| NAMES.get(index)) {
            Some(Some(name)) => (*name).into(),
            Some(None) => format!("DHCP type {}", self.message_type).into(),
            None => "BOOTP".into(),
        }
    }

    /// Options that it asks for and that tell of Lync.
    pub fn asked_for_lync(&self) -> impl Iterator<Item = u8> {
        [VENDOR_SPECIFIC, SIP_SERVERS].into_iter().filter(|code| self.requested.contains(code))
    }

    /// Whether it bears on a sign-in.
    pub fn is_about_lync(&self) -> bool {
        self.vendor_class.as_deref().is_some_and(|class| VENDOR_CLASSES.contains(&class))
            || self.asked_for_lync().next().is_some()
            || self.vendor_specific_bytes > 0
            || !self.sip_servers.is_empty()
    }

    /// The URL of the certificate service, where all parts of it are there.
    pub fn certificate_url(&self) -> Option<String> {
        let CertificateService { scheme, host, port, path } = self.certificate_service.as_ref()?;
        Some([scheme.as_ref()?, "://", host.as_ref()?, ":", port.as_ref()?, path.as_ref()?].concat())
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let servers: usize = self.sip_servers.iter().map(|server| server.len() + size_of::<String>()).sum();
        let texts = [self.host_name.as_deref(), self.vendor_class.as_deref(), Some(&self.client_mac)];
        let texts: usize = texts.iter().flatten().map(|text| text.len()).sum();
        size_of::<Self>() + servers + texts + self.requested.len() + self.vendor_specific_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (message_type, name) in
            [(1, "DHCPDISCOVER"), (5, "DHCPACK"), (8, "DHCPINFORM"), (0, "BOOTP"), (99, "DHCP type 99")]
        {
            assert_eq!(DhcpMessage { message_type, ..DhcpMessage::default() }.name(), name);
        }
    }
}
