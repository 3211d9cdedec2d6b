//! Looking at all vectors of a collection.
//!
//! A vector is scanned as bytes ([`codes`]), a quarter of its size, and what seems nearest is
//! measured again by the vectors as they are. Bytes of vectors are kept in memory as far as that is
//! allowed ([`memory`]), and read in pieces where it is not.

mod codes;
mod memory;
mod nearest;

pub(super) use self::{
    codes::{Codes, Probe, decode, encode, unit},
    memory::{Index, Memory, Segment},
    nearest::{Nearest, Place},
};
