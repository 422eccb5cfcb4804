//! The draft's transitions, driven by events, and its single steps with numbers.

mod model;
mod path;
mod steps;
mod transitions;
