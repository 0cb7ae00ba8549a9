//! No output holds a key or a password: every format, the report and standard error are searched for
//! the bytes of all secrets that a run was given, and of those that follow from them.

#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Capture, Keys, Scratch, captures, folder, run_in, tls_captures};
use lynccap::wire::keylog;
use memchr::memmem;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PrivateKeyParts as _;

/// Bytes of a secret of which no output may hold a piece this long.
const PIECE: usize = 12;

/// What no output may hold, in all forms.
#[derive(Default)]
struct Forbidden(Vec<Vec<u8>>);

impl Forbidden {
    /// Adds a secret: its beginning and its end, as they are, in hex, in base64 and as numbers.
    fn add(&mut self, secret: &[u8]) {
        let ends = [secret.get(..PIECE), secret.get(secret.len().saturating_sub(PIECE)..)];
        for piece in ends.into_iter().flatten() {
            let hex: Vec<String> = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            let numbers: Vec<String> = piece.iter().map(u8::to_string).collect();
            for between in ["", " ", ":"] {
                self.text(&hex.join(between));
                self.text(&hex.join(between).to_uppercase());
            }
            for between in [", ", ","] {
                self.text(&numbers.join(between));
            }
            self.0.push(piece.to_vec());
            // Base64 of longer bytes with these in them, at each of the three places where they may begin.
            for lead in 0..3 {
                let text = STANDARD.encode([&[0; 2][..lead], piece].concat());
                let from = lead.div_ceil(3) * 4;
                self.text(text.get(from..text.trim_end_matches('=').len() - 1).unwrap());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.0.push(text.as_bytes().to_vec());
    }

    /// Adds all secrets of a key log.
    fn add_log(&mut self, lines: &[u8]) {
        for line in keylog::parse(lines).0 {
            self.add(&line.secret);
        }
    }

    /// Adds the private parts of an RSA key.
    fn add_rsa(&mut self, path: &Path) {
        let key = RsaPrivateKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap();
        self.add(&key.d().to_bytes_be());
        key.primes().iter().for_each(|prime| self.add(&prime.to_bytes_be()));
        for part in [key.dp(), key.dq()] {
            self.add(&part.unwrap().to_bytes_be());
        }
        self.add(&key.qinv().unwrap().to_bytes_be().1);
    }

    /// Where the first of them is.
    fn find(&self, output: &[u8]) -> Option<usize> {
        self.0.iter().find_map(|needle| memmem::find(output, needle))
    }

    #[track_caller]
    fn check(&self, what: &str, output: &[u8]) {
        let found = self.find(output);
        assert!(found.is_none(), "{what}: a secret at byte {}", found.unwrap_or_default());
    }
}

/// Runs every command that reads a capture with these keys, and searches what it gives.
#[track_caller]
fn check(what: &str, capture: &Path, keys: &[&str], forbidden: &Forbidden) {
    let scratch = Scratch::new(&format!("secrets-{}", what.replace(['/', ' ', '.'], "-")));
    let file = capture.to_str().unwrap();
    let exports = ["rows.csv", "rows.jsonl", "report.json"];
    let run = |arguments: &[&str]| {
        let output = run_in(scratch.path(), &[arguments, keys].concat());
        let command = format!("{what}: {arguments:?}");
        forbidden.check(&command, &output.stdout);
        forbidden.check(&command, &output.stderr);
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{command}: nothing at all");
    };
    let [csv, jsonl, json] = exports;
    run(&["analyze", file, "--csv", csv, "--jsonl", jsonl, "--raw", "--json", json]);
    for export in exports {
        if let Ok(bytes) = std::fs::read(scratch.file(export)) {
            forbidden.check(&format!("{what}: {export}"), &bytes);
            assert!(!bytes.is_empty(), "{what}: {export} is empty");
        }
    }
    run(&["keys", file]);
    run(&["follow", file, "--flow", "1", "--format", "hex"]);
    run(&["show", file, "--row", "5"]);
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// With the key logs that stand beside them, also those whose secrets are in the file itself.
#[test]
fn no_output_holds_the_secrets_of_a_key_log() {
    let mut count = 0;
    for capture in captures().into_iter().chain(tls_captures()) {
        let (logs, own) = (capture.key_logs(), capture.own_secrets());
        let mut forbidden = Forbidden::default();
        for path in &logs {
            forbidden.add_log(&std::fs::read(path).unwrap());
        }
        for lines in &own {
            forbidden.add_log(lines);
        }
        if forbidden.0.is_empty() {
            continue;
        }
        let options: Vec<&str> = logs.iter().flat_map(|path| ["-k", name(path)]).collect();
        check(&capture.file, &capture.path, &options, &forbidden);
        count += 1;
    }
    assert!(count > 110, "{count}");
}

/// Captures with the RSA keys that open them, or some of them. Their key logs tell the master secrets that
/// follow.
fn with_rsa_keys() -> Vec<(Capture, PathBuf)> {
    let key = folder().join("tls/rsa.pem");
    let all = tls_captures().into_iter().filter(|capture| capture.file.contains("-rsa-")).step_by(6);
    let of_sign_ins = captures().into_iter().filter_map(|capture| Some((capture.clone(), capture.beside("pem")?)));
    of_sign_ins.chain(all.map(|capture| (capture, key.clone()))).collect()
}

#[test]
fn no_output_holds_an_rsa_key_or_what_follows_from_it() {
    let captures = with_rsa_keys();
    assert!(captures.len() > 10, "{}", captures.len());
    for (capture, key) in captures {
        let mut forbidden = Forbidden::default();
        forbidden.add_rsa(&key);
        capture.key_logs().iter().for_each(|path| forbidden.add_log(&std::fs::read(path).unwrap()));
        check(&format!("{} rsa", capture.file), &capture.path, &["--tls-key", name(&key)], &forbidden);
    }
}

#[test]
fn no_output_holds_a_password() {
    let scratch = Scratch::new("secrets-passwords");
    let tls = folder().join("tls");
    let (capture, key) = (tls.join("tls12-rsa-aes128-gcm-sha256.pcap"), tls.join("keys/pkcs8-long-password.pem"));
    for (what, password) in
        [("right", "Correct-Horse-7261"), ("wrong", "Incorrect-Horse-7261"), ("late", "\nHorse-7261")]
    {
        let mut forbidden = Forbidden::default();
        forbidden.add_rsa(&tls.join("rsa.pem"));
        forbidden.add(password.trim().as_bytes());
        forbidden.text("Horse-7261");
        let file = scratch.write("password.txt", format!("{password}\n"));
        let options = ["--tls-key", name(&key), "--tls-key-password-file", &file];
        check(&format!("{what} password"), &capture, &options, &forbidden);
    }
}

/// What cannot be read is told by file and line, never by what it says.
#[test]
fn complaints_hold_no_secrets() {
    let scratch = Scratch::new("secrets-complaints");
    let tls = folder().join("tls");
    let capture = tls.join("tls12-rsa-aes128-gcm-sha256.pcap");
    let log = std::fs::read_to_string(tls.join("tls12-rsa-aes128-gcm-sha256.keys")).unwrap();
    let pem = std::fs::read_to_string(tls.join("rsa.pem")).unwrap();
    let mut forbidden = Forbidden::default();
    forbidden.add_log(log.as_bytes());
    forbidden.add_rsa(&tls.join("rsa.pem"));
    pem.lines().filter(|line| !line.starts_with('-')).for_each(|line| forbidden.text(line));
    let damaged = [
        ("cut.keys", log.lines().map(|line| &line[..line.len() - 3]).collect::<Vec<_>>().join("\n")),
        ("joined.keys", log.replace('\n', "")),
        ("one-field.keys", log.replace(' ', "")),
        ("other-label.keys", log.replace("CLIENT_RANDOM", "client random")),
        ("a-key.keys", pem.clone()),
    ];
    for (file, text) in damaged {
        check(file, &capture, &["-k", &scratch.write(file, text)], &forbidden);
    }
    let damaged = [
        ("cut.pem", pem.chars().take(pem.len() / 2).collect::<String>()),
        ("halves.pem", pem.replace('\n', "\n\n-\n")),
        ("a-log.pem", log.clone()),
        ("headless.pem", pem.lines().skip(1).collect()),
    ];
    for (file, text) in damaged {
        check(file, &capture, &["--tls-key", &scratch.write(file, text)], &forbidden);
    }
}

/// The password of the lab's user, and its NT hash as OpenSSL computes it.
const NTLM: [&str; 2] = ["Lab-Passw0rd!", "9bf15d3185edc976c5a9767d00e9436d"];

/// What no output may hold where a password of NTLM was given: the password as it is and in UTF-16, and its hash.
fn ntlm_forbidden(password: &str, hash: &str) -> Forbidden {
    let mut forbidden = Forbidden::default();
    forbidden.text(password);
    forbidden.text(hash);
    forbidden.add(password.as_bytes());
    forbidden.add(&password.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let digits = hash.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    forbidden.add(&digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>());
    forbidden
}

#[test]
fn no_output_holds_an_ntlm_password_or_its_hash() {
    let scratch = Scratch::new("secrets-ntlm");
    let [password, hash] = NTLM;
    // MD4 of another password in UTF-16, by OpenSSL, too.
    let other = ["Incorrect-Horse-7261", "62b6c6d2044d9dff080e2427897e8ab5"];
    let files = [
        ("right", format!("UCSANDBOX\\alice:{password}\n"), [password, hash]),
        ("hash", format!("alice@ucsandbox.example:hash:{hash}\n"), [password, hash]),
        ("wrong", format!("*:{}\n", other[0]), other),
        ("wrong-hash", format!("*:hash:{}\n", other[1].to_uppercase()), other),
        ("of-another", format!("UCSANDBOX\\bob:{password}\n"), [password, hash]),
        ("damaged", format!("{password}\n{hash}\n"), [password, hash]),
        ("damaged-hash", format!("*:hash:{hash}00\n"), [password, hash]),
        ("no-user", format!("@{password}:{hash}\n"), [password, hash]),
    ];
    for (what, lines, [password, hash]) in files {
        let forbidden = ntlm_forbidden(password, hash);
        let file = scratch.write(&format!("{what}.txt"), lines);
        let options = ["--ntlm-secret-file", &file];
        for capture in ["b-login-tcp.pcapng", "f1-wrong-password.pcapng"].map(common::capture) {
            check(&format!("{} ntlm {what}", capture.name()), &capture.path, &options, &forbidden);
            for row in 24..32 {
                let row = row.to_string();
                let output =
                    run_in(scratch.path(), &[&["show", name(&capture.path), "--row", &row], &options[..]].concat());
                forbidden.check(what, &[output.stdout, output.stderr].concat());
            }
        }
    }
}

#[test]
fn a_bad_line_of_passwords_is_told_by_its_number() {
    let scratch = Scratch::new("secrets-lines");
    let bad = [
        ("# mine\n\nsecret-horse\n", "line 3: expected"),
        ("*:a\nsecret-horse:secret-horse\n", "line 2: expected"),
        ("\u{feff}*:hash:secret-horse", "line 1: expected 32 hexadecimal digits"),
    ];
    for (lines, told) in bad {
        let file = scratch.write("passwords.txt", lines);
        let capture = common::capture("b-login-tcp.pcapng");
        let output = run_in(scratch.path(), &["keys", name(&capture.path), "--ntlm-secret-file", &file]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&file) && error.contains(told) && !error.contains("horse"), "{error}");
    }
    let file = scratch.write("latin.txt", b"*:a\n*:\xe4secret");
    let capture = common::capture("b-login-tcp.pcapng");
    let output = run_in(scratch.path(), &["keys", name(&capture.path), "--ntlm-secret-file", &file]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("line 2: not UTF-8"));
}

#[test]
fn debug_output_holds_no_secrets() {
    let tls = folder().join("tls");
    let (log, pem) = (tls.join("tls13-aes256-gcm-sha384.keys"), tls.join("rsa.pem"));
    let mut forbidden = Forbidden::default();
    forbidden.add_log(&std::fs::read(&log).unwrap());
    forbidden.add_rsa(&pem);
    let store = Keys::default().log_file(&log).rsa_file(&pem).store();
    forbidden.check("a key store", format!("{store:?} {store:#?}").as_bytes());
    let [password, hash] = NTLM;
    for line in [format!("*:{password}"), format!("*:hash:{hash}")] {
        let store = Keys::default().accounts("secrets.txt", &line).store();
        ntlm_forbidden(password, hash).check("a key store", format!("{store:?} {store:#?}").as_bytes());
    }
}

/// The search itself: it must find a secret in whatever form.
#[test]
fn a_secret_would_be_found() {
    let secret: Vec<u8> = (0..48_u8).map(|byte| byte.wrapping_mul(89) ^ 0xa5).collect();
    let mut forbidden = Forbidden::default();
    forbidden.add(&secret);
    let hex = secret.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let colons: Vec<String> = secret.iter().map(|byte| format!("{byte:02X}")).collect();
    let base64 = |lead: usize| STANDARD.encode([&[0x77; 2][..lead], &secret, b"more"].concat());
    let forms = [hex.to_uppercase(), colons.join(":"), format!("{secret:?}"), base64(0), base64(1), base64(2), hex];
    for form in forms {
        assert!(forbidden.find(format!("key: {form}.").as_bytes()).is_some(), "{form}");
    }
    assert!(forbidden.find(&[b"\0\xff", &secret[..], b"\n"].concat()).is_some());
    assert!(forbidden.find(&secret[1..13]).is_none(), "only the beginning and the end are looked for");
}
