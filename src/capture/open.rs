//! Opening an input: which compression it has, and how far it has been read.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// Why an input cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system says no.
    #[error("{source_name}: {error}")]
    Io {
        /// The input.
        source_name: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is no capture.
    #[error("{source_name}: {what}")]
    NotACapture {
        /// The input.
        source_name: String,
        /// What it is, as far as that can be told, and what to do.
        what: String,
    },
}

/// Counts the bytes that were read of a file, for the progress bar.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(room)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Source {
    /// Opens it and takes compression off; `count` follows how many bytes of the file were read.
    ///
    /// # Errors
    /// Where the file cannot be opened or its first bytes not be read.
    pub fn open(&self, count: Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, OpenError> {
        let io_error = |error| OpenError::Io { source_name: self.to_string(), error };
        let mut reader: Box<dyn Read + Send> = match self {
            Self::File(path) => {
                let file = File::open(path).map_err(io_error)?;
                if file.metadata().map_err(io_error)?.is_dir() {
                    return Err(io_error(io::Error::from(io::ErrorKind::IsADirectory)));
                }
                Box::new(Counted { reader: file, count })
            }
            Self::Stdin => Box::new(Counted { reader: io::stdin(), count }),
        };
        let mut head = [0; 4];
        let have = read_up_to(&mut reader, &mut head).map_err(io_error)?;
        let head = head.get(..have).unwrap_or_default().to_vec();
        let whole = Cursor::new(head.clone()).chain(reader);
        decompress(&head, Box::new(whole)).map_err(io_error)
    }

    /// Whether it can be opened again and again: a file, but no pipe.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::File(path) => std::fs::metadata(path).is_ok_and(|data| data.is_file()),
            Self::Stdin => false,
        }
    }

    /// Size in bytes, where it is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len()),
            Self::Stdin => None,
        }
    }
}

fn read_up_to(reader: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while let Some(rest) = room.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Largest window of zstd that is accepted: 2^27 bytes, what its own tool takes by default.
const ZSTD_WINDOW: u32 = 27;

fn decompress(head: &[u8], whole: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let mut decoder = zstd::stream::read::Decoder::new(whole)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        [0x04, 0x22, 0x4d, 0x18] => Box::new(lz4_flex::frame::FrameDecoder::new(whole)),
        _ => whole,
    })
}

/// What a file that is no capture may be, for the error message.
pub fn what_it_is(head: &[u8]) -> &'static str {
    match head {
        [] => "the file is empty",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive; unpack it first",
        [0x42, 0x5a, 0x68, ..] => "compressed with bzip2; unpack it first (bunzip2)",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "compressed with xz; unpack it first (unxz)",
        [b'G', b'M', b'B', b'U', ..] => {
            "a Network Monitor capture; save it as pcap in Network Monitor, or convert it with editcap"
        }
        [b's', b'n', b'o', b'o', b'p', 0, ..] => "a snoop capture; convert it with editcap",
        _ => {
            "not a pcap or pcapng capture, and no trace log of a client or server; other formats can be converted with editcap"
        }
    }
}
