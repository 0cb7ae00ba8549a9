//! RSA key files as people have them: PEM, DER and PKCS#12, encrypted or not, and files that are none.
//! `scripts/make-key-files.sh` makes them.

mod common;

use std::path::PathBuf;
use std::process::Output;

use common::{Scratch, folder, run_in};

/// A session with RSA key exchange, by the server whose key they all hold.
const CAPTURE: &str = "tls12-rsa-aes128-gcm-sha256.pcap";

fn tls() -> PathBuf {
    folder().join("tls")
}

fn key_file(name: &str) -> Vec<u8> {
    std::fs::read(tls().join("keys").join(name)).unwrap()
}

fn keys(file: &str, password_file: Option<&str>) -> Output {
    let mut arguments = vec!["keys", CAPTURE, "--tls-key", file];
    arguments.extend(password_file.iter().flat_map(|file| ["--tls-key-password-file", file]));
    run_in(&tls(), &arguments)
}

/// What a key file that was read does.
#[track_caller]
fn check_opens(name: &str, file: &str, password: Option<&str>) {
    let output = keys(file, password);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{name}: {errors}");
    assert!(said.contains(&format!("opened with    the RSA key {name}")), "{name}: {said}");
}

/// A file from `keys/`, and its password where it has one.
#[track_caller]
fn opens(name: &str, password: Option<&str>) {
    let folder = Scratch::new(&format!("key-files-{name}"));
    let password = password.map(|password| folder.write("password", password));
    check_opens(name, &format!("keys/{name}"), password.as_deref());
}

/// The program ends with code 2 and says these things, the file's name among them.
#[track_caller]
fn refused(name: &str, password: Option<&str>, said: &[&str]) {
    let folder = Scratch::new(&format!("key-files-refused-{name}"));
    let password = password.map(|password| folder.write("password", password));
    let output = keys(&format!("keys/{name}"), password.as_deref());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
    for said in said.iter().chain(&[name]) {
        assert!(errors.contains(said), "{name}: {said:?} is not in {errors:?}");
    }
    assert!(!errors.contains("panicked") && output.stdout.is_empty(), "{name}: {errors}");
}

#[test]
fn keys_without_a_password() {
    opens("pkcs1.pem", None);
    opens("pkcs8.pem", None);
    opens("pkcs1.der", None);
    opens("pkcs8.der", None);
    opens("certificate-and-key.pem", None);
    opens("bag-attributes.pem", None);
    // One that none of them needs.
    opens("pkcs1.pem", Some("test"));
    opens("pkcs8.der", Some("test"));
}

#[test]
fn encrypted_pkcs8() {
    opens("pkcs8-aes256.pem", Some("test"));
    opens("pkcs8-aes256.der", Some("test"));
    opens("pkcs8-aes128-sha1.pem", Some("test"));
    opens("pkcs8-3des.pem", Some("test"));
    opens("pkcs8-scrypt.pem", Some("test"));
    opens("pkcs8-long-password.pem", Some("Correct-Horse-7261"));
}

#[test]
fn pkcs12() {
    opens("pkcs12-aes256.p12", Some("test"));
    opens("pkcs12-legacy.p12", Some("test")); // RC2 and 3DES, as Windows exported it for long
    opens("pkcs12-3des.p12", Some("test"));
    opens("pkcs12-key-only.p12", Some("test"));
    opens("pkcs12-no-password.p12", None);
    opens("pkcs12-no-password.p12", Some(""));
}

/// The first line of the password file counts, however it ends.
#[test]
fn password_files() {
    for password in ["test\n", "test\r\n", "test\nsecond line\n", "\u{feff}test\r\n"] {
        opens("pkcs8-aes256.pem", Some(password));
        opens("pkcs12-aes256.p12", Some(password));
    }
}

/// PEM as other systems and other people write it.
#[test]
fn pem_in_other_dresses() {
    let folder = Scratch::new("key-files-dresses");
    for (name, password) in [("pkcs1.pem", None), ("pkcs8.pem", None), ("pkcs8-aes256.pem", Some("test"))] {
        let text = String::from_utf8(key_file(name)).unwrap();
        let password = password.map(|password| folder.write("password", password));
        let dresses = [
            ("crlf", text.replace('\n', "\r\n")),
            ("marked", format!("\u{feff}{text}")),
            ("indented", format!("  {}", text.replace('\n', "  \n  "))),
            ("introduced", format!("Bag Attributes\n    friendlyName: pool01\n{text}")),
            ("followed", format!("{text}\n\n-- \nthe operator\n")),
            ("without its last line end", text.trim_end().to_owned()),
        ];
        for (dress, text) in dresses {
            let file = format!("{dress}-{name}");
            check_opens(&file, &folder.write(&file, text), password.as_deref());
        }
    }
}

#[test]
fn passwords_that_are_missing_or_wrong() {
    for name in ["pkcs8-aes256.pem", "pkcs8-aes256.der", "pkcs12-aes256.p12", "pkcs12-legacy.p12"] {
        refused(name, None, &["--tls-key-password-file"]);
        refused(name, Some("Test"), &["password"]);
        refused(name, Some(""), &["password"]);
    }
}

#[test]
fn files_that_hold_no_rsa_key() {
    refused("certificate.pem", None, &["a certificate or public key"]);
    refused("certificate.der", None, &["a certificate or public key"]);
    refused("public.pem", None, &["a certificate or public key"]);
    refused("pkcs12-certificate-only.p12", Some("test"), &["a certificate or public key"]);
    refused("ec-sec1.pem", None, &["not an RSA key", "key log"]);
    refused("ec-pkcs8.pem", None, &["not an RSA key", "key log"]);
    refused("ec-pkcs8.der", None, &["not an RSA key", "key log"]);
    refused("ec.p12", Some("test"), &["not an RSA key", "key log"]);
    refused("proc-type.pem", Some("test"), &["openssl pkcs8 -topk8"]);
    refused("../cases.jsonl", None, &["no RSA private key"]);
    refused("missing.pem", None, &[]);
}

/// An encryption that is not supported is no wrong password.
#[test]
fn encryption_that_is_not_supported_is_named() {
    let folder = Scratch::new("key-files-pbe");
    let password = folder.write("password", "test");
    let output = keys("keys/pkcs8-pbe-sha1-3des.pem", Some(&password));
    let errors = String::from_utf8_lossy(&output.stderr);
    let opened = output.status.code() == Some(0);
    assert!(opened || output.status.code() == Some(2) && !errors.contains("does not open"), "{errors}");
}

/// A key log is no RSA key and an RSA key no key log: it is told, and not as a key that opens nothing only.
#[test]
fn files_may_be_mixed_up() {
    let log = "tls12-rsa-aes128-gcm-sha256.keys";
    let output = run_in(&tls(), &["keys", CAPTURE, "--tls-key", log]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && errors.contains(log), "{errors}");
    let output = run_in(&tls(), &["keys", CAPTURE, "-k", "keys/pkcs1.pem"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("pkcs1.pem: line 1"), "{errors}");
}

/// Cut or damaged, they are refused and nothing panics.
#[test]
fn key_files_may_be_damaged() {
    let folder = Scratch::new("key-files-damaged");
    let password = folder.write("password", "test");
    for name in ["pkcs1.der", "pkcs8.pem", "pkcs12-aes256.p12"] {
        let bytes = key_file(name);
        let cut = bytes.iter().take(bytes.len() / 2).copied().collect::<Vec<u8>>();
        for (what, damaged) in [("empty", Vec::new()), ("cut", cut)] {
            let output = keys(&folder.write(name, damaged), Some(&password));
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{name}, {what}: {errors}");
            assert!(errors.contains(name) && !errors.contains("panicked"), "{name}, {what}: {errors}");
        }
    }
}
