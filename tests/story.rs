//! The story of a sign-in: what an expert reads out of each message, lynccap says by itself; steps, phases and
//! signatures agree with what the servers of the captures recorded.

mod common;

use std::net::Ipv4Addr;

use common::{Capture, Told, capture, captures, folder, packet, run_in, tell_files, tell_raw};
use lynccap::engine::Options;
use lynccap::model::{Message, Span};
use lynccap::story::login::{Login, LoginOutcome};
use lynccap::story::narrate::narrate;
use lynccap::story::steps::{STEPS, StepKind, StepOutcome};
use serde_json::Value as Json;

fn tell(file: &str) -> Told {
    let capture = capture(file);
    tell_files(&[&capture.path], capture.keys().options())
}

/// The main example: row, and what its sentence must hold. Every fact that the walk through a first sign-in
/// reads out of a message is here.
const LOGIN: &[(usize, &[&str])] = &[
    (1, &["_sipinternaltls._tcp.ucsandbox.example", "clients inside"]),
    (2, &["no such record", "next name"]),
    (3, &["_sip._tls.ucsandbox.example", "clients outside", "Access Edge"]),
    (5, &["sipinternal.ucsandbox.example", "fallback", "inside", "5061"]),
    (7, &["sip.ucsandbox.example", "fallback"]),
    (9, &["sipexternal.ucsandbox.example", "Edge", "443"]),
    (12, &["0 0 5061 pool01.ucsandbox.example"]),
    (20, &["register", "alice@ucsandbox.example", "epid", "CSeq 1", "without any proof"]),
    (21, &["NTLM", "Kerberos", "TLS-DSK", "target", "version 4", "CertProv"]),
    (22, &["CSeq 2", "TLS-DSK", "client_hello"]),
    (
        23,
        &[
            "server_hello",
            "certificate",
            "server_key_exchange",
            "certificate_request",
            "server_hello_done",
            "not a refusal",
        ],
    ),
    (24, &["CSeq 3", "certificate", "client_key_exchange", "certificate_verify", "change_cipher_spec", "finished"]),
    (25, &["suite", "computed the keys", "Still a 401"]),
    (26, &["CSeq 4", "signature", "crand b421b7fd", "cnum 1"]),
    (
        27,
        &[
            "signed in",
            "opaque=user:epid:Twt-",
            "7200",
            "register-action=\"added\"",
            "vnd-microsoft-roaming-self",
            "RTC/4.0",
        ],
    ),
    (28, &["default location profile", "dial plan"]),
    (29, &["contact list"]),
    (
        30,
        &[
            "11 groups",
            "endpointConfiguration",
            "locationPolicy",
            "mediaConfiguration",
            "meetingPolicy",
            "presencePolicyV2",
            "privacyPublicationGrammar",
            "publicationGrammar",
            "ServerConfiguration",
            "ucPhoneSettings",
            "ucPolicy",
            "userSetting",
        ],
    ),
    (32, &["no Enterprise Voice", "harmless", "only available to UC enabled users"]),
    (33, &["2 groups", "~", "Pinned Contacts"]),
    (35, &["27 settings", "focusfactory"]),
    (38, &["never answered", "aggregate state", "container 2"]),
    (40, &["audio-video", "chat", "MCU"]),
    (46, &["publishes", "machine state", "available"]),
    (48, &["publishes", "device", "text", "video"]),
    (55, &["focus factory", "own standing conference"]),
    (57, &["no conferences"]),
    (58, &["standing conference made"]),
    (60, &["2N70B8SH", "partial", "normal", "29905"]),
    (61, &["certificate", "secrets encrypted"]),
    (63, &["2N70B8SH", "encrypted for the client"]),
    (68, &["signs alice@ucsandbox.example out"]),
];

#[test]
fn every_message_of_a_first_sign_in_is_told_as_an_expert_would() {
    let told = tell("login.pcapng");
    for (row, parts) in LOGIN {
        let says = narrate(&told.rows[row - 1]);
        for part in *parts {
            assert!(says.contains(part), "row {row} does not say {part:?}: {says}");
        }
    }
}

#[test]
fn a_sign_in_over_an_open_connection_takes_its_own_time() {
    let file = "scenarios/healthy-again-there.pcapng";
    let capture = Capture { file: file.to_owned(), path: folder().join(file) };
    let told = tell_files(&[&capture.path], capture.keys().options());
    let [(first, _), (again, _)] = &told.logins[..] else { panic!("{} logins", told.logins.len()) };
    let phases = |login: &Login| login.phases().iter().map(|phase| phase.kind.name()).collect::<Vec<_>>();
    assert_eq!(phases(first), ["discover", "connect", "secure", "authenticate", "provision", "ready"]);
    assert_eq!(phases(again), ["authenticate", "provision", "ready"]);
    assert!(again.phases().iter().all(|phase| phase.began >= Span::default()));
    // What it found is told all the same.
    let before: Vec<&str> =
        again.steps().iter().filter(|step| again.is_of_before(step.began)).map(|step| step.kind.id()).collect();
    assert_eq!(before, ["connect", "secure"]);
    let shown = run_in(&folder(), &["analyze", file, "--color", "never"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let offsets = |id: &str| {
        let of_step = shown.lines().filter(|line| line.split_whitespace().nth(4) == Some(id));
        of_step.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (offsets("connect"), offsets("challenge")),
        (vec!["0.006".to_owned(), "before".to_owned()], vec!["0.009".to_owned(), "0.000".to_owned()])
    );
}

/// What a connection carried tells that a sign-in was over, where no key does.
#[test]
fn sign_ins_one_after_the_other_are_kept_apart_without_keys() {
    for (file, expected) in [("i4-py-rsa-sessionid-resume.pcapng", 2), ("f3-redirect-301.pcapng", 1)] {
        let told = tell_files(&[&capture(file).path], Options::default());
        let outcomes: Vec<_> = told.logins.iter().map(|(login, _)| login.outcome()).collect();
        assert_eq!(outcomes, vec![LoginOutcome::Incomplete; expected], "{file}");
        for (login, _) in &told.logins {
            assert!(login.connections.len() * expected == 2 && login.ladder.is_empty(), "{file}");
        }
    }
}

/// A sign-in over UDP at a server that this name led to.
fn over_udp(name: &str, port: u16) -> Told {
    let (client, resolver, server) = (packet::address(1), packet::address(2), packet::address(3));
    let send = |ends: (Ipv4Addr, Ipv4Addr), ports: (u16, u16), payload: &[u8]| {
        packet::ipv4(ends, 17, (0, 0), &packet::datagram(ports, payload))
    };
    let register = "REGISTER sip:ex.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:50100\r\nFrom: <sip:ann@ex.test>;tag=1;epid=ab\r\n\
        To: <sip:ann@ex.test>\r\nCall-ID: c1\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
    let [query, answer] = packet::dns(name, server);
    let packets = [
        send((client, resolver), (50_000, 53), &query),
        send((resolver, client), (53, 50_000), &answer),
        send((client, server), (50_100, port), register.as_bytes()),
    ];
    tell_raw(&packets, Options::default())
}

#[test]
fn what_led_to_a_server_over_udp_is_known_and_tells_where_the_client_is() {
    let expected = [
        ("sipexternal.ex.test", 5060, ("external", "sipexternal is for clients outside")),
        ("sipinternal.ex.test", 443, ("internal", "sipinternal is for clients inside")),
        ("sip.ex.test", 5060, ("internal", "port 5060, as a pool has it")),
    ];
    for (name, port, (place, because)) in expected {
        let told = over_udp(name, port);
        let [(login, _)] = &told.logins[..] else { panic!("{name}: {} logins", told.logins.len()) };
        let [connection] = &login.connections[..] else { panic!("{name}: {} connections", login.connections.len()) };
        assert_eq!(connection.host(), Some(name));
        assert_eq!(login.location(), (place, because.to_owned()), "{name}");
        let steps = login.steps();
        let discover = steps.iter().find(|step| step.kind == StepKind::Discover).unwrap();
        assert!(discover.says.starts_with(&format!("{name} leads to the server")), "{}", discover.says);
    }
}

#[test]
fn the_steps_of_a_first_sign_in() {
    let told = tell("login.pcapng");
    let [(failed, findings), (login, _)] = &told.logins[..] else { panic!("{} logins", told.logins.len()) };
    assert_eq!(failed.outcome(), LoginOutcome::Failed);
    assert_eq!(findings[0].rule.id, "dns-no-records");
    let fix = findings[0].fix();
    assert!(fix.contains("_sip._tls.ucsandbox.example, port 443") && !fix.contains('<'), "{fix}");
    assert!(findings[0].root_cause);
    assert_eq!(login.outcome(), LoginOutcome::SignedIn);
    let steps = login.steps();
    let ids: Vec<&str> = steps.iter().map(|step| step.kind.id()).collect();
    let without = ["compress", "web-ticket", "certificate", "buddies", "media-relay"];
    let expected: Vec<&str> = STEPS.iter().map(|(_, id, _)| *id).filter(|id| !without.contains(id)).collect();
    assert_eq!(ids, expected);
    for step in &steps {
        let expected = if step.kind == StepKind::LocationProfile { StepOutcome::Info } else { StepOutcome::Ok };
        assert_eq!(step.outcome, expected, "{}", step.kind.id());
        assert!(!step.rows.is_empty() && !step.says.is_empty(), "{}", step.kind.id());
    }
    let detail = |kind: StepKind, name: &str| {
        let step = steps.iter().find(|step| step.kind == kind).unwrap();
        step.detail.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    assert_eq!(detail(StepKind::AddConference, "dial_in_id").as_deref(), Some("29905"));
    assert_eq!(detail(StepKind::AddConference, "conference_id").as_deref(), Some("2N70B8SH"));
    assert_eq!(detail(StepKind::Conferences, "static_conferences").as_deref(), Some("0"));
    assert_eq!(detail(StepKind::Contacts, "groups").as_deref(), Some("2"));
    assert_eq!(detail(StepKind::OwnPresence, "notifications").as_deref(), Some("4"));
}

/// What the server recorded of a capture.
fn truth(file: &str) -> Vec<Json> {
    let path = capture(file).beside("truth.jsonl").unwrap();
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn certificate_and_web_ticket_are_steps_where_they_can_be_read() {
    let told = tell("h-login-tlsdsk.pcapng");
    let steps = told.logins[0].0.steps();
    for kind in [StepKind::WebTicket, StepKind::Certificate] {
        let step = steps.iter().find(|step| step.kind == kind).unwrap_or_else(|| panic!("no {}", kind.id()));
        assert_eq!(step.outcome, StepOutcome::Ok, "{}", kind.id());
    }
    let certificate = steps.iter().find(|step| step.kind == StepKind::Certificate).unwrap();
    assert!(certificate.says.contains("alice@ucsandbox.example"), "{}", certificate.says);
    let calls =
        truth("h-login-tlsdsk.pcapng").into_iter().filter(|line| line["kind"] == "http" && line["dir"] == "c2s");
    let told: usize = told.logins[0].0.web.iter().map(|web| web.calls.len()).sum();
    assert_eq!(told, calls.count());
}

/// The captures of the scenarios.
fn scenarios() -> Vec<Capture> {
    let files = std::fs::read_dir(folder().join("scenarios")).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| Capture { file: name(&path), path }).collect()
}

/// Phases follow each other within the sign-in, and waiting is never more than the phase.
#[track_caller]
fn check_phases(file: &str, login: &Login) {
    let total = login.ended.time.since(login.began.time);
    let mut began = Span::default();
    for phase in login.phases() {
        assert!(
            phase.began >= began && phase.began.as_nanos() + phase.took.as_nanos() <= total.as_nanos(),
            "{file}: {phase:?}"
        );
        assert!(phase.server <= phase.took && phase.server.as_nanos() >= 0, "{file}: {phase:?}");
        began = phase.began;
    }
    if let Some(slowest) = login.slowest() {
        assert!(slowest.took <= total, "{file}: {slowest:?}");
    }
}

#[test]
fn every_capture_tells_whole_sign_ins() {
    let (mut logins, mut phases) = (0, 0);
    for capture in captures() {
        let told = tell_files(&[&capture.path], capture.keys().options());
        for (login, findings) in &told.logins {
            logins += 1;
            phases += login.phases().len();
            check_phases(&capture.file, login);
            for step in login.steps() {
                assert!(!step.rows.is_empty(), "{}: {} cites nothing", capture.file, step.kind.id());
            }
            for finding in findings {
                assert!(!finding.rows.is_empty(), "{}: {} cites no row", capture.file, finding.rule.id);
            }
        }
        // What a row says belongs to a sign-in belongs to one that is told.
        let ids: Vec<u32> = told.logins.iter().map(|(login, _)| login.id).collect();
        for row in &told.rows {
            assert!(row.login.is_none_or(|id| ids.contains(&id)), "{}: row {}", capture.file, row.number);
        }
    }
    assert!(logins > 35 && phases > 100, "{logins} sign-ins, {phases} phases");
}

#[test]
fn a_refused_refresh_is_told_by_its_step() {
    let expected = [
        ("user-not-found.3", "The server refuses a refresh: 404 Not Found; ms-diagnostics 1003"),
        ("auth-rejected.8", "The proof in a refresh was not accepted."),
    ];
    for (name, says) in expected {
        let all = scenarios();
        let capture = all.iter().find(|capture| capture.file == format!("{name}.pcapng")).unwrap();
        let told = tell_files(&[&capture.path], capture.keys().options());
        let steps = told.logins[0].0.steps();
        let step = steps.iter().find(|step| step.kind == StepKind::Register).unwrap();
        assert!(step.outcome == StepOutcome::Failed && step.says.contains(says), "{name}: {}", step.says);
    }
}

/// An answer stands in one step: in that of its row, which is one that its request stands in.
#[test]
fn an_answer_stands_in_one_step() {
    let redirected = "f3-redirect-301.pcapng";
    for capture in captures().into_iter().chain(scenarios()) {
        let told = tell_files(&[&capture.path], capture.keys().options());
        for (login, _) in &told.logins {
            let steps = login.steps();
            let of = |row| steps.iter().filter(move |step| step.rows.iter().any(|mark| mark.row == row));
            for rung in &login.ladder {
                let Some(answer) = &rung.answer else { continue };
                let places: Vec<StepKind> = of(answer.mark.row).map(|step| step.kind).collect();
                let row = told.rows.iter().find(|row| row.id == answer.mark.row).unwrap();
                let place = format!("{}: {} in {places:?}", capture.file, answer.describe());
                assert!(places.len() <= 1, "{place}");
                for &kind in &places {
                    assert_eq!(row.attempt.map(|(_, kind)| kind), Some(kind), "{place}");
                    assert!(of(rung.request.row).any(|step| step.kind == kind), "{place}");
                }
                assert!(capture.file != redirected || !places.is_empty(), "{place}");
            }
        }
    }
    let told = tell(redirected);
    let steps = told.logins[0].0.steps();
    let rows = |kind| steps.iter().find(|step| step.kind == kind).map(|step| step.rows.len());
    // To each of two servers one REGISTER without proof, one that chooses, one that proves and is decided on.
    let expected = [(StepKind::Challenge, 4), (StepKind::Authenticate, 6), (StepKind::Register, 4)];
    assert_eq!(expected.map(|(kind, _)| rows(kind)), expected.map(|(_, rows)| Some(rows)));
    let told = tell("f12-unavailable-503.pcapng");
    let steps = told.logins[0].0.steps();
    let last = steps.last().unwrap();
    assert_eq!((last.kind, last.outcome), (StepKind::Challenge, StepOutcome::Failed));
    assert!(last.says.contains("503") && last.detail.contains(&("status", "503".to_owned())), "{last:?}");
}

#[test]
fn findings_are_on_the_rows_they_cite() {
    let told = tell("f1-wrong-password.pcapng");
    let (_, findings) = &told.logins[0];
    let rejected = findings.iter().find(|finding| finding.rule.id == "auth-rejected").unwrap();
    for row in &told.rows {
        let cites = rejected.rows.contains(&row.number);
        assert_eq!(row.findings.contains(&"auth-rejected"), cites, "row {}", row.number);
    }
    assert_eq!(rejected.rows.len(), 2);
}

#[test]
fn rows_of_a_sign_in_carry_its_number_and_step() {
    let told = tell("b-login-tcp.pcapng");
    let of = |method: &str| {
        let mut rows = told.rows.iter().filter(|row| match &row.message {
            Message::Sip(message) => message.is_request() && message.method().is_some_and(|known| known == method),
            _ => false,
        });
        rows.next().map(|row| (row.login, row.step))
    };
    assert_eq!(of("REGISTER"), Some((Some(1), Some("challenge"))));
    assert_eq!(of("SUBSCRIBE"), Some((Some(1), Some("contacts"))));
    assert_eq!(of("INVITE"), Some((None, None)), "an INVITE is no step of a sign-in");
}
