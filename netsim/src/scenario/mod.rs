//! What is simulated: a link, flows, a duration.
//!
//! Scenarios are either read from TOML ([`ValidScenario::from_toml`], and
//! [`ValidScenario::grid_from_toml`] for files with a sweep) or built in code
//! ([`ValidScenario::new`]); both paths meet in the same checks. Units are part of every key name.
//! The format is described in docs/scenarios.md.

mod error;
mod raw;
mod spec;
mod valid;

pub use error::{Place, Problem, ScenarioError};
pub use raw::{Cell, Scenario};
pub use spec::{
    Blacked, Blackout, Buffer, CapacitySpec, CellularSpec, EcnSpec, FlowSpec, JitterLaw,
    JitterSpec, LeoSpec, Limit, LinkSpec, LossSpec, Order, Pacing, PolicerSpec, QueueSpec,
    RateStep, RetrySpec, RouteSpec, SizeSpec, Stack, TraceSpec, TransportSpec, WifiSpec,
    WorkloadSpec,
};
pub use valid::{REVERSE, Route, ValidScenario};
