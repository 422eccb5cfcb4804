//! The transport model: loss recovery and timing after RFC 9002, acknowledgements after RFC 9000
//! §13.2, bytes without content.

mod ack;
mod pacer;
mod persistent;
mod reassembly;
mod receiver;
mod rtt;
mod sender;
mod sent;

pub use ack::{Ack, Direction, Ecn, MAX_RANGES, Packet, Range};
pub use receiver::Receiver;
pub use rtt::RttEstimator;
pub use sender::{EventLog, Sender, SenderStats, Workload};

/// RFC 9002 §6.1.2: timer granularity of one millisecond.
pub const GRANULARITY_NS: u64 = 1_000_000;
/// RFC 9002 §6.1.1: packets between a lost packet and the largest acknowledged one.
pub const PACKET_THRESHOLD: u64 = 3;
/// "Never" as a plain number of nanoseconds.
pub(crate) const NEVER: u64 = u64::MAX;
