//! What applications report, in the units of files.

use serde::{Deserialize, Serialize};

/// Times of completed items, in milliseconds; all zero where none completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSummary {
    /// Number of items.
    pub count: u64,
    /// Mean, exact.
    pub mean_ms: f64,
    /// Median, to 1/64.
    pub p50_ms: f64,
    /// 95th percentile, to 1/64.
    pub p95_ms: f64,
    /// 99th percentile, to 1/64.
    pub p99_ms: f64,
    /// Maximum, exact.
    pub max_ms: f64,
}

/// One flow's application over the measurement window.
///
/// Counts are of items that began in the window, so that what completed never exceeds what began;
/// figures are zero where nothing happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ApplicationReport {
    /// As much as fits.
    Bulk(BulkReport),
    /// As much as fits, in periods.
    OnOff(OnOffReport),
    /// Objects at random instants.
    Web(WebReport),
    /// Requests and responses.
    RequestResponse(RequestResponseReport),
    /// Frames with deadlines.
    RealTime(RealTimeReport),
    /// Chunks of a rate chosen by the buffer.
    Video(VideoReport),
    /// Synchronised bursts.
    Incast(IncastReport),
}

/// As much as fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkReport {
    /// Bytes that were read in order in the window.
    pub delivered_bytes: u64,
}

/// As much as fits, in periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OnOffReport {
    /// Periods with data that began in the window.
    pub periods: u64,
    /// Time with data in the window.
    pub on_s: f64,
    /// Bytes that were read in order in the window.
    pub delivered_bytes: u64,
    /// Those bytes per time with data.
    pub rate_while_on_mbps: f64,
}

/// Objects at random instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebReport {
    /// Objects that arrived at the sending application.
    pub objects: u64,
    /// Those that the receiving application has whole.
    pub completed: u64,
    /// Bytes of the completed ones.
    pub completed_bytes: u64,
    /// From an object's arrival at the sender to its last byte at the receiver.
    pub completion: TimeSummary,
}

/// Requests and responses; `requests = completed + failed + (0 or 1 outstanding)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestResponseReport {
    /// Requests, each counted once however often it was sent.
    pub requests: u64,
    /// Requests whose response came whole before they were given up.
    pub completed: u64,
    /// Requests that were given up: out of attempts or of retry budget.
    pub failed: u64,
    /// Requests without a whole response at their deadline, failed and outstanding ones included.
    pub missed_deadlines: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Retries that the retry budget refused.
    pub refused_retries: u64,
    /// Whole responses that nobody waited for any more: second copies, and those of requests
    /// that were given up.
    pub wasted_responses: u64,
    /// Bytes of those.
    pub wasted_bytes: u64,
    /// Bytes of the responses that completed a request.
    pub useful_bytes: u64,
    /// Requests that the server turned away because too many responses were waiting.
    pub turned_away: u64,
    /// From the first sending of a request to the last byte of the first response.
    pub response: TimeSummary,
}

/// Frames with deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RealTimeReport {
    /// Frames that were written.
    pub frames: u64,
    /// Those that the receiving application has whole.
    pub delivered: u64,
    /// Those that missed their deadline, whether they came later or not yet.
    pub late: u64,
    /// `late` per frame that was delivered or is late; 0 to 1.
    pub late_fraction: f64,
    /// From the writing of a frame to its last byte at the receiver.
    pub delay: TimeSummary,
}

/// Chunks of a rate chosen by the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoReport {
    /// Chunks that were asked for.
    pub chunks: u64,
    /// Those that came whole.
    pub completed: u64,
    /// Mean rate of the chunks that came whole.
    pub bitrate_mbps: f64,
    /// Chunks of another rate than the one before.
    pub switches: u64,
    /// Interruptions that began in the window.
    pub rebuffers: u64,
    /// Time of interruptions in the window.
    pub rebuffer_s: f64,
    /// Time of playing in the window.
    pub played_s: f64,
    /// From the flow's start to the first picture, of the whole run; zero before it.
    pub startup_s: f64,
}

/// Synchronised bursts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncastReport {
    /// Bursts that were written.
    pub bursts: u64,
    /// Those that came whole.
    pub completed: u64,
    /// From the instant of a burst to its last byte at the receiver.
    pub completion: TimeSummary,
    /// Number of the first burst in `completions_ms`; equal numbers mean equal instants.
    pub first_burst: u64,
    /// The same times one by one, of the first 1,024 bursts.
    pub completions_ms: Vec<f64>,
}

impl IncastReport {
    /// When the last of all flows had each burst, in milliseconds since its instant.
    ///
    /// Only bursts that every one of `flows` completed appear, at most 1,024.
    pub fn batch_completions_ms<'a>(flows: impl IntoIterator<Item = &'a Self>) -> Vec<f64> {
        let flows: Vec<&Self> = flows.into_iter().collect();
        let Some(first) = flows.iter().map(|flow| flow.first_burst).max() else {
            return Vec::new();
        };
        let shared = |flow: &&Self| {
            let skipped = usize::try_from(first - flow.first_burst).unwrap_or(usize::MAX);
            flow.completions_ms
                .get(skipped..)
                .unwrap_or_default()
                .to_vec()
        };
        let mut rows = flows.iter().map(shared);
        let Some(mut worst) = rows.next() else {
            return Vec::new();
        };
        for row in rows {
            worst.truncate(row.len());
            for (slowest, time) in worst.iter_mut().zip(row) {
                *slowest = slowest.max(time);
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_complete_when_its_slowest_flow_is() {
        let flow = |first_burst, completions_ms: &[f64]| IncastReport {
            first_burst,
            completions_ms: completions_ms.to_vec(),
            ..IncastReport::default()
        };
        let flows = [flow(3, &[1.0, 9.0, 2.0]), flow(4, &[5.0, 7.0, 8.0])];
        assert_eq!(IncastReport::batch_completions_ms(&flows), [9.0, 7.0]);
        assert_eq!(
            IncastReport::batch_completions_ms(&flows[..1]),
            [1.0, 9.0, 2.0]
        );
        assert_eq!(IncastReport::batch_completions_ms([]), [0.0; 0]);
        let apart = [flow(0, &[1.0]), flow(7, &[1.0])];
        assert_eq!(IncastReport::batch_completions_ms(&apart), [0.0; 0]);
    }
}
