//! Queues as a scenario describes them.

use core::time::Duration;

use crate::transport::Packet;

/// How much may wait; the packet in transmission is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes on the wire.
    Bytes(u64),
    /// Packets of any size.
    Packets(u64),
}

impl Limit {
    /// Whether so many packets with so many bytes may wait.
    #[inline]
    pub const fn holds(self, packets: u64, bytes: u64) -> bool {
        match self {
            Self::Bytes(limit) => bytes <= limit,
            Self::Packets(limit) => packets <= limit,
        }
    }

    /// Whether `packet` may wait as well where `packets` with `bytes` do.
    #[inline]
    pub(super) const fn fits(self, packets: u64, bytes: u64, packet: &Packet) -> bool {
        self.holds(packets + 1, bytes + packet.bytes as u64)
    }
}

/// The discipline of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum QueueSpec {
    /// First in, first out; what does not fit is dropped.
    #[default]
    DropTail,
    /// CoDel (RFC 8289): drops or marks at the head while the waiting time stays above `target`.
    CoDel {
        /// Acceptable standing delay, 10 µs to 1 s; 5 ms by default.
        target: Duration,
        /// Window in which it must be met, above `target`, up to 10 s; 100 ms by default.
        interval: Duration,
    },
    /// FQ-CoDel (RFC 8290): CoDel per flow, served in turns.
    FqCoDel {
        /// Acceptable standing delay, 10 µs to 1 s; 5 ms by default.
        target: Duration,
        /// Window in which it must be met, above `target`, up to 10 s; 100 ms by default.
        interval: Duration,
        /// Bytes that a queue sends per round, 256 to 1,048,576; 1514 by default.
        quantum: u32,
        /// Hash buckets, 1 to 65,536; 1024 by default.
        flows: u32,
    },
    /// PIE (RFC 8033): drops or marks arrivals with a controlled probability.
    Pie {
        /// QDELAY_REF, 100 µs to 1 s; 15 ms by default.
        target: Duration,
        /// T_UPDATE, 1 ms to 1 s; 15 ms by default.
        update: Duration,
        /// MAX_BURST, up to 10 s; 150 ms by default.
        max_burst: Duration,
    },
    /// RED (Floyd and Jacobson 1993) with the gentle region up to twice `max_bytes`.
    Red {
        /// Average bytes from which packets are dropped; at least one.
        min_bytes: u64,
        /// Average bytes at which `max_probability` is reached; above `min_bytes`.
        max_bytes: u64,
        /// Probability at `max_bytes`, above zero, up to one; 0.1 by default. Drops are spaced
        /// evenly, which makes about twice as many of them (§7 of the paper).
        max_probability: f64,
        /// Weight of the average, above zero, up to one; 0.002 by default.
        weight: f64,
    },
    /// DualPI2 (RFC 9332): a classic and a low-latency queue, coupled. ECT(1) and CE wait in the
    /// latter.
    DualPi2 {
        /// Target of the classic queue, 100 µs to 1 s; 15 ms by default.
        target: Duration,
        /// Tupdate, 1 ms to 1 s; 16 ms by default, as in Linux.
        update: Duration,
        /// Step threshold of the low-latency queue, up to 1 s; 1 ms by default.
        step: Duration,
    },
    /// First in, first out, marking packets that waited longer than a threshold (the step of
    /// RFC 9332 §4.2 alone, as in data centres); what does not fit is dropped.
    Step {
        /// Waiting time from which capable packets are marked while others wait behind them, up to
        /// 1 s; 1 ms by default.
        threshold: Duration,
    },
}

impl QueueSpec {
    /// CoDel with the defaults of RFC 8289 §4.
    pub const fn codel() -> Self {
        Self::CoDel {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
        }
    }

    /// FQ-CoDel with the defaults of RFC 8290 §5.2.
    pub const fn fq_codel() -> Self {
        Self::FqCoDel {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            quantum: 1514,
            flows: 1024,
        }
    }

    /// PIE with the defaults of RFC 8033.
    pub const fn pie() -> Self {
        Self::Pie {
            target: Duration::from_millis(15),
            update: Duration::from_millis(15),
            max_burst: Duration::from_millis(150),
        }
    }

    /// RED between two average lengths, with the usual probability and weight.
    pub const fn red(min_bytes: u64, max_bytes: u64) -> Self {
        Self::Red {
            min_bytes,
            max_bytes,
            max_probability: 0.1,
            weight: 0.002,
        }
    }

    /// DualPI2 with the target of RFC 9332 Appendix A.1 and the update period and step of Linux.
    pub const fn dual_pi2() -> Self {
        Self::DualPi2 {
            target: Duration::from_millis(15),
            update: Duration::from_millis(16),
            step: Duration::from_millis(1),
        }
    }

    /// Marks at one millisecond.
    pub const fn step() -> Self {
        Self::Step {
            threshold: Duration::from_millis(1),
        }
    }

    /// Its name in scenario files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DropTail => "drop-tail",
            Self::CoDel { .. } => "codel",
            Self::FqCoDel { .. } => "fq-codel",
            Self::Pie { .. } => "pie",
            Self::Red { .. } => "red",
            Self::DualPi2 { .. } => "dualpi2",
            Self::Step { .. } => "step",
        }
    }
}
