//! What the ledger does not know of losses: duplicates without SACK, and how long they have lasted.

use core::time::Duration;

use smoltcp::wire::TcpSeqNumber;
use tautline_core::units::Timestamp;

use super::ledger::Losses;

/// Loss recovery without SACK (RFC 5681 §3.2, RFC 6582).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Duplicates {
    count: u32,
    /// The end of what had left when the last loss was found: until it is acknowledged, every
    /// acknowledgement of less shows the next loss, and duplicates show none.
    recover: Option<TcpSeqNumber>,
}

/// What an acknowledgement without SACK shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    None,
    /// The first segment in flight is lost.
    FrontLost,
}

impl Duplicates {
    /// An acknowledgement of new data.
    pub(super) fn on_progress(&mut self, acknowledgement: TcpSeqNumber) -> Hint {
        self.count = 0;
        match self.recover {
            Some(recover) if acknowledgement < recover => Hint::FrontLost,
            _ => {
                self.recover = None;
                Hint::None
            }
        }
    }

    /// A duplicate: nothing new, no data, the same window.
    pub(super) fn on_duplicate(&mut self, max_sent: TcpSeqNumber) -> Hint {
        self.count = self.count.saturating_add(1);
        if self.count == DUPLICATE_THRESHOLD && self.recover.is_none() {
            self.recover = Some(max_sent);
            return Hint::FrontLost;
        }
        Hint::None
    }

    /// Everything is sent again, so what it acknowledges shows no loss (RFC 6582 §4).
    pub(super) fn on_timeout(&mut self) {
        *self = Self::default();
    }
}

/// How long nothing but losses happened (RFC 9002 §7.6).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossSpan {
    /// When the first and the last packet left that were lost with none acknowledged in between.
    span: Option<(Timestamp, Timestamp)>,
}

impl LossSpan {
    /// Packets were declared lost.
    pub(super) fn on_loss(&mut self, losses: &Losses) {
        let (first, last) = self.span.unwrap_or((losses.first_sent, losses.time_sent));
        self.span = Some((first.min(losses.first_sent), last.max(losses.time_sent)));
    }

    /// Packets were acknowledged, the last of which left at `latest_sent`.
    pub(super) fn on_delivery(&mut self, latest_sent: Timestamp) {
        if self.span.is_some_and(|(first, _)| first <= latest_sent) {
            self.span = None;
        }
    }

    /// True once after the losses have spanned `duration`.
    pub(super) fn is_persistent(&mut self, duration: Option<Duration>) -> bool {
        let (Some((first, last)), Some(duration)) = (self.span, duration) else {
            return false;
        };
        let persistent = last.saturating_since(first) >= duration;
        if persistent {
            self.span = None;
        }
        persistent
    }
}

/// RFC 5681 §3.2.
const DUPLICATE_THRESHOLD: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use tautline_core::units::{Bytes, PacketNumber};

    const SEQ: fn(i32) -> TcpSeqNumber = TcpSeqNumber;

    fn lost(first: u64, last: u64) -> Losses {
        Losses {
            packets: 1,
            bytes: Bytes::new(1),
            number: PacketNumber::new(1),
            time_sent: Timestamp::from_nanos(last),
            first_sent: Timestamp::from_nanos(first),
        }
    }

    #[test]
    fn partial_acknowledgements_show_the_next_loss_until_recovery_ends() {
        let mut duplicates = Duplicates::default();
        assert_eq!(duplicates.on_duplicate(SEQ(i32::MIN + 5)), Hint::None);
        assert_eq!(duplicates.on_duplicate(SEQ(i32::MIN + 5)), Hint::None);
        assert_eq!(duplicates.on_duplicate(SEQ(i32::MIN + 5)), Hint::FrontLost);
        assert_eq!(duplicates.on_duplicate(SEQ(i32::MIN + 5)), Hint::None);
        assert_eq!(duplicates.on_progress(SEQ(i32::MAX)), Hint::FrontLost);
        assert_eq!(duplicates.on_progress(SEQ(i32::MIN + 5)), Hint::None);
        for _ in 0..2 {
            assert_eq!(duplicates.on_duplicate(SEQ(9)), Hint::None);
        }
        duplicates.on_timeout();
        assert_eq!(duplicates.on_duplicate(SEQ(9)), Hint::None);
    }

    #[test]
    fn congestion_is_persistent_when_losses_span_the_duration_without_a_delivery() {
        let mut span = LossSpan::default();
        let limit = Some(Duration::from_nanos(100));
        span.on_loss(&lost(10, 20));
        assert!(!span.is_persistent(limit));
        span.on_delivery(Timestamp::from_nanos(5));
        span.on_loss(&lost(110, 110));
        assert!(!span.is_persistent(None), "no sample yet");
        assert!(span.is_persistent(limit));
        assert!(!span.is_persistent(limit), "once");
        span.on_loss(&lost(10, 20));
        span.on_delivery(Timestamp::from_nanos(15));
        span.on_loss(&lost(200, 210));
        assert!(!span.is_persistent(limit));
    }
}
