//! The draft's transitions, driven by events.

mod model;
mod path;
mod transitions;
