//! Authentication of a message, laid out line by line for people.
//!
//! In: what the story says of it. Out: labels and texts. Responses, hashes and keys are told by their length only.

use crate::export::rfc3339;
use crate::model::Direction;
use crate::model::kerberos::KerberosMessage;
use crate::story::authentication::ntlm::{Ntlm, Proof};
use crate::story::authentication::signature::Signature;
use crate::story::authentication::tls_dsk::Flight;
use crate::story::authentication::{Authentication, Terms, Token};
use crate::wire::ntlm::{Authenticate, AvPair, Body, ResponseKind};

type Line = (&'static str, String);

/// The lines.
pub fn lines(said: &Authentication) -> Vec<Line> {
    let mut lines = Vec::new();
    if said.offers.len() > 1 {
        for offer in &said.offers {
            lines.push(("offers", offer.scheme.to_string()));
            terms(&offer.terms, &mut lines);
        }
    } else {
        lines.push(("scheme", said.scheme.to_string()));
        terms(&said.terms, &mut lines);
    }
    match &said.token {
        None => {}
        Some(Token::Ntlm(token)) => ntlm(token, &mut lines),
        Some(Token::TlsDsk(token)) => flight(token, &mut lines),
        Some(Token::Kerberos(token)) => kerberos(token, &mut lines),
        Some(token) => lines.push(("token", token.line())),
    }
    if let Some(found) = &said.signature {
        signature(found, &mut lines);
    }
    lines
}

fn terms(terms: &Terms, lines: &mut Vec<Line>) {
    let version = terms.version.map(|version| version.to_string());
    let texts = [
        ("  realm", terms.realm.as_deref()),
        ("  target", terms.target()),
        ("  version", version.as_deref()),
        ("  opaque", terms.opaque()),
        ("  sts-uri", terms.sts_uri()),
    ];
    lines.extend(texts.into_iter().filter_map(|(label, text)| Some((label, text?.to_owned()))));
}

fn kerberos(message: &KerberosMessage, lines: &mut Vec<Line>) {
    lines.push(("Kerberos", message.kind.name().to_owned()));
    let etypes: Vec<_> = message.etypes.iter().map(|etype| etype.name().into_owned()).collect();
    let texts = [
        ("  realm", message.realm.clone()),
        ("  service", message.service.clone()),
        ("  client", message.client.clone()),
        ("  encryption", Some(etypes.join(", ")).filter(|etypes| !etypes.is_empty())),
        ("  key version", message.kvno.map(|kvno| kvno.to_string())),
        ("  error", message.error.map(|error| error.to_string())),
        ("  text", message.error_text.clone()),
        ("  client time", message.client_time.map(rfc3339)),
        ("  server time", message.server_time.map(rfc3339)),
    ];
    lines.extend(texts.into_iter().filter_map(|(label, text)| Some((label, text?))));
}

fn signature(found: &Signature, lines: &mut Vec<Line>) {
    let (by, number) = match found.signer {
        Direction::Out => ("client", "cnum"),
        Direction::In => ("server", "snum"),
    };
    let count = found.number.map(|count| format!(", {number} {count}")).unwrap_or_default();
    lines.push(("signed by", format!("{by}, {}{count}", found.algorithm)));
    let why = found.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    lines.push(("  verdict", format!("{}{why}", found.verdict)));
}

fn ntlm(token: &Ntlm, lines: &mut Vec<Line>) {
    let message = &token.message;
    lines.push(("token", format!("NTLM {}", message.line())));
    lines.push(("  flags", format!("{:#010x}: {}", message.flags.0, message.flags.names().join(", "))));
    if let Some(version) = message.version {
        lines.push(("  version", format!("Windows {version}")));
    }
    match &message.body {
        Body::Negotiate { domain, workstation } => {
            lines.push(("  domain", domain.clone()));
            lines.push(("  workstation", workstation.clone()));
        }
        Body::Challenge { target, challenge, info } => {
            lines.push(("  target", target.clone()));
            let digits: Vec<_> = challenge.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(("  challenge", digits.concat()));
            pairs(info, lines);
        }
        Body::Authenticate(answer) => authenticate(answer, lines),
        Body::Unknown(_) => {}
    }
    if let Some(proof) = &token.proof {
        let text = match proof {
            Proof::Fits(source) => format!("fits the password in {source}"),
            Proof::DoesNotFit => "does not fit the password given".to_owned(),
            Proof::NotCheckable(why) => format!("not checkable: {why}"),
        };
        lines.push(("  proof", text));
    }
    for defect in &message.defects {
        lines.push(("  defect", format!("{} (at byte {} of the token)", defect.what, defect.offset)));
    }
}

fn authenticate(answer: &Authenticate, lines: &mut Vec<Line>) {
    let kind = match answer.kind {
        ResponseKind::Anonymous => "none",
        ResponseKind::V1 => "NTLMv1",
        ResponseKind::V2 => "NTLMv2",
    };
    let bytes = format!("LM response {} bytes, NT response {} bytes", answer.lm_response, answer.nt_response);
    lines.extend([
        ("  domain", answer.domain.clone()),
        ("  user", answer.user.clone()),
        ("  workstation", answer.workstation.clone()),
        ("  response", format!("{kind}: {bytes}")),
        ("  session key", if answer.session_key { "there, encrypted" } else { "not there" }.to_owned()),
        ("  MIC", if answer.mic { "there" } else { "not there" }.to_owned()),
    ]);
    if let Some(time) = answer.time {
        lines.push(("  time", rfc3339(time)));
    }
    pairs(&answer.info, lines);
}

fn pairs(info: &[AvPair], lines: &mut Vec<Line>) {
    for pair in info {
        let text = match pair {
            AvPair::NbComputer(text)
            | AvPair::NbDomain(text)
            | AvPair::DnsComputer(text)
            | AvPair::DnsDomain(text)
            | AvPair::DnsTree(text)
            | AvPair::TargetName(text) => text.clone(),
            AvPair::Flags(flags) => format!("{flags:#x}"),
            AvPair::Time(time) => rfc3339(*time),
            AvPair::SingleHost(bytes) => format!("{bytes} bytes"),
            AvPair::ChannelBindings(there) => if *there { "there" } else { "none" }.to_owned(),
            AvPair::Other(id, bytes) => format!("number {id}, {bytes} bytes"),
        };
        lines.push(("  info", format!("{} {text}", pair.name())));
    }
}

fn flight(flight: &Flight, lines: &mut Vec<Line>) {
    lines.push(("token", format!("TLS {}", flight.messages.join(", "))));
    if let (Some(version), Some(suite)) = (flight.version, flight.suite) {
        lines.push(("  inside", format!("{version}, {suite}")));
    }
    if let Some(certificate) = &flight.certificate {
        lines.push(("  certificate", format!("{}, issued by {}", certificate.subject, certificate.issuer)));
        let (from, until) = (rfc3339(certificate.not_before), rfc3339(certificate.not_after));
        lines.push(("  valid", format!("from {from} until {until}")));
    }
    lines.extend(flight.authorities.iter().map(|name| ("  authority", name.clone())));
    if let Some(source) = &flight.opened {
        lines.push(("  opened", format!("with {source}: signatures can be checked")));
    }
    if let Some(why) = &flight.not_opened {
        lines.push(("  closed", why.to_string()));
    }
}
