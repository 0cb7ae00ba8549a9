//! Authentication: tokens opened and signatures verified, against what the server of the lab verified, and
//! against passwords and keys that do not fit.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;

use common::{Capture, Keys, Told, capture, captures, packets, tally, tell, tell_files};
use lynccap::model::sip::{HeaderName, SipMessage};
use lynccap::model::{Direction, Message};
use lynccap::story::Row;
use lynccap::story::authentication::ntlm::Proof;
use lynccap::story::authentication::signature::Verdict;
use lynccap::story::authentication::{Authentication, Token};
use lynccap::wire::endpoint::Endpoint;
use lynccap::wire::ntlm::Body;
use lynccap::wire::sip::parameter;
use serde_json::Value as Json;

/// What opens the lab: the password of its user, and the NT hash of it as OpenSSL computes it.
const PASSWORD: &str = "UCSANDBOX\\alice:Lab-Passw0rd!";
const HASH: &str = "alice@ucsandbox.example:hash:9bf15d3185edc976c5a9767d00e9436d";

fn told(capture: &Capture, accounts: &str) -> Told {
    tell_files(&[&capture.path], capture.keys().accounts("secrets.txt", accounts).options())
}

fn sip(row: &Row) -> Option<(&SipMessage, &Authentication)> {
    let Message::Sip(message) = &row.message else { return None };
    Some((message, row.authentication.as_deref()?))
}

/// How often each side's messages have which verdict.
fn verdicts(told: &Told) -> BTreeMap<(Direction, String), usize> {
    let signatures = told.rows.iter().filter_map(|row| sip(row)?.1.signature.as_ref());
    tally(signatures.map(|signature| (signature.signer, signature.verdict.to_string())))
}

/// How many messages of the client and of the server have a signature in their text.
fn signed(told: &Told) -> [usize; 2] {
    let has = |row: &Row, name: &str| match &row.message {
        Message::Sip(message) => memchr::memmem::find(&message.raw, name.as_bytes()).is_some(),
        _ => false,
    };
    [" response=\"", "rspauth=\""].map(|name| told.rows.iter().filter(|row| has(row, name)).count())
}

/// All signatures of a capture have one verdict, both ways.
#[track_caller]
fn check(file: &str, accounts: &str, expected: &str) {
    check_told(&told(&capture(file), accounts), expected);
}

#[track_caller]
fn check_told(told: &Told, expected: &str) {
    let [client, server] = signed(told);
    assert!(client >= 10 && server >= 10);
    let expected = [((Direction::Out, expected.to_owned()), client), ((Direction::In, expected.to_owned()), server)];
    assert_eq!(verdicts(told), BTreeMap::from(expected));
}

#[test]
fn ntlm_signatures_fit_the_password_and_its_hash() {
    check("b-login-tcp.pcapng", PASSWORD, "right");
    check("b-login-tcp.pcapng", HASH, "right");
    // As many as `grep -c` finds in the file.
    assert_eq!(signed(&told(&capture("b-login-tcp.pcapng"), PASSWORD)), [16, 17]);
    check("b-login-tcp.pcapng", "ucsandbox\\ALICE:no\n*:Lab-Passw0rd!", "right");
}

#[test]
fn ntlm_signatures_do_not_fit_another_password() {
    check("b-login-tcp.pcapng", "*:lab-Passw0rd!", "wrong");
    let told = told(&capture("b-login-tcp.pcapng"), "*:lab-Passw0rd!");
    for (_, said) in told.rows.iter().filter_map(sip) {
        let Some(signature) = &said.signature else { continue };
        assert_eq!(signature.why.as_deref(), Some("the proof does not fit the password given"));
    }
    assert_eq!(told.report.unused_keys, ["secrets.txt"]);
}

#[test]
fn ntlm_signatures_need_a_password() {
    check("b-login-tcp.pcapng", "", "not checkable: no password given");
    let other = "not checkable: no password given for UCSANDBOX\\alice";
    check("b-login-tcp.pcapng", "UCSANDBOX\\bob:Lab-Passw0rd!", other);
    let missing = "not checkable: the handshake of its security association is not in the capture";
    let told = told(&capture("g06b-midstream-tcp.pcapng"), PASSWORD);
    assert!(!verdicts(&told).is_empty() && verdicts(&told).keys().all(|(_, verdict)| verdict == missing));
}

#[test]
fn tls_dsk_signatures_fit_the_inner_keys() {
    check("h-login-tlsdsk.pcapng", "", "right");
    check("i1-py-tlsdsk-ecdhe.pcapng", "", "right");
    // The same sign-in; its inner keys stand beside the capture that it was made from.
    let keys =
        capture("login.pcapng").keys().log_file(&capture("i1-py-tlsdsk-ecdhe.pcapng").beside("inner.keys").unwrap());
    check_told(&tell_files(&[&capture("login.pcapng").path], keys.options()), "right");
    let outer = Keys::default().log_file(&capture("h-login-tlsdsk.pcapng").beside("keys").unwrap());
    let told = tell_files(&[&capture("h-login-tlsdsk.pcapng").path], outer.options());
    check_told(&told, "not checkable: no key for the TLS inside TLS-DSK");
}

#[test]
fn a_wrong_password_does_not_prove_the_right_one() {
    let told = told(&capture("f1-wrong-password.pcapng"), PASSWORD);
    let proofs: Vec<_> = told.rows.iter().filter_map(proof).collect();
    assert!(!proofs.is_empty() && proofs.iter().all(|proof| **proof == Proof::DoesNotFit), "{proofs:?}");
    assert_eq!(verdicts(&told), BTreeMap::from([((Direction::Out, "wrong".to_owned()), proofs.len())]));
}

fn proof(row: &Row) -> Option<&Proof> {
    match sip(row)?.1.token.as_ref()? {
        Token::Ntlm(ntlm) => ntlm.proof.as_ref(),
        _ => None,
    }
}

/// What the server's record says of a kind.
fn truth(capture: &Capture, kind: &str) -> Vec<Json> {
    let lines = std::fs::read_to_string(capture.beside("truth.jsonl").unwrap()).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

/// Captures that have lost nothing and double nothing, and whose server looked at what it got (one answers 403
/// to whatever comes), so that counts are those of the server.
fn whole() -> impl Iterator<Item = Capture> {
    let is_whole = |capture: &Capture| truth(capture, "derived").is_empty() && capture.name() != "f2-forbidden-403";
    captures().into_iter().filter(move |capture| is_whole(capture) && capture.file.ends_with(".pcapng"))
}

/// The lab's server checks each `REGISTER` that is signed.
#[test]
fn the_server_came_to_the_same_verdicts() {
    let (mut checked, mut signed) = (0, 0);
    for capture in whole() {
        let told = told(&capture, PASSWORD);
        let registers: Vec<_> = told
            .rows
            .iter()
            .filter_map(sip)
            .filter(|(message, _)| message.is_request() && message.method().as_deref() == Some("REGISTER"))
            .filter_map(|(message, said)| {
                let verdict = &said.signature.as_ref()?.verdict;
                Some((message.header(HeaderName::CSeq)?.into_owned(), *verdict == Verdict::Right))
            })
            .collect();
        let server = truth(&capture, "sigcheck");
        let expected: Vec<_> =
            server.iter().map(|line| (line["cseq"].as_str().unwrap().to_owned(), line["ok"] == true)).collect();
        if proofs_fit(&told) {
            assert_eq!(tally(registers.iter()), tally(expected.iter()), "{}", capture.file);
            checked += expected.len();
        }
        let wrong = verdicts(&told).into_iter().filter(|((_, verdict), _)| verdict != "right");
        if proofs_fit(&told) {
            assert_eq!(wrong.collect::<Vec<_>>(), [], "{}", capture.file);
            signed += verdicts(&told).values().sum::<usize>();
        }
    }
    assert!(checked >= 20 && signed >= 300, "{checked} of {signed}");
}

fn proofs_fit(told: &Told) -> bool {
    told.rows.iter().filter_map(proof).all(|proof| matches!(proof, Proof::Fits(_)))
}

#[test]
fn the_server_took_the_same_users() {
    let mut users = 0;
    for capture in whole() {
        let told = told(&capture, PASSWORD);
        let found = told.rows.iter().filter_map(|row| {
            let Token::Ntlm(ntlm) = sip(row)?.1.token.as_ref()? else { return None };
            let Body::Authenticate(said) = &ntlm.message.body else { return None };
            let fits = matches!(ntlm.proof, Some(Proof::Fits(_)));
            Some((said.domain.clone(), said.user.clone(), said.workstation.clone(), fits))
        });
        let server = truth(&capture, "auth");
        let expected = server.iter().filter(|line| line["scheme"] == "NTLM").map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (text("domain"), text("user"), text("workstation"), line["ok"] == true)
        });
        let (found, expected) = (tally(found), tally(expected));
        users += expected.len();
        assert_eq!(found, expected, "{}", capture.file);
    }
    assert!(users >= 5, "{users}");
}

/// A token as the server's record names it.
fn token_name(token: &Token) -> Option<String> {
    match token {
        Token::Empty => Some("empty".to_owned()),
        Token::Ntlm(ntlm) => match ntlm.message.body {
            Body::Challenge { .. } => Some("2".to_owned()),
            Body::Authenticate(_) => Some("3".to_owned()),
            _ => None,
        },
        Token::TlsDsk(flight) => Some(flight.messages.join("+")),
        Token::Kerberos(_) | Token::Other(_) | Token::Unreadable(_) => None,
    }
}

#[test]
fn tokens_hold_what_the_server_saw_in_them() {
    let mut count = 0;
    for capture in whole() {
        let told = told(&capture, PASSWORD);
        let found: Vec<_> = told
            .rows
            .iter()
            .filter_map(sip)
            .filter_map(|(message, said)| {
                let name = token_name(said.token.as_ref()?)?;
                Some((said.scheme.to_string(), message.header(HeaderName::CSeq)?.into_owned(), name))
            })
            .collect();
        let server = truth(&capture, "gssapi");
        let expected: Vec<_> = server
            .iter()
            .filter(|line| line["scheme"] != "HTTP-NTLM")
            .map(|line| {
                let name = match (&line["tls"], &line["ntlm_type"]) {
                    (Json::Array(records), _) => {
                        let names: Vec<_> = records.iter().map(|name| name.as_str().unwrap()).collect();
                        names.join("+").replace("encrypted_handshake", "finished")
                    }
                    (_, Json::Number(number)) => number.to_string(),
                    _ => "empty".to_owned(),
                };
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                (text("scheme"), text("cseq"), name)
            })
            .collect();
        count += expected.len();
        assert_eq!(found, expected, "{}", capture.file);
    }
    assert!(count >= 40, "{count}");
}

/// One letter of a To URI in a signed message, and nothing else, makes its signature wrong.
#[track_caller]
fn check_flip(with: &str) {
    let capture = capture("b-login-tcp.pcapng");
    let (mut all, _) = packets(&capture.bytes());
    let options = || Keys::default().accounts("secrets.txt", PASSWORD).options();
    let find = |data: &[u8], needle: &str| memchr::memmem::find(data, needle.as_bytes());
    let uri = "To: <sip:alice@ucsandbox.example>";
    let hit = all.iter().position(|packet| find(&packet.data, uri).is_some() && find(&packet.data, with).is_some());
    let packet = &mut all[hit.unwrap()].data;
    let at = find(packet, uri).unwrap() + "To: <sip:".len();
    packet[at] ^= 0x20;
    let told = tell(&all, options());
    let wrong: Vec<_> = told.rows.iter().filter_map(sip).filter(|(_, said)| said.is_wrong()).collect();
    let [(message, said)] = wrong[..] else { panic!("{} wrong with {with}", wrong.len()) };
    assert!(message.header(HeaderName::To).unwrap().contains("sip:Alice@"), "{said:?}");
    let row = told.rows.iter().find(|row| sip(row).is_some_and(|(_, said)| said.is_wrong())).unwrap();
    assert!(lynccap::story::summary::summary(row).ends_with(" [signature wrong]"));
}

#[test]
fn a_flipped_byte_makes_a_signature_wrong() {
    check_flip("CSeq: 3 REGISTER\r\nUser-Agent");
    check_flip("SIP/2.0 200 OK\r\nAuthentication-Info");
}

/// `epid`, instance and GRUU belong together in every `REGISTER` of the real client and its answer; the small
/// client of the `i*` captures made its instance up.
#[test]
fn the_endpoint_is_one() {
    let mut fits = [0, 0];
    for capture in whole() {
        for row in &told(&capture, PASSWORD).rows {
            let Message::Sip(message) = &row.message else { continue };
            if message.method().as_deref() != Some("REGISTER") {
                continue;
            }
            let from = message.header(HeaderName::From).unwrap();
            let epid = parameter(&from, "epid").unwrap();
            let contacts: Vec<_> = message.headers().filter(|header| header.id == HeaderName::Contact).collect();
            let endpoint = Endpoint::find(epid, contacts.iter().map(|header| &*header.value));
            let made_up = capture.file.starts_with('i') || capture.file == "login.pcapng";
            let Some(fit) = endpoint.fits() else { continue };
            assert_eq!(fit, !made_up, "{}: {endpoint:?}", capture.file);
            fits[usize::from(fit)] += 1;
        }
    }
    assert!(fits[0] > 5 && fits[1] > 50, "{fits:?}");
}
