//! Deterministic packet-level network simulation for congestion controllers.
//!
//! A [`scenario::ValidScenario`] describes a bottleneck and its flows; [`sim::run`] drives one
//! [`tautline_core::controller::Controller`] per flow through it and reports what happened. Equal
//! scenarios and seeds give equal outcomes, bit for bit, on any machine and any number of threads:
//! nothing here reads a clock, and every random component has a stream of its own.

pub mod baseline;
pub mod endpoint;
pub mod link;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sim;
pub mod transport;
