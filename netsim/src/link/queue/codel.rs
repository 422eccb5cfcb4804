//! Controlled delay.

use core::time::Duration;

use super::fifo::{Fifo, sojourn_ns};
use super::{Limit, Queue, nanoseconds};
use crate::transport::{Ecn, Packet};

/// Drops at the head, ever more often while the sojourn time stays above a target.
///
/// ECN-capable packets are marked where others are dropped. "MTU" in the RFC, the backlog that is
/// never dropped from, is here the largest packet seen so far.
///
/// # Source
/// RFC 8289 §5; marks as §3 allows them and Linux does: a mark ends the drops of one call.
#[derive(Debug)]
pub struct CoDel {
    fifo: Fifo,
    limit: Limit,
    law: ControlLaw,
    largest_bytes: u64,
    state: CoDelState,
}

impl CoDel {
    /// An empty queue of at most `limit`.
    pub fn new(target: Duration, interval: Duration, limit: Limit) -> Self {
        Self {
            fifo: Fifo::new(),
            limit,
            law: ControlLaw::new(target, interval),
            largest_bytes: 0,
            state: CoDelState::default(),
        }
    }
}

impl Queue for CoDel {
    #[inline]
    fn enqueue(&mut self, _now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        self.largest_bytes = self.largest_bytes.max(u64::from(packet.bytes));
        if self.limit.fits(self.fifo.len(), self.fifo.bytes(), &packet) {
            self.fifo.push(packet);
        } else {
            dropped.push(packet);
        }
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet> {
        let law = self.law.with_mtu(self.largest_bytes);
        self.state.dequeue(now_ns, law, &mut self.fifo, dropped)
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.fifo.iter()
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.fifo.bytes()
    }
}

/// The parameters of CoDel.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlLaw {
    target_ns: u64,
    interval_ns: u64,
    mtu_bytes: u64,
}

impl ControlLaw {
    pub(super) fn new(target: Duration, interval: Duration) -> Self {
        Self {
            target_ns: nanoseconds(target),
            interval_ns: nanoseconds(interval),
            mtu_bytes: 0,
        }
    }

    #[inline]
    pub(super) const fn with_mtu(mut self, bytes: u64) -> Self {
        self.mtu_bytes = bytes;
        self
    }

    /// RFC 8289 §5.4 `control_law`, rounded down to a nanosecond.
    #[inline]
    fn next_ns(self, after_ns: u64, count: u32) -> u64 {
        let step_ns = self.interval_ns as f64 / libm::sqrt(f64::from(count.max(1)));
        after_ns.saturating_add(step_ns as u64)
    }
}

/// The memory of CoDel, apart from the queue that it works on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CoDelState {
    /// `first_above_time_`: when the sojourn time will have been above target for an interval.
    first_above_ns: Option<u64>,
    drop_next_ns: u64,
    count: u32,
    last_count: u32,
    dropping: bool,
}

impl CoDelState {
    /// RFC 8289 §5.5: the packet to be sent.
    pub(super) fn dequeue(
        &mut self,
        now_ns: u64,
        law: ControlLaw,
        fifo: &mut Fifo,
        dropped: &mut Vec<Packet>,
    ) -> Option<Packet> {
        let (head, ok_to_drop) = self.dodequeue(now_ns, law, fifo);
        let mut head = head?;
        if self.dropping {
            self.dropping = ok_to_drop;
            while self.dropping && now_ns >= self.drop_next_ns {
                self.count = self.count.saturating_add(1);
                if head.ecn.is_capable() {
                    head.ecn = Ecn::Ce;
                    self.drop_next_ns = law.next_ns(self.drop_next_ns, self.count);
                    break;
                }
                dropped.push(head);
                let (next, ok_to_drop) = self.dodequeue(now_ns, law, fifo);
                self.dropping = ok_to_drop;
                head = next?;
                if ok_to_drop {
                    self.drop_next_ns = law.next_ns(self.drop_next_ns, self.count);
                }
            }
        } else if ok_to_drop {
            self.enter_dropping(now_ns, law);
            if head.ecn.is_capable() {
                head.ecn = Ecn::Ce;
            } else {
                dropped.push(head);
                head = self.dodequeue(now_ns, law, fifo).0?;
            }
        }
        Some(head)
    }

    /// RFC 8289 §5.5: after a recent dropping state, goes on near the rate that ended it.
    fn enter_dropping(&mut self, now_ns: u64, law: ControlLaw) {
        self.dropping = true;
        let delta = self.count.saturating_sub(self.last_count);
        let recent_ns = law.interval_ns.saturating_mul(16);
        let is_recent = now_ns < self.drop_next_ns.saturating_add(recent_ns);
        self.count = if delta > 1 && is_recent { delta } else { 1 };
        self.drop_next_ns = law.next_ns(now_ns, self.count);
        self.last_count = self.count;
    }

    /// RFC 8289 §5.6: the head, and whether it may be dropped.
    #[inline]
    fn dodequeue(
        &mut self,
        now_ns: u64,
        law: ControlLaw,
        fifo: &mut Fifo,
    ) -> (Option<Packet>, bool) {
        let Some(packet) = fifo.pop() else {
            self.first_above_ns = None;
            self.dropping = false;
            return (None, false);
        };
        if sojourn_ns(&packet, now_ns) < law.target_ns || fifo.bytes() <= law.mtu_bytes {
            self.first_above_ns = None;
            return (Some(packet), false);
        }
        let first_above_ns = *self
            .first_above_ns
            .get_or_insert_with(|| now_ns.saturating_add(law.interval_ns));
        (Some(packet), now_ns >= first_above_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::{at, packet};

    const MS: u64 = 1_000_000;

    fn filled(now_ns: u64, ecn: Ecn, queue: &mut CoDel) {
        for number in 0..1000 {
            queue.enqueue(
                now_ns,
                at(now_ns, packet(0, number, 1500, ecn)),
                &mut vec![],
            );
        }
    }

    fn rfc() -> CoDel {
        CoDel::new(
            Duration::from_millis(5),
            Duration::from_millis(100),
            Limit::Packets(2000),
        )
    }

    /// Dequeues each millisecond of `from..to`: when something was dropped, and when marked.
    fn serve(queue: &mut CoDel, from: u64, to: u64) -> (Vec<u64>, Vec<u64>) {
        let (mut drops, mut marks) = (vec![], vec![]);
        for ms in from..to {
            let mut dropped = vec![];
            let sent = queue.dequeue(ms * MS, &mut dropped).unwrap();
            drops.extend(dropped.iter().map(|_| ms));
            if sent.ecn == Ecn::Ce {
                marks.push(ms);
            }
        }
        (drops, marks)
    }

    // All packets arrive at 0 and one leaves each ms, so the sojourn time is the time.
    // t = 5: 5 ms ≥ target, first_above_time = 105. t = 105: first drop, count = 1,
    // drop_next = 105 + 100 = 205. Then drop_next grows by 100/√count:
    // count 2: 205 + 70.711 = 275.711 → served at 276; count 3: + 57.735 = 333.446 → 334;
    // count 4: + 50 = 383.446 → 384; count 5: + 44.721 = 428.167 → 429.
    #[test]
    fn drops_are_spaced_by_the_interval_over_the_root_of_their_count() {
        let mut queue = rfc();
        filled(0, Ecn::NotEct, &mut queue);
        let (drops, marks) = serve(&mut queue, 1, 450);
        assert_eq!(drops, [105, 205, 276, 334, 384, 429]);
        assert!(marks.is_empty());
    }

    #[test]
    fn capable_packets_are_marked_when_others_would_be_dropped() {
        for ecn in [Ecn::Ect0, Ecn::Ect1] {
            let mut queue = rfc();
            filled(0, ecn, &mut queue);
            let (drops, marks) = serve(&mut queue, 1, 450);
            assert!(drops.is_empty());
            assert_eq!(marks, [105, 205, 276, 334, 384, 429]);
        }
    }

    fn drained_at_450_ms() -> CoDel {
        let mut queue = rfc();
        filled(0, Ecn::NotEct, &mut queue);
        serve(&mut queue, 1, 450);
        let mut dropped = vec![];
        while queue.dequeue(450 * MS, &mut dropped).is_some() {}
        assert_eq!(dropped, [], "the next drop is due at 468.992 ms");
        queue
    }

    // The drop at 429 made count = 6 and drop_next = 428.167 + 40.825 = 468.992; the dropping state
    // ended as the queue drained. Refilled at 450: above target from 455, first drop at 555.
    // delta = count − lastcount = 6 − 1 = 5 > 1 and 555 − 469 < 16 · 100, so count = 5:
    // drop_next = 555 + 44.721 = 599.721 → 600; count 6: + 40.825 = 640.546 → 641;
    // count 7: + 37.796 = 678.342 → 679.
    #[test]
    fn a_dropping_state_soon_after_another_goes_on_near_its_rate() {
        let mut queue = drained_at_450_ms();
        filled(450 * MS, Ecn::NotEct, &mut queue);
        let (drops, _) = serve(&mut queue, 451, 690);
        assert_eq!(drops, [555, 600, 641, 679]);
    }

    // Refilled at 2000: first drop at 2105, and 2105 − 469 = 1636 ≥ 1600, so count = 1:
    // drop_next = 2205, then 2275.711 → 2276.
    #[test]
    fn a_dropping_state_long_after_another_starts_afresh() {
        let mut queue = drained_at_450_ms();
        filled(2000 * MS, Ecn::NotEct, &mut queue);
        let (drops, _) = serve(&mut queue, 2001, 2300);
        assert_eq!(drops, [2105, 2205, 2276]);
    }

    // Refilled at 1445: above target from 1450, first drop at 1550. 1550 − 469 = 1081 < 16 · 100, so
    // count = 5: drop_next = 1550 + 44.721 = 1594.721 → 1595; count 6: + 40.825 = 1635.546 → 1636.
    #[test]
    fn a_dropping_state_is_recent_for_sixteen_intervals() {
        let mut queue = drained_at_450_ms();
        filled(1445 * MS, Ecn::NotEct, &mut queue);
        let (drops, _) = serve(&mut queue, 1446, 1650);
        assert_eq!(drops, [1550, 1595, 1636]);
    }

    // Drained at 300 after the drops at 105, 205 and 276: count = 3, lastcount = 1, drop_next =
    // 333.446. Refilled at 300: above target from 305, first drop at 405 with count = 3 − 1 = 2:
    // drop_next = 405 + 70.711 = 475.711 → 476; count 3: + 57.735 = 533.446 → 534.
    #[test]
    fn two_drops_more_than_at_the_last_entry_are_enough_to_go_on() {
        let mut queue = rfc();
        filled(0, Ecn::NotEct, &mut queue);
        let (drops, _) = serve(&mut queue, 1, 300);
        assert_eq!(drops, [105, 205, 276]);
        let mut dropped = vec![];
        while queue.dequeue(300 * MS, &mut dropped).is_some() {}
        assert_eq!(dropped, []);
        filled(300 * MS, Ecn::NotEct, &mut queue);
        let (drops, _) = serve(&mut queue, 301, 540);
        assert_eq!(drops, [405, 476, 534]);
    }

    #[test]
    fn nothing_is_dropped_while_at_most_one_packet_stays_behind() {
        let mut queue = rfc();
        let mut dropped = vec![];
        for ms in 0..1000 {
            let arrival_ns = ms * 20 * MS;
            let arriving = at(arrival_ns, packet(0, ms, 1500, Ecn::NotEct));
            queue.enqueue(arrival_ns, arriving, &mut dropped);
            if ms > 0 {
                // Each has waited 20 ms, four times the target.
                let sent = queue.dequeue(arrival_ns, &mut dropped).unwrap();
                assert_eq!(sent.number, ms - 1);
            }
        }
        assert_eq!(dropped, []);
    }

    #[test]
    fn a_full_queue_drops_what_arrives() {
        let mut queue = CoDel::new(
            Duration::from_millis(5),
            Duration::from_millis(100),
            Limit::Bytes(3000),
        );
        let mut dropped = vec![];
        for number in 0..3 {
            queue.enqueue(0, packet(0, number, 1500, Ecn::Ect0), &mut dropped);
        }
        assert_eq!(dropped, [packet(0, 2, 1500, Ecn::Ect0)]);
        assert_eq!(queue.bytes(), 3000);
    }
}
