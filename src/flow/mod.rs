//! Frames in, ordered stream events out.
//!
//! IP fragments become datagrams, TCP segments become two ordered streams of bytes, datagrams of one
//! pair of ports become a flow. State is held per flow and bounded by [`crate::model::Limits`].
//! Never looks inside payload and never reads a clock: time comes with the frames and
//! through [`table::FlowTable::advance`].

pub mod assembler;
pub mod fragments;
pub mod slab;
pub mod table;
pub mod tcp;
