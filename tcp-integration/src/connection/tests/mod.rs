//! The connection as a whole.

mod stacks;
