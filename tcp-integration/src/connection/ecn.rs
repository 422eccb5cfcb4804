//! Explicit congestion notification for a stack that knows nothing of it (RFC 3168 §6.1).

use smoltcp::wire::TcpSeqNumber;

use super::types::EcnSupport;
use crate::segment::{Ecn, Flags};

/// The state of both roles.
#[derive(Clone, Copy, Debug)]
pub(super) struct EcnState {
    support: EcnSupport,
    negotiated: bool,
    /// SYNs that offered it so far.
    offers: u8,
    /// As a receiver: echo marks until the peer says that it has responded.
    echo: bool,
    /// As a sender: echoes up to here are about the window that was reduced already.
    reduced_until: Option<TcpSeqNumber>,
    /// As a sender: say with the next new data that the window was reduced.
    announce_reduction: bool,
}

impl EcnState {
    /// Before the handshake.
    pub(super) const fn new(support: EcnSupport) -> Self {
        Self {
            support,
            negotiated: false,
            offers: 0,
            echo: false,
            reduced_until: None,
            announce_reduction: false,
        }
    }

    /// Whether a departing SYN offers it; the third no longer does, for the sake of paths that
    /// drop such SYNs (RFC 3168 §6.1.1.1).
    pub(super) fn offers(&mut self) -> bool {
        self.offers = self.offers.saturating_add(1);
        self.support == EcnSupport::On && self.offers <= MAX_OFFERS
    }

    /// A SYN-ACK arrived that answers our offer.
    pub(super) fn on_answer(&mut self, flags: Flags) {
        let offered = self.support == EcnSupport::On && self.offers <= MAX_OFFERS;
        self.negotiated = offered && flags.ece && !flags.cwr;
    }

    /// A SYN arrived with `flags`; true if our SYN-ACK shall accept the offer in it.
    pub(super) fn on_offer(&mut self, flags: Flags) -> bool {
        self.negotiated = self.support == EcnSupport::On && flags.ece && flags.cwr;
        self.negotiated
    }

    /// True if both ends agreed.
    pub(super) const fn is_negotiated(&self) -> bool {
        self.negotiated
    }

    /// A segment that the stack takes arrived; returns true if it tells of congestion that the
    /// window was not reduced for yet. `acknowledged` is what it acknowledges, `max_sent` the end
    /// of what left.
    pub(super) fn on_arrival(
        &mut self,
        flags: Flags,
        ecn: Ecn,
        acknowledged: TcpSeqNumber,
        max_sent: TcpSeqNumber,
    ) -> bool {
        if !self.negotiated {
            return false;
        }
        if flags.cwr {
            self.echo = false;
        }
        self.echo |= ecn == Ecn::Ce;
        if self.reduced_until.is_some_and(|end| end <= acknowledged) {
            self.reduced_until = None;
        }
        let fresh = flags.ece && !flags.syn && self.reduced_until.is_none();
        if fresh {
            self.on_reduction(max_sent);
        }
        fresh
    }

    /// The window was reduced while data up to `max_sent` had left.
    pub(super) fn on_reduction(&mut self, max_sent: TcpSeqNumber) {
        if self.negotiated {
            self.reduced_until = Some(max_sent);
            self.announce_reduction = true;
        }
    }

    /// True if departing segments with the ACK bit echo a mark.
    pub(super) const fn echoes(&self) -> bool {
        self.echo
    }

    /// New data leaves; true if it says that the window was reduced.
    pub(super) fn announces(&mut self) -> bool {
        core::mem::take(&mut self.announce_reduction)
    }
}

const MAX_OFFERS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const ECE: Flags = Flags {
        syn: false,
        fin: false,
        rst: false,
        psh: false,
        ack: true,
        ece: true,
        cwr: false,
    };

    fn negotiated() -> EcnState {
        let mut ecn = EcnState::new(EcnSupport::On);
        assert!(ecn.offers());
        ecn.on_answer(ECE);
        assert!(ecn.is_negotiated());
        ecn
    }

    #[test]
    fn one_window_answers_one_mark() {
        let mut ecn = negotiated();
        let sent = TcpSeqNumber(i32::MAX);
        assert!(ecn.on_arrival(ECE, Ecn::NotEct, TcpSeqNumber(i32::MAX - 100), sent));
        assert!(!ecn.on_arrival(ECE, Ecn::NotEct, TcpSeqNumber(i32::MAX - 1), sent));
        assert!(ecn.announces());
        assert!(!ecn.announces());
        let next = TcpSeqNumber(i32::MIN + 100);
        assert!(ecn.on_arrival(ECE, Ecn::NotEct, sent, next), "a new window");
    }

    #[test]
    fn marks_are_echoed_until_the_peer_has_responded() {
        let mut ecn = negotiated();
        let none = Flags::default();
        let zero = TcpSeqNumber(0);
        ecn.on_arrival(none, Ecn::Ce, zero, zero);
        assert!(ecn.echoes());
        ecn.on_arrival(none, Ecn::Ect0, zero, zero);
        assert!(ecn.echoes());
        let cwr = Flags { cwr: true, ..none };
        ecn.on_arrival(cwr, Ecn::Ect0, zero, zero);
        assert!(!ecn.echoes());
        ecn.on_arrival(cwr, Ecn::Ce, zero, zero);
        assert!(ecn.echoes(), "marked again on the way");
    }

    #[test]
    fn nothing_is_negotiated_against_the_settings_or_with_a_reflecting_peer() {
        let mut off = EcnState::new(EcnSupport::Off);
        assert!(!off.offers());
        let offer = Flags { cwr: true, ..ECE };
        assert!(!off.on_offer(offer));
        let mut on = EcnState::new(EcnSupport::On);
        assert!(on.on_offer(offer));
        assert!(!on.on_offer(Flags::default()));
        assert!(on.offers() && on.offers() && !on.offers());
        on.on_answer(offer);
        assert!(!on.is_negotiated());
    }
}
