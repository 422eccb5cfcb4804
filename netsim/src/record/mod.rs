//! Captures and logs of a run: observers that write what happens, as it happens.
//!
//! Both writers stream: memory does not grow with the length of the run. They note the first
//! failure of their output, write nothing after it, and report it at the end, because a run cannot
//! be stopped half-way by what watches it.

#[cfg(feature = "pcapng")]
mod datagram;
#[cfg(feature = "pcapng")]
mod pcapng;
#[cfg(feature = "qlog")]
mod qlog;

#[cfg(feature = "qlog")]
pub use self::qlog::FlowLogs;
#[cfg(feature = "pcapng")]
pub use pcapng::Capture;

use crate::sim::{Observation, Observer};

/// Several observers, told in turn.
#[derive(Default)]
pub struct Observers<'a>(Vec<&'a mut dyn Observer>);

impl<'a> Observers<'a> {
    /// With one more.
    #[must_use]
    pub fn with(mut self, observer: &'a mut dyn Observer) -> Self {
        self.0.push(observer);
        self
    }

    /// Whether nobody observes.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl core::fmt::Debug for Observers<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}

impl Observer for Observers<'_> {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        for observer in &mut self.0 {
            observer.observe(now_ns, observation);
        }
    }
}
