//! The connection as a whole.

mod events;
mod stacks;
