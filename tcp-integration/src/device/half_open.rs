//! What the SYNs of peers offered, until our stack answers them.

use smoltcp::wire::TcpSeqNumber;

use crate::segment::{Segment, Tuple};

/// The last `CAPACITY` offers, the oldest overwritten first.
///
/// Anybody can send SYNs, so this forgets rather than grows; a connection whose offer was
/// forgotten starts from what is safe to assume of every peer, and of smoltcp by its answer.
#[derive(Debug)]
pub(super) struct HalfOpen<const CAPACITY: usize> {
    syns: [Option<Segment>; CAPACITY],
    next: usize,
}

impl<const CAPACITY: usize> HalfOpen<CAPACITY> {
    pub(super) const fn new() -> Self {
        Self {
            syns: [None; CAPACITY],
            next: 0,
        }
    }

    /// Remembers an arriving SYN; a repeated one takes the place of the first. One with another
    /// number does not: it may be anybody's, and the stack answers the one that came first.
    pub(super) fn remember(&mut self, syn: &Segment) {
        let known = self.syns.iter_mut().find(|known| {
            known.is_some_and(|known| known.tuple == syn.tuple && known.sequence == syn.sequence)
        });
        if let Some(known) = known {
            *known = Some(*syn);
            return;
        }
        if let Some(place) = self.syns.get_mut(self.next) {
            *place = Some(*syn);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= CAPACITY {
            self.next = 0;
        }
    }

    /// Forgets the SYN that `answer`, our SYN-ACK, acknowledges, and returns it.
    pub(super) fn take(&mut self, tuple: Tuple, answer: TcpSeqNumber) -> Option<Segment> {
        // Data in a SYN is not taken with it.
        let place = self.syns.iter_mut().find(|known| {
            known.is_some_and(|syn| {
                let next = TcpSeqNumber(syn.sequence.0.wrapping_add(1));
                syn.tuple == tuple && next == answer
            })
        })?;
        place.take()
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::{ChecksumCapabilities, Medium};
    use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, Ipv4Repr, TcpControl, TcpPacket, TcpRepr};

    use super::*;
    use crate::segment::{Direction, Parsed, parse};

    /// A SYN from `port` with `sequence`, as it arrives.
    fn syn(port: u16, sequence: i32) -> Segment {
        let tcp = TcpRepr {
            src_port: port,
            dst_port: 80,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(sequence),
            ack_number: None,
            window_len: 1000,
            window_scale: Some(7),
            max_seg_size: Some(1460),
            sack_permitted: true,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let (IpAddress::Ipv4(src_addr), IpAddress::Ipv4(dst_addr)) =
            (IpAddress::v4(10, 0, 0, 2), IpAddress::v4(10, 0, 0, 1))
        else {
            unreachable!()
        };
        let ip = IpRepr::Ipv4(Ipv4Repr {
            src_addr,
            dst_addr,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        });
        let checksums = ChecksumCapabilities::default();
        let mut frame = vec![0; ip.buffer_len()];
        ip.emit(&mut frame[..], &checksums);
        let mut packet = TcpPacket::new_unchecked(&mut frame[ip.header_len()..]);
        tcp.emit(&mut packet, &ip.src_addr(), &ip.dst_addr(), &checksums);
        match parse(Medium::Ip, Direction::Arriving, &checksums, &frame) {
            Parsed::Tcp(segment) => segment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_offer_is_given_once_to_the_answer_that_acknowledges_it() {
        let mut half_open = HalfOpen::<4>::new();
        let first = syn(4000, 17);
        half_open.remember(&first);
        assert_eq!(half_open.take(first.tuple, TcpSeqNumber(17)), None);
        assert_eq!(half_open.take(syn(4001, 17).tuple, first.end()), None);
        assert_eq!(half_open.take(first.tuple, first.end()), Some(first));
        assert_eq!(half_open.take(first.tuple, first.end()), None);
    }

    #[test]
    fn a_repeated_syn_takes_one_place_and_counts_as_it_came_last() {
        let mut half_open = HalfOpen::<2>::new();
        half_open.remember(&syn(4001, 1));
        let mut last = syn(4000, 5);
        for window in [1, 2, 3] {
            last.window = window;
            half_open.remember(&last);
        }
        assert_eq!(half_open.take(last.tuple, last.end()), Some(last));
        let other = syn(4001, 1);
        assert_eq!(half_open.take(other.tuple, other.end()), Some(other));
    }

    #[test]
    fn a_syn_with_another_number_does_not_replace_the_one_that_is_answered() {
        let mut half_open = HalfOpen::<2>::new();
        let first = syn(4000, i32::MAX);
        half_open.remember(&first);
        half_open.remember(&syn(4000, 5));
        assert_eq!(half_open.take(first.tuple, first.end()), Some(first));
    }

    #[test]
    fn data_in_a_syn_is_not_what_the_answer_acknowledges() {
        let mut half_open = HalfOpen::<2>::new();
        let mut first = syn(4000, 17);
        first.payload_bytes = 3;
        half_open.remember(&first);
        assert_eq!(half_open.take(first.tuple, first.end()), None);
        assert_eq!(half_open.take(first.tuple, TcpSeqNumber(18)), Some(first));
    }

    #[test]
    fn a_flood_of_syns_makes_it_forget_the_oldest() {
        let mut half_open = HalfOpen::<3>::new();
        for port in 1..=10 {
            half_open.remember(&syn(port, 0));
        }
        let known = (1..=10).filter(|port| {
            let syn = syn(*port, 0);
            half_open.take(syn.tuple, syn.end()).is_some()
        });
        assert_eq!(known.collect::<Vec<u16>>(), [8, 9, 10]);
    }
}
