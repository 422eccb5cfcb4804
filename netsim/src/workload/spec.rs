//! Workloads as a scenario describes them.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

/// Size of an object in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SizeSpec {
    /// Always this many.
    Fixed(Bytes),
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Bytes,
    },
    /// Pareto, cut off at `max`.
    Pareto {
        /// Smallest size.
        min: Bytes,
        /// Tail index, above 0; the smaller, the heavier the tail.
        shape: f64,
        /// Largest size.
        max: Bytes,
    },
    /// Log-normal, cut off at `max`.
    LogNormal {
        /// Median.
        median: Bytes,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// Largest size.
        max: Bytes,
    },
}

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySpec {
    /// Wait before the first retry.
    pub timeout: Duration,
    /// Factor on the wait per retry; at least 1.
    pub backoff: f64,
    /// Share of each wait that is random, 0 to 1.
    pub jitter: f64,
    /// Most sendings of one request, the first included; at least 1.
    pub attempts: u32,
    /// Retries earned per request (a retry budget); 0 to 10.
    pub budget: f64,
}

/// What a flow's application does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WorkloadSpec {
    /// As much as fits, up to the flow's limit.
    #[default]
    Bulk,
    /// As much as fits in exponential periods, nothing in between.
    OnOff {
        /// Mean of the periods with data.
        on: Duration,
        /// Mean of those without.
        off: Duration,
    },
    /// Objects at the instants of a Poisson process, one behind the other.
    Web {
        /// Mean time between objects.
        every: Duration,
        /// Their sizes.
        object: SizeSpec,
    },
    /// Requests, one after the other, each with a response.
    RequestResponse {
        /// Size of a request.
        request: Bytes,
        /// Sizes of the responses.
        response: SizeSpec,
        /// Mean exponential pause between a response and the next request.
        think: Duration,
        /// Time in which a response must be whole.
        deadline: Duration,
        /// What is done where it is not.
        retry: RetrySpec,
    },
    /// Frames at a constant rate, each with a deadline.
    RealTime {
        /// Rate of the payload.
        rate: Bandwidth,
        /// Time between frames.
        frame_every: Duration,
        /// Time in which a frame must arrive.
        deadline: Duration,
    },
    /// Video in chunks, whose rate is chosen by what is buffered (BBA: Huang et al., SIGCOMM 2014).
    Video {
        /// Playing time of a chunk.
        chunk: Duration,
        /// Rates to choose from, increasing.
        ladder: Vec<Bandwidth>,
        /// Most playing time that is buffered.
        buffer: Duration,
    },
    /// A burst at the same instants as all other such flows.
    Incast {
        /// Bytes of a burst.
        burst: Bytes,
        /// Time between bursts.
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
