//! Certified controllers for quinn.
//!
//! [`AdapterFactory`] drives any [`tautline_core::controller::Controller`] inside quinn. It
//! targets the `Controller` trait of quinn-proto 0.11.

mod adapter;
mod clock;
mod factory;
mod probe_timeout;
mod recorder;
mod sent_ring;

pub use adapter::{Adapter, SMALL_BURST, Tally};
pub use clock::Clock;
pub use factory::AdapterFactory;
pub use probe_timeout::ProbeTimeout;
pub use recorder::{EventLog, Record, Recorder};
pub use sent_ring::{MAX_BURSTS, SentRing};
