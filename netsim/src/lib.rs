//! Deterministic packet-level network simulation for congestion controllers.
//!
//! A [`scenario::ValidScenario`] describes a bottleneck and its flows; [`sim::run`] drives one
//! [`tautline_core::controller::Controller`] per flow through it and reports what happened. Equal
//! scenarios and seeds give equal outcomes, bit for bit, on any machine and any number of threads:
//! nothing here reads a clock, and every random component has a stream of its own.
//!
//! ```
//! use core::time::Duration;
//!
//! use tautline_core::controller::NewReno;
//! use tautline_core::units::{Bandwidth, Bytes};
//! use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
//! use tautline_netsim::sim::{RunOptions, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rate = Bandwidth::from_bits_per_sec(20_000_000);
//! let buffer = Buffer::BandwidthDelayProducts(2.0);
//! let link = LinkSpec::new(rate, Duration::from_millis(40), buffer).with_loss(0.001);
//! let flows = vec![FlowSpec::new("newreno").times(2)];
//! let scenario = ValidScenario::new(link, flows, Duration::from_secs(10))?;
//!
//! let controllers = vec![NewReno::new(Bytes::new(1500)); 2];
//! let outcome = run(&scenario, 1, controllers, &RunOptions::default())?;
//! assert!(outcome.link.utilisation > 0.8);
//! # Ok(())
//! # }
//! ```

pub mod baseline;
pub mod endpoint;
mod ip;
pub mod link;
#[cfg(any(feature = "pcapng", feature = "qlog"))]
pub mod record;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sim;
pub mod transport;
pub mod workload;
