//! Tests of the whole crate that need to see inside.

mod faults;
