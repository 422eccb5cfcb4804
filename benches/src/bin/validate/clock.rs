//! Time on the processor, as `tautline sim` measures it.

use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time that the calling thread has spent on a processor.
pub(crate) fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
