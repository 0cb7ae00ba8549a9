//! A decoder of protocols with a whole message in each datagram.
//!
//! In: datagrams. Out: what its function tells of each. Holds nothing from one to the next.

use std::borrow::Cow;

use crate::model::{At, Direction, Loss};
use crate::session::{Decoder, Output};

/// Hands each datagram to a function.
pub struct Datagrams<F>(pub F);

impl<F: FnMut(At, Direction, &[u8], &mut Output<'_>) + Send> Decoder for Datagrams<F> {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        (self.0)(at, direction, &bytes, out);
    }

    fn gap(&mut self, _: At, _: Direction, _: Loss, _: &mut Output<'_>) {}

    fn finish(&mut self, _: At, _: Direction, _: &mut Output<'_>) {}

    fn held(&self) -> usize {
        0
    }

    fn relieve(&mut self, _: At, _: &mut Output<'_>) {}
}
