//! Every body of every capture is understood: each XML, SOAP and JSON body that SIP or HTTP carries gives a view,
//! and what it says of a few is what the server and the client of the captures are known to say.

mod common;

use std::collections::BTreeSet;

use common::{Capture, capture, captures, tell_files};
use lynccap::model::Message;
use lynccap::model::sip::HeaderName;
use lynccap::wire::bodies::{Reading, facts, read, sentence};
use lynccap::wire::xml::{Document, decode, lay_out};

/// Content type and bytes of each body that came whole.
fn bodies(capture: &Capture) -> Vec<(String, Vec<u8>)> {
    let told = tell_files(&[&capture.path], capture.keys().options());
    let body = |message: &Message| match message {
        Message::Sip(sip) if sip.complete => {
            Some((sip.header(HeaderName::ContentType)?.into_owned(), sip.body().to_vec()))
        }
        Message::Http(http) if http.complete => {
            Some((http.header("content-type").unwrap_or_default().to_owned(), http.body.clone()))
        }
        _ => None,
    };
    let bodies = told.rows.iter().filter_map(|row| body(&row.message));
    bodies.filter(|(_, body)| !body.trim_ascii().is_empty()).collect()
}

fn is_ours(content_type: &str) -> bool {
    ["xml", "soap", "json", "multipart"].iter().any(|word| content_type.to_ascii_lowercase().contains(word))
}

#[test]
fn every_body_of_every_capture_is_understood() {
    let (mut missing, mut kinds, mut seen) = (BTreeSet::new(), BTreeSet::new(), 0);
    for capture in captures() {
        for (content_type, body) in bodies(&capture).iter().filter(|(content_type, _)| is_ours(content_type)) {
            seen += 1;
            let begin = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            match read(content_type, body) {
                Some(Reading { body, defects }) => {
                    assert!(defects.is_empty(), "{}: {defects:?} in {begin}", capture.file);
                    assert!(!sentence(&body).is_empty() && !facts(&body).is_empty(), "{}: {begin}", capture.file);
                    if std::env::var_os("SHOW").is_some() {
                        println!("{}\n   {:?}", sentence(&body), facts(&body));
                    }
                    kinds.insert(body.kind());
                }
                None => drop(missing.insert(format!("{}: {content_type}: {begin}", capture.file))),
            }
        }
    }
    assert!(missing.is_empty(), "not understood:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
    assert!(seen > 600, "only {seen} bodies");
    let expected = [
        "certificate",
        "certificate-request",
        "conference-request",
        "conference-response",
        "contact-changes",
        "contact-list",
        "media-relay",
        "media-relay-request",
        "metadata",
        "presence",
        "presence-request",
        "provisioning",
        "provisioning-request",
        "publish",
        "self-data",
        "self-request",
        "set-subscribers",
        "ticket",
        "ticket-request",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_sign_in_in_sentences() {
    let told: Vec<String> = bodies(&capture("i1-py-tlsdsk-ecdhe.pcapng"))
        .iter()
        .filter_map(|(content_type, body)| read(content_type, body))
        .map(|reading| sentence(&reading.body))
        .collect();
    // The conference is the one of the description of a first sign-in that the client plays.
    for expected in [
        "The client asks what conferencing offers.",
        "The client asks for the user's own (static) conferences.",
        "The server lists no conferences: none is there yet.",
        "The client asks for the user's own (static) conference to be made.",
        "The conference 2N70B8SH was created; its state is partial, which is normal, and its dial-in id is 29905.",
        "The client asks for the conference and passes a certificate for which its secrets are to be encrypted.",
        "The client publishes its machine state \"available\".",
        "The client publishes its device LYNCCLIENT01 (text, video).",
    ] {
        assert!(told.iter().any(|sentence| sentence == expected), "{expected}: {told:#?}");
    }
}

/// What stands between the tags of elements whose text is a secret.
fn secrets(body: &str) -> Vec<&str> {
    let between = |name: &'static str| {
        let starts = body.match_indices(name).map(|(at, _)| &body[at + name.len()..]);
        starts.filter_map(|rest| rest.strip_prefix('>')?.split('<').next())
    };
    let names = ["username", "password", "BinarySecret", "SignatureValue", "conference-encrypted-info"];
    names.into_iter().flat_map(between).filter(|secret| !secret.trim().is_empty()).collect()
}

#[test]
fn no_secret_of_a_body_is_told() {
    let mut seen = 0;
    for capture in captures() {
        for (content_type, body) in bodies(&capture) {
            let Some(reading) = read(&content_type, &body) else { continue };
            let text = String::from_utf8_lossy(&body);
            let secrets = secrets(&text);
            if secrets.is_empty() {
                continue;
            }
            let decoded = decode(&body);
            let document = Document::parse(&decoded);
            let lines = lay_out(document.root().unwrap());
            let told = format!("{reading:?} {lines:?} {:?} {}", facts(&reading.body), sentence(&reading.body));
            for secret in secrets {
                seen += 1;
                assert!(!told.contains(secret), "{}: {secret} in {told}", capture.file);
            }
        }
    }
    assert!(seen > 50, "only {seen} secrets");
}
