//! Reads an input ahead in a thread: pieces of it in order, each with room before it.
//!
//! Holds a handful of pieces, which come back when they are used up. The thread ends with the input, or when
//! nobody takes its pieces any longer.

use std::io::{self, Read};
use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes asked of a reader at once: large enough to make calls rare, small enough to stay in the
/// second-level cache.
pub const PIECE: usize = 256 << 10;

/// Bytes free before those of a piece, for what is left of the one before it: most records fit.
pub const ROOM: usize = 64 << 10;

/// Pieces under way.
const PIECES: usize = 4;

/// Bytes that were read: from [`ROOM`] on.
pub struct Piece {
    /// Room, and the bytes.
    pub bytes: Vec<u8>,
    /// Where they end.
    pub end: usize,
}

/// An input being read ahead.
pub struct Ahead {
    pieces: Receiver<io::Result<Piece>>,
    used: SyncSender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the thread.
    ///
    /// # Errors
    /// Gives the reader back where the system has no thread.
    pub fn start(reader: Box<dyn Read + Send>) -> Result<Self, Box<dyn Read + Send>> {
        let (full, pieces) = sync_channel(PIECES);
        let (used, empty) = sync_channel(2 * PIECES);
        let (hand_over, readers) = sync_channel::<Box<dyn Read + Send>>(1);
        let run = move || {
            let Ok(mut reader) = readers.recv() else { return };
            for made in 0.. {
                let again = if made < PIECES { Ok(Vec::new()) } else { empty.recv() };
                let Ok(mut bytes) = again else { return };
                bytes.resize(ROOM + PIECE, 0);
                let read = read_once(&mut reader, bytes.get_mut(ROOM..).unwrap_or_default());
                let is_last = !matches!(read, Ok(read) if read > 0);
                if full.send(read.map(|read| Piece { bytes, end: ROOM + read })).is_err() || is_last {
                    return;
                }
            }
        };
        let Ok(thread) = thread::Builder::new().name("read".to_owned()).spawn(run) else { return Err(reader) };
        match hand_over.send(reader) {
            Ok(()) => Ok(Self { pieces, used, thread: Some(thread) }),
            Err(returned) => Err(returned.0),
        }
    }

    /// Takes the next piece, once it is there; `None` at the end.
    ///
    /// # Errors
    /// What the reader says.
    pub fn take(&mut self) -> io::Result<Option<Piece>> {
        let Ok(piece) = self.pieces.recv() else {
            // The panic of a decoder is one here.
            return match self.thread.take().map(JoinHandle::join) {
                Some(Err(panic)) => panic::resume_unwind(panic),
                _ => Ok(None),
            };
        };
        let piece = piece?;
        Ok((piece.end > ROOM).then_some(piece))
    }

    /// Takes a piece that is used up.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        // One that a long record made large is not kept, and where there are enough it is dropped.
        let is_usual = bytes.capacity() <= 2 * (ROOM + PIECE);
        let _ = self.used.try_send(if is_usual { bytes } else { Vec::new() });
    }
}

/// One read that brings something, unless it is the end.
///
/// # Errors
/// What the reader says, but for interruptions.
pub fn read_once(reader: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
