//! What is simulated: a link, flows, a duration.
//!
//! A scenario is either read from TOML ([`ValidScenario::from_toml`]) or built in code
//! ([`ValidScenario::new`]); both paths meet in the same checks. Units are part of every key name.

mod error;
mod raw;
mod spec;
mod valid;

pub use error::{Place, ScenarioError};
pub use raw::{RawFlow, RawLink, RawRateStep, RawTransport, Scenario};
pub use spec::{Buffer, FlowSpec, LinkSpec, RateStep, Stack, TransportSpec};
pub use valid::ValidScenario;
