//! Tests of the real binary, in one binary.
