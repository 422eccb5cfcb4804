//! What waits before a transmitter: drop-tail and active queue management.

mod buckets;
#[cfg(test)]
mod closed_loop;
mod codel;
mod drop_tail;
mod dual_pi2;
mod fifo;
mod fq_codel;
mod pie;
mod red;
mod spec;
mod step;
#[cfg(test)]
mod tests;
mod timer;

pub use codel::CoDel;
pub use drop_tail::DropTail;
pub use dual_pi2::DualPi2;
pub use fq_codel::{FqCoDel, FqCoDelLaw};
pub use pie::Pie;
pub use red::{DropLaw, Red};
pub use spec::{Limit, QueueSpec};
pub use step::Step;

use core::time::Duration;

use crate::rng::Stream;
use crate::transport::Packet;

/// What stands before a transmitter.
///
/// Every packet passes through [`Queue::enqueue`] and [`Queue::dequeue`], also where the
/// transmitter is idle. Time is an argument, so periodic updates (PIE, DualPI2) are caught up with
/// at the next call: between two calls the queue does not change.
pub trait Queue {
    /// Takes `packet` in, whose `enqueued_ns` is `now_ns`. What is dropped, this packet or others,
    /// is pushed to `dropped`; a packet may be marked in place of a drop.
    fn enqueue(&mut self, now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>);

    /// The packet that is transmitted next; drops at the head are pushed to `dropped`. `None` only
    /// where nothing waits (any more).
    fn dequeue(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet>;

    /// The packets that wait, in no particular order.
    fn waiting(&self) -> impl Iterator<Item = &Packet>;

    /// Bytes that wait.
    fn bytes(&self) -> u64;
}

/// Any of the disciplines, without a pointer in between.
#[derive(Debug)]
pub enum AnyQueue {
    /// First in, first out.
    DropTail(DropTail),
    /// RFC 8289.
    CoDel(CoDel),
    /// RFC 8290.
    FqCoDel(FqCoDel),
    /// RFC 8033.
    Pie(Pie),
    /// Floyd and Jacobson 1993.
    Red(Red),
    /// RFC 9332.
    DualPi2(DualPi2),
    /// Marks at a threshold.
    Step(Step),
}

impl AnyQueue {
    /// An empty queue of at most `limit`; `stream` is for its random drops and hashes.
    pub fn new(spec: &QueueSpec, limit: Limit, stream: Stream) -> Self {
        match *spec {
            QueueSpec::DropTail => Self::DropTail(DropTail::new(limit)),
            QueueSpec::CoDel { target, interval } => {
                Self::CoDel(CoDel::new(target, interval, limit))
            }
            QueueSpec::FqCoDel {
                target,
                interval,
                quantum,
                flows,
            } => {
                let law = FqCoDelLaw {
                    target,
                    interval,
                    quantum,
                    flows,
                };
                Self::FqCoDel(FqCoDel::new(law, limit, stream))
            }
            QueueSpec::Pie {
                target,
                update,
                max_burst,
            } => Self::Pie(Pie::new(target, update, max_burst, limit, stream)),
            QueueSpec::Red {
                min_bytes,
                max_bytes,
                max_probability,
                weight,
            } => {
                let law = DropLaw {
                    min_bytes,
                    max_bytes,
                    max_probability,
                };
                Self::Red(Red::new(law, weight, limit, stream))
            }
            QueueSpec::DualPi2 {
                target,
                update,
                step,
            } => Self::DualPi2(DualPi2::new(target, update, step, limit)),
            QueueSpec::Step { threshold } => Self::Step(Step::new(threshold, limit)),
        }
    }
}

impl Queue for AnyQueue {
    #[inline]
    fn enqueue(&mut self, now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        match self {
            Self::DropTail(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::CoDel(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::FqCoDel(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::Pie(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::Red(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::DualPi2(queue) => queue.enqueue(now_ns, packet, dropped),
            Self::Step(queue) => queue.enqueue(now_ns, packet, dropped),
        }
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet> {
        match self {
            Self::DropTail(queue) => queue.dequeue(now_ns, dropped),
            Self::CoDel(queue) => queue.dequeue(now_ns, dropped),
            Self::FqCoDel(queue) => queue.dequeue(now_ns, dropped),
            Self::Pie(queue) => queue.dequeue(now_ns, dropped),
            Self::Red(queue) => queue.dequeue(now_ns, dropped),
            Self::DualPi2(queue) => queue.dequeue(now_ns, dropped),
            Self::Step(queue) => queue.dequeue(now_ns, dropped),
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        // Not on the path of a packet: one allocation per look.
        let waiting: Box<dyn Iterator<Item = &Packet>> = match self {
            Self::DropTail(queue) => Box::new(queue.waiting()),
            Self::CoDel(queue) => Box::new(queue.waiting()),
            Self::FqCoDel(queue) => Box::new(queue.waiting()),
            Self::Pie(queue) => Box::new(queue.waiting()),
            Self::Red(queue) => Box::new(queue.waiting()),
            Self::DualPi2(queue) => Box::new(queue.waiting()),
            Self::Step(queue) => Box::new(queue.waiting()),
        };
        waiting
    }

    #[inline]
    fn bytes(&self) -> u64 {
        match self {
            Self::DropTail(queue) => queue.bytes(),
            Self::CoDel(queue) => queue.bytes(),
            Self::FqCoDel(queue) => queue.bytes(),
            Self::Pie(queue) => queue.bytes(),
            Self::Red(queue) => queue.bytes(),
            Self::DualPi2(queue) => queue.bytes(),
            Self::Step(queue) => queue.bytes(),
        }
    }
}

/// Whether an event of `probability` happens; draws nothing where it is certain either way.
#[inline]
fn happens(stream: &mut Stream, probability: f64) -> bool {
    if probability <= 0.0 || probability >= 1.0 {
        return probability >= 1.0;
    }
    // 53 bits: every value is a number of its own in 0.0..1.0.
    ((stream.bits() >> 11) as f64) * TWO_TO_THE_MINUS_53 < probability
}

/// At most 584 years.
fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

const TWO_TO_THE_MINUS_53: f64 = 1.0 / (1_u64 << 53) as f64;
