//! One flow while a run goes on: both of its ends and the way back.

use std::collections::VecDeque;

use tautline_core::controller::Controller;
use tautline_core::units::{Timestamp, duration_nanos};

use crate::endpoint::Endpoint as _;
use crate::report::PacketCounts;
use crate::scenario::{FlowSpec, ValidScenario};
use crate::transport::{Ack, EventLog, Packet, Receiver, Sender, SenderStats};

/// What is counted per flow, separately before and in the measurement window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) delivered_bytes: u64,
    pub(super) dropped: u64,
    pub(super) random_lost: u64,
    pub(super) waits: u64,
    pub(super) waited_ns: u64,
}

/// A sender, its receiver, and the acknowledgements between them.
///
/// The receiver's path is private to the flow and keeps order, so what it does on an arrival is
/// computed when the arrival is certain, ahead of time; only its acknowledgements are events.
#[derive(Debug)]
pub(super) struct Flow<C> {
    pub(super) sender: Sender<C>,
    receiver: Receiver,
    /// Acknowledgements with the time of their arrival at the sender, which never decreases.
    acks: VecDeque<(u64, Ack)>,
    forward_ns: u64,
    backward_ns: u64,
    pub(super) tallies: [Tally; 2],
    pub(super) stats_at_warmup: SenderStats,
    /// Packets still on their way when the run ends.
    pub(super) in_network: u64,
}

/// What a flow does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An acknowledgement arrived.
    Acked(Ack),
    /// The receiver's delayed acknowledgement left.
    Receiver,
    /// A timer of the sender expired.
    Timer,
}

impl<C: Controller> Flow<C> {
    pub(super) fn new(
        number: u32,
        controller: C,
        spec: &FlowSpec,
        scenario: &ValidScenario,
        log: EventLog,
    ) -> Self {
        let (forward, backward) = scenario.one_way_delays(spec);
        let transport = scenario.transport();
        Self {
            sender: Sender::new(number, controller, &spec.workload(), transport, log),
            receiver: Receiver::new(transport),
            acks: VecDeque::new(),
            forward_ns: duration_nanos(forward),
            backward_ns: duration_nanos(backward),
            tallies: [Tally::default(); 2],
            stats_at_warmup: SenderStats::default(),
            in_network: 0,
        }
    }

    /// The earliest of all that can happen here.
    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        let ack_ns = self
            .acks
            .front()
            .map_or(u64::MAX, |&(arrival_ns, _)| arrival_ns);
        let timers = self.receiver.next_wake().min(self.sender.next_wake());
        ack_ns.min(timers.as_nanos())
    }

    /// A packet leaves the bottleneck's path at `exit_ns`; answers when it arrives.
    #[inline]
    pub(super) fn deliver(&mut self, exit_ns: u64, packet: Packet) -> u64 {
        let arrival_ns = exit_ns + self.forward_ns;
        let due = self.receiver.next_wake();
        if due.as_nanos() < arrival_ns {
            // The delayed acknowledgement leaves before this packet arrives.
            self.answer(due);
        }
        let arrival = Timestamp::from_nanos(arrival_ns);
        self.receiver.receive(arrival, packet);
        self.answer(arrival);
        arrival_ns
    }

    #[inline]
    fn answer(&mut self, now: Timestamp) {
        while let Some(ack) = self.receiver.transmit(now) {
            self.acks
                .push_back((now.as_nanos() + self.backward_ns, ack));
        }
    }

    /// Takes what happens at `now_ns`: acknowledgements first, then the receiver's timer, then
    /// the sender's.
    #[inline]
    pub(super) fn act(&mut self, now_ns: u64) -> Action {
        let now = Timestamp::from_nanos(now_ns);
        if let Some(&(arrival_ns, ack)) = self.acks.front()
            && arrival_ns <= now_ns
        {
            self.acks.pop_front();
            self.sender.receive(now, ack);
            return Action::Acked(ack);
        }
        if self.receiver.next_wake() <= now {
            self.receiver.wake(now);
            self.answer(now);
            return Action::Receiver;
        }
        self.sender.wake(now);
        Action::Timer
    }

    /// Packets of the measurement window.
    pub(super) fn measured(&self) -> PacketCounts {
        let tally = &self.tallies[1];
        PacketCounts {
            sent: self
                .sender
                .stats()
                .since(&self.stats_at_warmup)
                .sent_packets,
            delivered: tally.delivered,
            dropped: tally.dropped,
            random_lost: tally.random_lost,
            in_network: 0,
        }
    }

    /// Packets of the whole run.
    pub(super) fn totals(&self) -> PacketCounts {
        let [before, window] = &self.tallies;
        PacketCounts {
            sent: self.sender.stats().sent_packets,
            delivered: before.delivered + window.delivered,
            dropped: before.dropped + window.dropped,
            random_lost: before.random_lost + window.random_lost,
            in_network: self.in_network,
        }
    }
}
