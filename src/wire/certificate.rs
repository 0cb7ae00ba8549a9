//! X.509 certificates (RFC 5280), leniently: what cannot be read is left empty.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::asn1_rs::oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use crate::model::Timestamp;
use crate::model::tls::Certificate;

/// id-ad-ocsp (RFC 5280 §4.2.2.1).
const OID_PKIX_OCSP: x509_parser::oid_registry::Oid<'static> = oid!(1.3.6.1.5.5.7.48.1);

/// Reads a certificate; `None` where it is none.
pub fn parse(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let (subject, issuer) = (certificate.subject().to_string(), certificate.issuer().to_string());
    let (key_kind, key_bits, modulus) = key(&certificate);
    let validity = certificate.validity();
    Some(Certificate {
        self_signed: subject == issuer,
        names: names(&certificate),
        revocation: revocation(&certificate),
        not_before: time(validity.not_before),
        not_after: time(validity.not_after),
        key_kind,
        key_bits,
        modulus,
        serial: certificate.raw_serial().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        subject,
        issuer,
    })
}

/// A distinguished name as text; `None` where it is none.
pub fn name(der: &[u8]) -> Option<String> {
    Some(X509Name::from_der(der).ok()?.1.to_string())
}

fn key(certificate: &X509Certificate<'_>) -> (Cow<'static, str>, u32, Vec<u8>) {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => {
            let modulus = strip_zeros(key.modulus).to_vec();
            let bits = u32::try_from(modulus.len() * 8).unwrap_or(0);
            let spare = modulus.first().map_or(0, |byte| byte.leading_zeros());
            ("RSA".into(), bits.saturating_sub(spare), modulus)
        }
        Ok(PublicKey::EC(point)) => ("EC".into(), u32::try_from(point.key_size()).unwrap_or(0), Vec::new()),
        Ok(PublicKey::DSA(_)) => ("DSA".into(), 0, Vec::new()),
        _ => (certificate.public_key().algorithm.algorithm.to_id_string().into(), 0, Vec::new()),
    }
}

/// An integer without the leading zeros of its encoding, as moduli are compared.
pub fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

/// Most places of one certificate that are kept.
const MOST_PLACES: usize = 8;

/// URLs of CRL distribution points and OCSP responders.
fn revocation(certificate: &X509Certificate<'_>) -> Vec<String> {
    let url = |name: &GeneralName<'_>| if let GeneralName::URI(url) = name { Some((*url).to_owned()) } else { None };
    let mut urls = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => {
                let names = points.points.iter().filter_map(|point| match &point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                urls.extend(names.flatten().filter_map(url));
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let ocsp = access.accessdescs.iter().filter(|entry| entry.access_method == OID_PKIX_OCSP);
                urls.extend(ocsp.filter_map(|entry| url(&entry.access_location)));
            }
            _ => {}
        }
    }
    urls.truncate(MOST_PLACES);
    urls
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*bytes.first_chunk::<16>()?)),
        _ => None,
    }
}

fn time(time: ASN1Time) -> Timestamp {
    Timestamp::new(time.timestamp(), 0)
}
