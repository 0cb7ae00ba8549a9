//! The input edge: capture files, compressed or not, standard input, and interfaces (`live`).
//!
//! In: names of files. Out: packets in the order of their time, borrowed from the reader's buffer,
//! and the secrets that a capture carries. Memory is constant whatever the size. What a file is, its
//! content tells, never its name. A damaged file gives all before the damage.

pub mod ahead;
pub mod buffer;
pub mod file;
#[cfg(feature = "live")]
pub mod filter;
#[cfg(feature = "live")]
pub mod live;
pub mod merge;
pub mod open;
pub mod queue;
mod secrets;

use crate::model::Defect;

pub use file::{CaptureFile, Record, is_capture};
pub use merge::{Begun, Inputs, Next};
pub use open::{OpenError, Source};
pub use secrets::secrets_in;

/// Why a capture cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The bytes contradict themselves.
    #[error("at byte {offset}: {}", .defect.what)]
    Defect {
        /// Where, in bytes from the start of the (decompressed) file.
        offset: u64,
        /// What is wrong.
        defect: Defect,
    },
    /// The file ends within a record.
    #[error("at byte {offset}: the file ends within a record")]
    CutOff {
        /// Where that record begins.
        offset: u64,
    },
    /// Reading or decompressing failed.
    #[error("at byte {offset}: {error}")]
    Read {
        /// How far it was read.
        offset: u64,
        /// What the system or the decompressor says.
        error: std::io::Error,
    },
}
