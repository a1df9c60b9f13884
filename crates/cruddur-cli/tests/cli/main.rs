//! The tests of the binary, in one program so that they share one stack.

mod support;

mod tree;
mod usage;
