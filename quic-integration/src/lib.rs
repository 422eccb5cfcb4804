//! Certified controllers for quinn.
//!
//! [`CertifiedFactory`] takes a model and its checked certificate and plugs into
//! [`quinn_proto::TransportConfig::congestion_controller_factory`]; the guard inside falls back to
//! NewReno where the certificate does not hold. [`AdapterFactory`] drives any [`tautline_core::controller::Controller`] inside quinn. It
//! targets the `Controller` trait of quinn-proto 0.11.
//!
//! With the feature `sim`, the module `sim` puts real quinn-proto endpoints into the network
//! simulator, beside or against its model of a transport.

mod adapter;
mod certified;
mod clock;
mod factory;
mod probe_timeout;
mod recorder;
mod sent_ring;
#[cfg(feature = "sim")]
pub mod sim;

pub use adapter::{Adapter, SMALL_BURST, Tally};
pub use certified::{
    BuildError, CertifiedFactory, GuardedController, GuardedFactory, Progress, Shared, SharedPolicy,
};
pub use clock::Clock;
pub use factory::AdapterFactory;
pub use probe_timeout::ProbeTimeout;
pub use recorder::{EventLog, Record, Recorder};
pub use sent_ring::{Departure, MAX_BURSTS, SentRing};
