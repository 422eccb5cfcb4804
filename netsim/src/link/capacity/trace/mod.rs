//! mahimahi traces: a file of packet delivery opportunities.

mod error;
mod reader;

pub use error::TraceError;

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tautline_core::units::{Bandwidth, Bytes};

use self::reader::TimeReader;
use super::opportunities::{Instants, OPPORTUNITY_BYTES, count_one_by_one};

/// A mahimahi trace: one time in milliseconds per line, each an opportunity for 1504 bytes.
///
/// Times must not decrease; a line that stands twice is two opportunities, and time zero is legal.
/// At its end the trace starts over, all times later by its last one (link_queue.cc).
///
/// Files of up to 8 MiB are kept in memory, once for all clones; larger ones are read in blocks
/// while a simulation runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSpec {
    trace: Arc<Trace>,
}

impl TraceSpec {
    /// Reads and checks the whole of `file`.
    ///
    /// # Errors
    /// A [`TraceError`] that names file and line where the file cannot be read, has a line that is
    /// empty, not a time or before the one above, has no line at all, or ends at time zero.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, TraceError> {
        Self::load_keeping(file.as_ref(), LARGEST_KEPT_BYTES)
    }

    /// Keeps files of up to `kept_bytes` in memory.
    fn load_keeping(file: &Path, kept_bytes: u64) -> Result<Self, TraceError> {
        let mut reader = TimeReader::new(file);
        let mut times = Some(Vec::new());
        let mut last_ms = 0;
        while let Some(time_ms) = reader.next_ms()? {
            last_ms = time_ms;
            if reader.bytes_read() > kept_bytes {
                times = None;
            }
            if let Some(times) = &mut times {
                times.push(time_ms);
            }
        }
        let file = file.to_owned();
        let opportunities = reader.lines();
        if opportunities == 0 {
            return Err(TraceError::Empty { file });
        }
        if last_ms == 0 {
            let line = opportunities;
            return Err(TraceError::NoLength { file, line });
        }
        let trace = Trace {
            file,
            opportunities,
            length_ms: last_ms,
            times: times.map(Vec::into_boxed_slice),
        };
        Ok(Self {
            trace: Arc::new(trace),
        })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.trace.file
    }

    /// Opportunities until it starts over; at least one.
    pub fn opportunities(&self) -> u64 {
        self.trace.opportunities
    }

    /// After what time it starts over; at least 1 ms.
    pub fn length(&self) -> Duration {
        Duration::from_millis(u64::from(self.trace.length_ms))
    }

    /// Mean rate at full use.
    pub fn mean_rate(&self) -> Bandwidth {
        let bytes = Bytes::new(self.trace.opportunities);
        Bandwidth::from_transfer(
            bytes.saturating_mul(u64::from(OPPORTUNITY_BYTES)),
            self.length(),
        )
    }

    /// Whether it is read from the file while a simulation runs.
    pub fn streams(&self) -> bool {
        self.trace.times.is_none()
    }
}

/// A trace that was checked.
#[derive(PartialEq, Eq)]
struct Trace {
    file: PathBuf,
    opportunities: u64,
    length_ms: u32,
    /// In milliseconds; `None` where the file is too large.
    times: Option<Box<[u32]>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("file", &self.file)
            .field("opportunities", &self.opportunities)
            .field("length_ms", &self.length_ms)
            .finish_non_exhaustive()
    }
}

impl Trace {
    /// Those of `times` before `time_ns` over all rounds.
    fn count_before(&self, times: &[u32], time_ns: u64) -> u64 {
        let Some(last_ms) = time_ns.div_ceil(NANOS_PER_MS).checked_sub(1) else {
            return 0;
        };
        // The end of a round belongs to it; the next one begins at the same instant.
        let length_ms = u64::from(self.length_ms);
        let rounds = last_ms / length_ms;
        let bound_ms = last_ms % length_ms;
        let below = times.partition_point(|&time_ms| u64::from(time_ms) <= bound_ms);
        rounds.saturating_mul(self.opportunities) + below as u64
    }
}

/// The opportunities of a trace, round after round.
#[derive(Clone, Debug)]
pub(super) struct TraceInstants {
    trace: Arc<Trace>,
    source: Source,
    /// When this round began.
    round_ns: u64,
    failure: Option<String>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Index of the next time.
    Kept(usize),
    /// The file.
    Streamed(Box<TimeReader>),
}

impl TraceInstants {
    pub(super) fn new(spec: &TraceSpec) -> Self {
        Self::over(Arc::clone(&spec.trace))
    }

    fn over(trace: Arc<Trace>) -> Self {
        let source = match trace.times {
            Some(_) => Source::Kept(0),
            None => Source::Streamed(Box::new(TimeReader::new(&trace.file))),
        };
        Self {
            trace,
            source,
            round_ns: 0,
            failure: None,
        }
    }

    /// Why the file could not be read on.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The next time of this round in milliseconds, or `None` at its end.
    fn next_ms(&mut self) -> Result<Option<u32>, TraceError> {
        match &mut self.source {
            Source::Kept(index) => {
                let times = self.trace.times.as_deref().unwrap_or_default();
                let time_ms = times.get(*index).copied();
                *index = if time_ms.is_some() { *index + 1 } else { 0 };
                Ok(time_ms)
            }
            Source::Streamed(reader) => {
                let time_ms = reader.next_ms()?;
                if time_ms.is_none() {
                    if reader.lines() != self.trace.opportunities {
                        let file = self.trace.file.clone();
                        return Err(TraceError::Changed { file });
                    }
                    reader.rewind();
                }
                Ok(time_ms)
            }
        }
    }

    fn advance(&mut self) -> Result<u64, TraceError> {
        let length_ns = u64::from(self.trace.length_ms) * NANOS_PER_MS;
        loop {
            if let Some(time_ms) = self.next_ms()? {
                let time_ns = u64::from(time_ms) * NANOS_PER_MS;
                if time_ns > length_ns {
                    let file = self.trace.file.clone();
                    return Err(TraceError::Changed { file });
                }
                return Ok(self.round_ns.saturating_add(time_ns));
            }
            self.round_ns = self.round_ns.saturating_add(length_ns);
        }
    }
}

impl Instants for TraceInstants {
    /// Lines are at most a round apart, so the bound saves nothing.
    fn next_before_ns(&mut self, _bound_ns: u64) -> u64 {
        if self.failure.is_some() {
            return u64::MAX;
        }
        match self.advance() {
            Ok(time_ns) => time_ns,
            Err(error) => {
                self.failure = Some(error.to_string());
                u64::MAX
            }
        }
    }

    fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.trace))
    }

    fn count_between(&self, times_ns: &[u64]) -> Vec<u64> {
        let Some(times) = &self.trace.times else {
            return count_one_by_one(self.restarted(), times_ns);
        };
        let before: Vec<u64> = times_ns
            .iter()
            .map(|&time_ns| self.trace.count_before(times, time_ns))
            .collect();
        let pairs = before.iter().zip(before.iter().skip(1));
        pairs
            .map(|(from, until)| until.saturating_sub(*from))
            .collect()
    }
}

/// Largest file that is kept in memory.
const LARGEST_KEPT_BYTES: u64 = 8 << 20;
const NANOS_PER_MS: u64 = 1_000_000;

#[cfg(test)]
mod tests;
