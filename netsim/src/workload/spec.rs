//! Workloads as a scenario describes them.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

/// Size of an object in bytes; whatever is drawn counts as at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SizeSpec {
    /// Always this many; at least 1.
    Fixed(Bytes),
    /// Exponential.
    Exponential {
        /// Mean; at least 1.
        mean: Bytes,
    },
    /// Pareto, cut off at `max`.
    Pareto {
        /// Smallest size; at least 1.
        min: Bytes,
        /// Tail index, above 0; the smaller, the heavier the tail.
        shape: f64,
        /// Largest size; at least `min`.
        max: Bytes,
    },
    /// Log-normal, cut off at `max`.
    LogNormal {
        /// Median; at least 1.
        median: Bytes,
        /// Standard deviation of the logarithm; finite, at least 0.
        sigma: f64,
        /// Largest size; at least the median.
        max: Bytes,
    },
}

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySpec {
    /// Wait before the first retry, and before giving up without one; above 0, at least 1 ms.
    pub timeout: Duration,
    /// Factor on the wait per retry; finite, at least 1.
    pub backoff: f64,
    /// Share of each wait that is uniform at random, 0 to 1: the wait `w` becomes
    /// `(1 − jitter) · w` to `w`, so that 1 is "full jitter" and one half "equal jitter".
    pub jitter: f64,
    /// Most sendings of one request, the first included; at least 1.
    pub attempts: u32,
    /// Retries earned per request (a retry budget), 0 to 10; nothing is saved at the start, and
    /// at most ten are saved up. Where none is left, a timeout fails its request.
    pub budget: f64,
}

/// What a flow's application does.
///
/// The ranges are those that make sense and that a scenario is held to; [`super::Application`]
/// survives all others, but shorter intervals cost as much time as they hold events.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WorkloadSpec {
    /// As much as fits, up to the flow's limit.
    #[default]
    Bulk,
    /// As much as fits in exponential periods, nothing in between.
    OnOff {
        /// Mean of the periods with data; at least 1 ms.
        on: Duration,
        /// Mean of those without; at least 1 ms.
        off: Duration,
    },
    /// Objects at the instants of a Poisson process, one behind the other.
    Web {
        /// Mean time between objects; at least 10 µs.
        every: Duration,
        /// Their sizes.
        object: SizeSpec,
    },
    /// Requests, one after the other, each with a response.
    RequestResponse {
        /// Size of a request; 1 B to 1 MiB, as it travels as one packet.
        request: Bytes,
        /// Sizes of the responses.
        response: SizeSpec,
        /// Mean exponential pause between a response (or giving up on it) and the next request;
        /// may be zero. The first request leaves at the start.
        think: Duration,
        /// Time in which a response must be whole, since the first sending of its request;
        /// above 0. It judges: what is done where it is missed is up to `retry`.
        deadline: Duration,
        /// What is done where it is not.
        retry: RetrySpec,
    },
    /// Frames at a constant rate, each with a deadline.
    RealTime {
        /// Rate of the payload; at least one byte per frame.
        rate: Bandwidth,
        /// Time between frames; at least 100 µs.
        frame_every: Duration,
        /// Time in which a frame must arrive, since it was written; above 0.
        deadline: Duration,
    },
    /// Video in chunks, whose rate is chosen by what is buffered (BBA: Huang et al., SIGCOMM 2014).
    Video {
        /// Playing time of a chunk; at least 10 ms.
        chunk: Duration,
        /// Rates to choose from, increasing; 1 to 256 of them, above 0.
        ladder: Vec<Bandwidth>,
        /// Most playing time that is buffered; at least two chunks.
        buffer: Duration,
    },
    /// A burst at the same instants as all other such flows: the multiples of `every` since the
    /// start of the run, from the flow's start on.
    Incast {
        /// Bytes of a burst; at least 1.
        burst: Bytes,
        /// Time between bursts; at least 1 ms.
        every: Duration,
    },
}

impl WorkloadSpec {
    /// Its name in scenario files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::OnOff { .. } => "on-off",
            Self::Web { .. } => "web",
            Self::RequestResponse { .. } => "request-response",
            Self::RealTime { .. } => "real-time",
            Self::Video { .. } => "video",
            Self::Incast { .. } => "incast",
        }
    }
}
