//! The key files that the user gives.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::cli::args::Decoding;
use crate::cli::{Failure, output};
use crate::crypto::{Account, KeyStore, RsaKey};
use crate::wire::keylog;

/// Most bad lines of a key log that are told one by one.
const MOST_BAD_LINES: usize = 5;

/// Reads the key files.
///
/// # Errors
/// Where one cannot be read, or is none.
pub fn load(reading: &Decoding) -> Result<KeyStore, Failure> {
    let mut store = KeyStore::default();
    for path in &reading.keylog {
        add_lines(&mut store, &file_name(path), &read(path)?);
    }
    load_besides_logs(&mut store, reading)?;
    Ok(store)
}

/// Reads all key files but key logs.
///
/// # Errors
/// Where one cannot be read, or is none.
pub fn load_besides_logs(store: &mut KeyStore, reading: &Decoding) -> Result<(), Failure> {
    let password = match &reading.tls_key_password_file {
        Some(path) => Some(password(&read(path)?)),
        None => None,
    };
    for path in &reading.tls_key {
        let bytes = read(path)?;
        let key = RsaKey::parse(&bytes, password.as_deref(), file_name(path).into())
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        store.add_rsa(key);
    }
    for path in &reading.ntlm_secret_file {
        let name = file_name(path);
        let accounts =
            accounts(&read(path)?, &name).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        store.add_accounts(name.into(), accounts);
    }
    Ok(())
}

/// Adds the lines of a key log; tells the ones that cannot be read by number, never by content.
pub fn add_lines(store: &mut KeyStore, name: &str, bytes: &[u8]) {
    let file: Arc<str> = name.into();
    add_lines_after(store, &file, 0, bytes);
    store.add_key_log(file);
}

/// Adds lines of a key log of which `before` were added already; returns how many there are.
pub fn add_lines_after(store: &mut KeyStore, file: &Arc<str>, before: u32, bytes: &[u8]) -> usize {
    let (lines, bad) = keylog::parse(bytes);
    let (count, name) = (lines.len(), file);
    for line in lines {
        store.add_secret(line.label, &line.id, line.secret, file, before.saturating_add(line.number));
    }
    for line in bad.iter().take(MOST_BAD_LINES) {
        let number = before.saturating_add(line.number);
        output::complain(&format!("{name}: line {number}: {}; passed over", line.what));
    }
    if bad.len() > MOST_BAD_LINES {
        output::complain(&format!("{name}: {} more lines cannot be read", bad.len() - MOST_BAD_LINES));
    }
    count
}

/// The passwords of a file: a line each, blank lines and those that begin with `#` passed over.
fn accounts(bytes: &[u8], name: &str) -> Result<Vec<Account>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count() + 1;
        format!("line {line}: not UTF-8")
    })?;
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let number = index + 1;
            let account = Account::parse(line, format!("line {number} of {name}").into());
            account.map_err(|error| format!("line {number}: {error}"))
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// A file's name without its folder.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The first line, without its end.
fn password(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().to_owned()
}
