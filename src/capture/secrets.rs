//! The key logs inside pcapng files (decryption secrets blocks), wherever they stand.
//!
//! A file is read through once for them before its packets are: a block behind the packets is as
//! good as one before them. Standard input and pipes cannot be read twice, so that blocks there
//! count from where they stand on.

use std::sync::Arc;

use crate::capture::buffer::Buffer;
use crate::capture::file::CaptureFile;
use crate::capture::open::{OpenError, Source};

/// The key logs in all files among `sources`.
///
/// # Errors
/// Where a file cannot be opened or is no capture. Damage is told when the packets are read.
pub fn secrets_in(sources: &[Source]) -> Result<Vec<Vec<u8>>, OpenError> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_repeatable()) {
        let reader = source.open(Arc::default())?;
        let mut file = CaptureFile::new(&source.to_string(), Buffer::new(reader))?;
        if !file.can_hold_secrets() {
            continue;
        }
        while let Ok(true) = file.advance() {}
        found.extend(file.take_key_logs());
    }
    Ok(found)
}
