//! The independent judge: what leaves a gated device, held against RFC 6675 and the controller.
//!
//! Nothing here uses the adapter's own tracking. The sniffer sits between device and path, keeps
//! an account of its own from the frames alone, and compares it with what the controllers said.

pub(crate) mod app;
pub(crate) mod bucket;
pub(crate) mod chance;
pub(crate) mod ledger;
pub(crate) mod naive;
pub(crate) mod path;
pub(crate) mod plan;
pub(crate) mod port;
pub(crate) mod recorder;
pub(crate) mod sniffer;
pub(crate) mod trace;
pub(crate) mod wire;
pub(crate) mod world;
