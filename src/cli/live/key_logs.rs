//! Key logs that grow: lines are added to the keys as a client writes them.
//!
//! A log that is replaced or cut is read again. Files stay open, because rights are given up.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use same_file::Handle;

use crate::cli::key_files;
use crate::crypto::KeyStore;

/// Most bytes read of a log at once; what is left is read the next time.
const MOST_READ: u64 = 4 << 20;
/// A line that is longer is none of a key log.
const LONGEST_LINE: usize = 64 << 10;
/// Secrets that are kept: some hundred thousand connections, 60 MB. Then the older ones go.
const MOST_SECRETS: usize = 1 << 18;

struct KeyLog {
    path: PathBuf,
    name: Arc<str>,
    file: Option<Handle>,
    read: u64,
    lines: u32,
    /// A line whose end is not written yet.
    partial: Vec<u8>,
}

/// The logs, and the keys so far.
pub struct KeyLogs {
    logs: Vec<KeyLog>,
    /// Keys from elsewhere.
    base: KeyStore,
    keys: KeyStore,
    secrets: usize,
}

impl KeyLogs {
    /// Opens the logs that are there; `base` are the keys from elsewhere.
    pub fn new(paths: &[PathBuf], mut base: KeyStore) -> Self {
        let logs: Vec<KeyLog> = paths.iter().map(|path| KeyLog::new(path)).collect();
        for log in &logs {
            base.add_key_log(log.name.clone());
        }
        Self { logs, keys: base.clone(), base, secrets: 0 }
    }

    /// The keys so far.
    pub fn keys(&self) -> Arc<KeyStore> {
        Arc::new(self.keys.clone())
    }

    /// Logs that are not there yet.
    pub fn missing(&self) -> impl Iterator<Item = &Path> {
        self.logs.iter().filter(|log| log.file.is_none()).map(|log| log.path.as_path())
    }

    /// Reads what was written since the last call; returns those lines, if there are any.
    pub fn follow(&mut self) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for log in &mut self.logs {
            let lines = log.follow();
            if lines.is_empty() {
                continue;
            }
            if self.secrets >= MOST_SECRETS {
                (self.keys, self.secrets) = (self.base.clone(), 0);
            }
            self.secrets += key_files::add_lines_after(&mut self.keys, &log.name, log.lines, &lines);
            let ends = memchr::memchr_iter(b'\n', &lines).count();
            log.lines = log.lines.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
            found.extend_from_slice(&lines);
        }
        (!found.is_empty()).then_some(found)
    }
}

impl KeyLog {
    fn new(path: &Path) -> Self {
        let name = key_files::file_name(path).into();
        let mut log = Self { path: path.to_owned(), name, file: None, read: 0, lines: 0, partial: Vec::new() };
        log.open();
        log
    }

    /// Opens the file where it is there and another one than before. A pipe would block, and has no size.
    fn open(&mut self) {
        if !std::fs::metadata(&self.path).is_ok_and(|data| data.is_file()) {
            return;
        }
        let Ok(file) = Handle::from_path(&self.path) else { return };
        if self.file.as_ref() != Some(&file) {
            self.file = Some(file);
            self.begin_again();
        }
    }

    fn begin_again(&mut self) {
        (self.read, self.lines) = (0, 0);
        self.partial.clear();
    }

    /// Whole lines that were written since the last call.
    fn follow(&mut self) -> Vec<u8> {
        self.open();
        let Some(length) = self.file.as_ref().and_then(|file| file.as_file().metadata().ok()).map(|data| data.len())
        else {
            return Vec::new();
        };
        if length < self.read {
            self.begin_again();
        }
        let mut bytes = std::mem::take(&mut self.partial);
        if length > self.read
            && let Some(file) = &mut self.file
            && file.as_file_mut().seek(SeekFrom::Start(self.read)).is_ok()
        {
            let before = bytes.len();
            // What was read before an error counts.
            let _ = file.as_file_mut().take(MOST_READ).read_to_end(&mut bytes);
            self.read += (bytes.len() - before) as u64;
        }
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
        self.partial = bytes.split_off(end);
        if self.partial.len() > LONGEST_LINE {
            self.partial.clear();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tls::SecretLabel;

    fn line(random: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{random:02x}").repeat(32), "ab".repeat(48))
    }

    fn knows(logs: &KeyLogs, random: u8) -> bool {
        logs.keys().secret(SecretLabel::ClientRandom, &[random; 32]).is_some()
    }

    #[test]
    fn lines_count_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let mut logs = KeyLogs::new(std::slice::from_ref(&path), KeyStore::default());
        assert_eq!(logs.missing().count(), 1);
        assert!(logs.keys().has_key_log() && logs.follow().is_none());
        std::fs::write(&path, line(1) + &line(2)[..40]).unwrap();
        assert_eq!(logs.follow(), Some(line(1).into_bytes()), "half a line waits");
        assert!(knows(&logs, 1) && !knows(&logs, 2));
        std::fs::write(&path, line(1) + &line(2)).unwrap();
        assert_eq!(logs.follow(), Some(line(2).into_bytes()));
        let keys = logs.keys();
        let (_, source) = keys.secret(SecretLabel::ClientRandom, &[2; 32]).unwrap();
        assert_eq!(&*source, "line 2 of keys");
        std::fs::write(&path, line(3)).unwrap();
        assert!(logs.follow().is_some() && knows(&logs, 3), "it was cut and begun again");
        std::fs::write(folder.path().join("other"), line(4)).unwrap();
        std::fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(logs.follow().is_some() && knows(&logs, 4), "it was replaced");
        assert!(logs.follow().is_none() && knows(&logs, 1));
    }
}
