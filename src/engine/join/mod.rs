//! What captures and trace logs of the same sign-in have to do with each other.

pub mod align;
