//! The TLS session inside TLS-DSK: with its key log line, or the server's RSA key, it yields the master
//! secret and the signing keys that the server had.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lynccap::capture::{Inputs, Next, Source};
use lynccap::crypto::{KeyStore, RsaKey, Secret};
use lynccap::engine::{Engine, Options};
use lynccap::wire::keylog;
use serde_json::Value as Json;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)
}

fn hex(secret: &Secret) -> String {
    secret.expose().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Keys of the named files: key logs, and RSA keys by their ending.
fn keys(files: &[&str]) -> KeyStore {
    let mut store = KeyStore::default();
    for name in files {
        let bytes = std::fs::read(path(name)).unwrap();
        if Path::new(name).extension().is_some_and(|ending| ending == "pem") {
            store.add_rsa(RsaKey::parse(&bytes, None, (*name).into()).unwrap());
            continue;
        }
        let file: Arc<str> = (*name).into();
        for line in keylog::parse(&bytes).0 {
            store.add_secret(line.label, &line.id, line.secret, &file, line.number);
        }
        store.add_key_log(file);
    }
    store
}

/// Master secret, client key and server key of each inner session that was opened, in order.
fn inner_keys(capture: &str, files: &[&str]) -> (Vec<[String; 3]>, Vec<Vec<Cow<'static, str>>>) {
    let mut inputs = Inputs::open(vec![Source::File(path(capture))]).unwrap();
    let mut engine = Engine::new(Options { keys: Arc::new(keys(files)), ..Options::default() });
    while let Some(Next::Packet(packet)) = inputs.advance() {
        engine.push(&packet);
    }
    engine.finish();
    let (mut found, mut flights) = (Vec::new(), Vec::new());
    while let Some(row) = engine.next_row() {
        let (Some(said), Some(flow)) = (&row.authentication, row.flow) else { continue };
        let Some(flight) = said.flight() else { continue };
        flights.push(flight.messages.clone());
        if flight.opened.is_some() {
            let opaque = said.terms.opaque().unwrap();
            found.push(engine.authentication(|associations| {
                let inner = associations.inner(&flow.key, opaque).unwrap();
                let keys = inner.keys.as_ref().unwrap();
                [hex(inner.master.as_ref().unwrap()), hex(&keys.client), hex(&keys.server)]
            }));
        }
    }
    (found, flights)
}

#[track_caller]
fn check(name: &str, files: &[&str]) {
    let truth = std::fs::read_to_string(path(&format!("{name}.truth.jsonl"))).unwrap();
    let truth: Vec<Json> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<[String; 3]> = truth
        .iter()
        .filter(|line| line["kind"] == "dsk")
        .map(|line| ["master_secret", "client_key", "server_key"].map(|key| line[key].as_str().unwrap().to_owned()))
        .collect();
    assert!(!expected.is_empty(), "{name} has no inner session");
    let (found, flights) = inner_keys(&format!("{name}.pcapng"), files);
    assert_eq!(found, expected, "{name}");
    // The server's own record of what each token held: records apart by blanks, messages joined by `+`.
    let sent = truth.iter().filter(|line| line["kind"] == "gssapi" && line["scheme"] == "TLS-DSK" && line["len"] != 0);
    assert_eq!(flights.len(), sent.count(), "{name}: a flight for each token");
}

#[test]
fn a_key_log_line_opens_the_inner_session() {
    check("h-login-tlsdsk", &["h-login-tlsdsk.keys", "h-login-tlsdsk.inner.keys"]);
    check("i1-py-tlsdsk-ecdhe", &["i1-py-tlsdsk-ecdhe.keys", "i1-py-tlsdsk-ecdhe.inner.keys"]);
}

#[test]
fn the_servers_rsa_key_opens_an_inner_session_with_rsa_key_exchange() {
    check("h-login-tlsdsk", &["h-login-tlsdsk.keys", "d-login-tls-rsa.pem"]);
}

#[test]
fn without_a_key_for_it_the_inner_session_stays_closed() {
    let (found, flights) = inner_keys("i1-py-tlsdsk-ecdhe.pcapng", &["i1-py-tlsdsk-ecdhe.keys"]);
    assert_eq!(found, <[[String; 3]; 0]>::default());
    let ladder: [&[&str]; 4] = [
        &["client_hello"],
        &["server_hello", "certificate", "server_key_exchange", "certificate_request", "server_hello_done"],
        &["certificate", "client_key_exchange", "certificate_verify", "change_cipher_spec", "finished"],
        &["change_cipher_spec", "finished"],
    ];
    assert_eq!(flights[..4], ladder);
}
