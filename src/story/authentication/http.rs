//! Authentication of HTTP messages (RFC 9110 §11, RFC 4559): schemes offered, and the tokens in them opened.
//!
//! In: an HTTP message. Out: what it says of authentication. Keeps no state: nothing of HTTP is signed.

use base64::Engine as _;

use crate::model::http::{HttpMessage, HttpStart};
use crate::story::authentication::{Authentication, BASE64, Offer, Terms, Token, named, open};

/// Most header fields of a message that are looked at.
const MOST_HEADERS: usize = 16;

/// What a message says of authentication; `None` where it says nothing.
pub fn read(message: &HttpMessage) -> Option<Authentication> {
    let names: [&str; 2] = match message.start {
        HttpStart::Request { .. } => ["authorization", "proxy-authorization"],
        HttpStart::Response { .. } => ["www-authenticate", "proxy-authenticate"],
    };
    let of = |(name, _): &&(String, String)| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let values = message.headers.iter().filter(of).take(MOST_HEADERS).map(|(_, value)| value.as_str());
    let said: Vec<(&str, &str)> = values.map(split).collect();
    let (scheme, token) = said.iter().find(|(_, token)| !token.is_empty()).or(said.first())?;
    let token = Some(*token).filter(|token| !token.is_empty() && !token.contains('"')).map(decode);
    let is_offer = matches!(message.start, HttpStart::Response { .. });
    let offers =
        said.iter().filter(|_| is_offer).map(|(scheme, _)| Offer { scheme: named(scheme), terms: Terms::default() });
    Some(Authentication {
        scheme: named(scheme),
        terms: Terms::default(),
        token,
        offers: offers.collect(),
        signature: None,
    })
}

/// The scheme, and what follows it.
fn split(value: &str) -> (&str, &str) {
    let value = value.trim();
    value.split_once(char::is_whitespace).map_or((value, ""), |(scheme, rest)| (scheme, rest.trim()))
}

fn decode(token: &str) -> Token {
    match BASE64.decode(token.as_bytes()) {
        Ok(bytes) => open(&bytes).unwrap_or(Token::Other(bytes)),
        Err(_) => Token::Unreadable("a token that is no base64".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sip::Carrier;

    #[track_caller]
    fn check(start: HttpStart, headers: &[(&str, &str)], scheme: Option<&str>, offers: usize, line: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let carrier = Carrier::Tls;
        let message =
            HttpMessage { start, headers, body: Vec::new(), body_bytes: 0, complete: true, carrier, request: None };
        let said = read(&message);
        assert_eq!(said.as_ref().map(|said| &*said.scheme), scheme);
        assert_eq!(said.as_ref().map_or(0, |said| said.offers.len()), offers);
        assert_eq!(said.and_then(|said| said.token).map(|token| token.line()).unwrap_or_default(), line);
    }

    #[test]
    fn schemes_and_tokens() {
        let response = HttpStart::Response { status: 401, reason: "Unauthorized".into() };
        let request = HttpStart::Request { method: "POST".into(), target: "/".into() };
        check(
            response.clone(),
            &[("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM")],
            Some("Negotiate"),
            2,
            "",
        );
        check(response, &[("Server", "x")], None, 0, "");
        check(request.clone(), &[("Authorization", "Bearer abc=x.y")], Some("Bearer"), 0, "a token that is no base64");
        check(request.clone(), &[("Authorization", "Digest username=\"ann\"")], Some("Digest"), 0, "");
        // An NTLM NEGOTIATE ([MS-NLMP] §2.2.1.1) with no flags, no domain and no workstation.
        let negotiate = "TlRMTVNTUAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        check(request, &[("authorization", &format!("NTLM {negotiate}"))], Some("NTLM"), 0, "negotiate");
    }
}
