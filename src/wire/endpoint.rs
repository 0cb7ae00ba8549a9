//! The identity of a client's endpoint ([MS-SIPRE] §2.2, §3.3): its `epid`, the instance in its `Contact` that
//! follows from it, and the GRUU that the server makes of the instance.
//!
//! In: header values. Out: the instance in the form of a UUID. No state.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest as _, Sha1};

use crate::wire::sip::split_outside;

/// The name space in which an instance is a hash, in the byte order of a GUID: fcacfb03-8a73-46ef-91b1-e5ebeeaba4fe.
const NAME_SPACE: [u8; 16] =
    [0x03, 0xfb, 0xac, 0xfc, 0x73, 0x8a, 0xef, 0x46, 0x91, 0xb1, 0xe5, 0xeb, 0xee, 0xab, 0xa4, 0xfe];

/// The instance of an endpoint, in lower case: `4233fd41-093b-5fd6-b5d2-651ed55969e6`.
pub fn instance_of(epid: &str) -> String {
    let hash = Sha1::new().chain_update(NAME_SPACE).chain_update(epid.as_bytes()).finalize();
    let mut guid: [u8; 16] = hash.first_chunk().copied().unwrap_or_default();
    // Version 5 and the variant of RFC 4122, in the byte order of a GUID.
    let [.., version, variant, _, _, _, _, _, _, _] = &mut guid;
    *version = *version & 0x0f | 0x50;
    *variant = *variant & 0x3f | 0x80;
    guid_text(guid)
}

/// A GUID as text; its first three fields are little-endian.
fn guid_text(guid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in network_order(guid).into_iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

/// The instance in the value of `+sip.instance`: `<urn:uuid:…>`, lower case; `None` where it is of another kind.
pub fn instance_in(value: &str) -> Option<String> {
    let inside = value.trim().trim_matches('"').trim_start_matches('<').trim_end_matches('>');
    let (scheme, uuid) = inside.split_at_checked("urn:uuid:".len())?;
    scheme.eq_ignore_ascii_case("urn:uuid:").then(|| uuid.to_ascii_lowercase())
}

/// The instance in a GRUU: `sip:ann@ex.test;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA;gruu`. `None` where it has none.
pub fn instance_in_gruu(gruu: &str) -> Option<String> {
    guid_in_gruu(gruu).map(guid_text)
}

fn guid_in_gruu(gruu: &str) -> Option<[u8; 16]> {
    let (_, after) = gruu.split_once("opaque=user:epid:")?;
    let bytes = URL_SAFE_NO_PAD.decode(after.split([';', '"', '>']).next()?).ok()?;
    match bytes.split_first_chunk() {
        Some((guid, [0, 0])) => Some(*guid),
        _ => None,
    }
}

/// The bytes of a GUID with its first three fields the other way round.
fn network_order(mut guid: [u8; 16]) -> [u8; 16] {
    for field in [0..4, 4..6, 6..8] {
        guid.get_mut(field).into_iter().for_each(<[u8]>::reverse);
    }
    guid
}

/// An endpoint as a `REGISTER` or its answer shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The `epid` of From or To.
    pub epid: String,
    /// The instance in its Contact.
    pub instance: Option<String>,
    /// The instance in the GRUU of its Contact.
    pub gruu: Option<String>,
}

impl Endpoint {
    /// The endpoint of that `epid` among Contact values; a server lists the user's other endpoints, too.
    pub fn find<'a>(epid: &str, contacts: impl IntoIterator<Item = &'a str>) -> Self {
        let own = instance_of(epid);
        let mut first: Option<Self> = None;
        for value in contacts.into_iter().flat_map(|list| split_outside(list, ',')) {
            let instance = contact_parameter(value, "+sip.instance").and_then(instance_in);
            let gruu = contact_parameter(value, "gruu").and_then(guid_in_gruu);
            // Servers that are not Microsoft's write it in network order.
            let gruu = gruu.map(|guid| match guid_text(network_order(guid)) {
                text if text == own => text,
                _ => guid_text(guid),
            });
            let found = Self { epid: epid.to_owned(), instance, gruu };
            if found.instance.as_ref() == Some(&own) {
                return found;
            }
            first = first.or(Some(found));
        }
        first.unwrap_or(Self { epid: epid.to_owned(), ..Self::default() })
    }

    /// Whether instance and GRUU follow from the `epid`, as far as they are there; `None` where neither is.
    pub fn fits(&self) -> Option<bool> {
        if self.instance.is_none() && self.gruu.is_none() {
            return None;
        }
        let own = instance_of(&self.epid);
        Some([&self.instance, &self.gruu].into_iter().flatten().all(|instance| *instance == own))
    }
}

/// A parameter of a Contact, without quotes, in which there may be semicolons.
fn contact_parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = split_outside(value, ';');
    parameters.find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// For the fuzzer: any text, as an `epid` and as a Contact.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let endpoint = Endpoint::find(&text, [&*text]);
    assert_eq!(instance_of(&text).len(), 36);
    assert_eq!(endpoint.fits().is_none(), endpoint.instance.is_none() && endpoint.gruu.is_none());
    assert!(endpoint.gruu.is_none_or(|gruu| gruu.len() == 36));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(epid: &str, instance: &str) {
        assert_eq!(instance_of(epid), instance.to_lowercase());
    }

    #[test]
    fn published_instances() {
        check("8248ca9ebb", "4233FD41-093B-5FD6-B5D2-651ED55969E6");
        check("2ebb6f264f", "124841E4-264D-52E8-96C5-D22AA8CDC316");
        check("c8ca638a15", "34D859DB-6585-5F91-A3B4-DE853C15347D"); // a published trace of Communicator 2007 R2
    }

    const CONTACT: &str = "<sip:192.168.172.6:12723;transport=tls;ms-opaque=fad3dfab32>;expires=7200;\
        +sip.instance=\"<urn:uuid:34D859DB-6585-5F91-A3B4-DE853C15347D>\";\
        gruu=\"sip:user@cosmo.local;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA;gruu\"";

    #[track_caller]
    fn check_fit(epid: &str, contacts: &[&str], fits: Option<bool>) {
        assert_eq!(Endpoint::find(epid, contacts.iter().copied()).fits(), fits, "{epid} {contacts:?}");
    }

    #[test]
    fn instance_and_gruu_fit_the_epid() {
        let other = "<sip:10.0.0.9>;+sip.instance=\"<urn:uuid:11111111-2222-5333-8444-555555555555>\";\
            gruu=\"sip:user@cosmo.local;opaque=user:epid:otherEndpointAA;gruu\"";
        let own = Endpoint::find("c8ca638a15", [CONTACT]);
        assert_eq!(own.gruu.as_deref(), Some("34d859db-6585-5f91-a3b4-de853c15347d"));
        check_fit("c8ca638a15", &[CONTACT], Some(true));
        check_fit("c8ca638a15", &[other, CONTACT], Some(true));
        check_fit("c8ca638a15", &[&format!("\"a, b\" {other}, {CONTACT}")], Some(true));
        let in_network_order = CONTACT.replace("21nYNIVlkV-j", "NNhZ22WFX5Gj");
        check_fit("c8ca638a15", &[&in_network_order], Some(true));
        check_fit("c8ca638a15", &[other], Some(false));
        check_fit("c8ca638a16", &[CONTACT], Some(false));
        check_fit("c8ca638a15", &[&CONTACT.replace("21nYNI", "31nYNI")], Some(false));
        check_fit("c8ca638a15", &["<sip:10.0.0.9>;expires=3"], None);
        check_fit("c8ca638a15", &[], None);
    }

    #[test]
    fn any_bytes_end() {
        for length in 0..CONTACT.len() {
            fuzz(&CONTACT.as_bytes()[..length]);
            let mut bent = CONTACT.as_bytes().to_vec();
            for value in [0, b'"', b'<', b';', 0xff] {
                bent[length] = value;
                fuzz(&bent);
            }
        }
    }
}
