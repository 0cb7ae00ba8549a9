//! # tls-intercepted

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::connection::Connection;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-intercepted",
    title: "Something on the way opens TLS",
    seen: "The certificate is issued by a proxy or inspection product, or the same host shows certificates of different issuers.",
    why: "The client does not trust it, or what is between cannot pass SIP through: sign-in fails, or breaks off now and then.",
    fix: "Take the names of the pool, the Edge and the web services out of TLS inspection on the proxy or firewall.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let all = login.connections.iter().chain(login.web.iter().map(|web| &web.connection));
    let (connection, product) = all.into_iter().find_map(|connection| Some((connection, product(connection)?)))?;
    let own = connection.tls().certificate()?;
    let what =
        format!("the certificate of {} is issued by {}, which looks like {product}", connection.server(), own.issuer);
    let evidence = connection.tls().shown.into_iter().chain(connection.ended.map(|(mark, _)| mark)).collect();
    Some(if login.is_failed() {
        Finding::error(login, rule, what, evidence)
    } else {
        Finding::warning(login, rule, what, evidence)
    })
}

/// Words in an issuer's name by which products that open TLS give themselves away.
const PRODUCTS: [(&str, &str); 26] = [
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("blue coat", "Blue Coat ProxySG"),
    ("bluecoat", "Blue Coat ProxySG"),
    ("proxysg", "Blue Coat ProxySG"),
    ("fortigate", "FortiGate"),
    ("fortinet", "FortiGate"),
    ("palo alto", "a Palo Alto firewall"),
    ("sophos", "Sophos"),
    ("mcafee", "McAfee Web Gateway"),
    ("skyhigh", "Skyhigh Web Gateway"),
    ("umbrella", "Cisco Umbrella"),
    ("ironport", "Cisco Web Security"),
    ("websense", "Forcepoint"),
    ("forcepoint", "Forcepoint"),
    ("check point", "a Check Point firewall"),
    ("checkpoint", "a Check Point firewall"),
    ("barracuda", "Barracuda"),
    ("kaspersky", "Kaspersky"),
    ("avast", "Avast"),
    ("eset ssl", "ESET"),
    ("bitdefender", "Bitdefender"),
    ("squid", "Squid"),
    ("mitmproxy", "mitmproxy"),
    ("fiddler", "Fiddler"),
    ("inspection", "a TLS inspection"),
];

/// The product that issued the certificate of a connection, by its own name for itself.
pub(super) fn product(connection: &Connection) -> Option<&'static str> {
    let own = connection.tls().certificate()?;
    let issuer = own.issuer.to_ascii_lowercase();
    let known = PRODUCTS.iter().find(|(word, _)| issuer.contains(word)).map(|(_, product)| *product);
    let proxy = ["proxy ca", "web proxy", "ssl proxy", "proxy root"].iter().any(|word| issuer.contains(word));
    known.or_else(|| proxy.then_some("a proxy"))
}
