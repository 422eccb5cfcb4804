#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(test, feature = "certified")), no_std)]

mod backlog;
#[cfg(feature = "certified")]
mod certified;
mod connection;
mod device;
mod guarded;
mod reconnect;
pub mod segment;
#[cfg(feature = "sim")]
pub mod sim;

#[cfg(feature = "certified")]
pub use certified::{BuildError, CertifiedController, CertifiedSource, Shared, SharedPolicy};
pub use connection::{ControllerSource, EcnSupport, Settings, Status};
pub use device::{
    DeviceError, Drops, GatedDevice, GatedRxToken, GatedTxToken, Tally, next_poll, poll,
};
pub use guarded::GuardedSource;
pub use reconnect::Reconnect;
pub use segment::Tuple;
