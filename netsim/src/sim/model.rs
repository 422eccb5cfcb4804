//! What happens at the ends of a flow over the transport model.

use core::time::Duration;

use tautline_core::controller::Controller;
use tautline_core::units::Timestamp;

use super::application::wake;
use super::digest::Happening;
use super::flow::{Ends, Flow, Parcel};
use super::{Content, Metrics, Observation, Simulation};
use crate::endpoint::Endpoint as _;
use crate::transport::{Ack, Direction, Packet};

/// What a flow does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// An acknowledgement arrived.
    Acked(Ack),
    /// A packet arrived at the receiver, which took it in.
    Arrived(Packet, u64),
    /// A packet arrived at the sender.
    Returned(Packet),
    /// The receiver's delayed acknowledgement is due.
    Receiver,
    /// The application did something on its own.
    Application,
    /// A timer of the sender expired.
    Timer,
}

impl Action {
    const fn is_at_receiver(self) -> bool {
        matches!(self, Self::Arrived(..) | Self::Receiver)
    }
}

impl<C: Controller> Flow<C> {
    /// Takes what happens at `now_ns`: arrivals first, then the receiver's timer, then the
    /// sender's.
    #[inline]
    fn act_by_model(&mut self, now_ns: u64) -> Option<Action> {
        let now = Timestamp::from_nanos(now_ns);
        let Ends::Model(model) = &mut self.ends else {
            return None;
        };
        if let Some(&(arrival_ns, ack)) = model.acks.front()
            && arrival_ns <= now_ns
        {
            model.acks.pop_front();
            model.sender.receive(now, ack);
            return Some(Action::Acked(ack));
        }
        if !self.way.express {
            let [forward, backward] = &mut self.way.arriving;
            if let Some(packet) = backward.pop_due(now_ns) {
                return Some(Action::Returned(packet));
            }
            if let Some(packet) = forward.pop_due(now_ns) {
                let fresh = model.receiver.accept(now, packet);
                return Some(Action::Arrived(packet, fresh));
            }
        }
        if model.receiver.next_wake() <= now {
            model.receiver.wake(now);
            if self.way.express {
                model.answer(now, self.way.back_ns(0));
            }
            return Some(Action::Receiver);
        }
        if wake(&mut self.application, now) {
            return Some(Action::Application);
        }
        model.sender.wake(now);
        Some(Action::Timer)
    }

    /// The content of a packet that went no further is forgotten.
    pub(super) fn discard(&mut self, packet: &Packet) {
        match &mut self.ends {
            Ends::Model(model) => {
                if packet.direction == Direction::Backward {
                    model.parcels.take(packet.number);
                }
            }
            Ends::Real(real) => {
                real.datagrams[packet.direction as usize].take(packet.number);
            }
        }
    }
}

impl<C: Controller> Simulation<'_, C> {
    /// The next event of flow number `number`.
    #[inline]
    pub(super) fn act_at_flow(&mut self, now_ns: u64, number: u32) {
        match self.flows[number as usize].act_by_model(now_ns) {
            Some(Action::Receiver) if self.flows[number as usize].way.express => {}
            Some(action) => {
                self.settle(now_ns, number, action);
                if self.flows[number as usize].application.is_some() {
                    self.serve_application(now_ns, number);
                    self.transmit(now_ns, number);
                } else if !action.is_at_receiver() {
                    // What happens at the other end must not let the sender act before what
                    // arrives at this one in the same instant.
                    self.transmit(now_ns, number);
                }
            }
            None => self.act_at_real(now_ns, number),
        }
        let next_ns = self.flows[number as usize].next_ns();
        self.flow_agenda.set(number, next_ns);
    }

    /// What follows from an action, before anything is sent.
    #[inline]
    fn settle(&mut self, now_ns: u64, number: u32, action: Action) {
        match action {
            Action::Acked(ack) => self.note_acknowledgement(now_ns, number, &ack),
            Action::Timer => self.note_window(now_ns, number),
            Action::Arrived(packet, fresh) => {
                self.note_arrival(now_ns, &packet, fresh);
                if self.observer.is_some() {
                    let payload = u64::from(packet.bytes).saturating_sub(self.overhead);
                    let content = Content::Data { payload };
                    self.observe(now_ns, &Observation::Received(&packet, content));
                }
                self.answer(now_ns, number);
            }
            Action::Receiver => self.answer(now_ns, number),
            Action::Application => {}
            Action::Returned(packet) => self.take_parcel(now_ns, &packet),
        }
    }

    /// A packet on the way back arrived.
    fn take_parcel(&mut self, now_ns: u64, packet: &Packet) {
        let Ends::Model(model) = &mut self.flows[packet.flow as usize].ends else {
            return;
        };
        match model.parcels.take(packet.number) {
            Some(Parcel::Ack(ack)) => {
                model.sender.receive(Timestamp::from_nanos(now_ns), ack);
                self.observe(now_ns, &Observation::Received(packet, Content::Ack(&ack)));
                self.note_acknowledgement(now_ns, packet.flow, &ack);
            }
            Some(Parcel::Request(request)) => {
                self.observe(now_ns, &Observation::Received(packet, Content::Request));
                let now = Timestamp::from_nanos(now_ns);
                if let Some(application) = &mut self.flows[packet.flow as usize].application {
                    application.on_request(now, request);
                }
            }
            None => {}
        }
    }

    #[inline]
    fn note_acknowledgement(&mut self, now_ns: u64, number: u32, ack: &Ack) {
        self.digest
            .fold(Happening::Acknowledged, now_ns, number, ack.largest());
        self.note_window(now_ns, number);
    }

    #[inline]
    fn note_window(&mut self, now_ns: u64, number: u32) {
        if self.recorder.is_none() && self.observer.is_none() {
            return;
        }
        let Ends::Model(model) = &mut self.flows[number as usize].ends else {
            return;
        };
        let sender = &mut model.sender;
        if let Some(recorder) = &mut self.recorder {
            let rtt_ns = sender.rtt().latest_ns();
            recorder.window(number as usize, now_ns, sender.window().as_u64(), rtt_ns);
        }
        if self.observer.is_none() {
            return;
        }
        let rtt = sender.rtt();
        let sampled = rtt.min_sample_ns().is_some();
        let span = |nanos: u64| Duration::from_nanos(if sampled { nanos } else { 0 });
        let metrics = Metrics {
            window: sender.window(),
            in_flight: Some(sender.in_flight()),
            smoothed_rtt: span(rtt.smoothed_ns()),
            rtt_variation: span(rtt.variation_ns()),
            latest_rtt: span(rtt.latest_ns()),
            min_rtt: span(rtt.min_sample_ns().unwrap_or(0)),
            pacing_rate: sender.decision().pacing_rate,
            timeouts: Some(sender.consecutive_timeouts()),
        };
        let (flow, lost) = (number, sender.take_lost());
        for number in lost {
            self.observe(now_ns, &Observation::Lost { flow, number });
        }
        let metrics = &metrics;
        self.observe(now_ns, &Observation::Metrics { flow, metrics });
    }

    /// Acknowledgements that are due leave.
    fn answer(&mut self, now_ns: u64, number: u32) {
        let now = Timestamp::from_nanos(now_ns);
        loop {
            let flow = &mut self.flows[number as usize];
            let Ends::Model(model) = &mut flow.ends else {
                return;
            };
            let Some(ack) = model.receiver.transmit(now) else {
                return;
            };
            if self.observer.is_none() && flow.way.only_acks_return {
                let route = flow.way.route_at(now_ns);
                let arrival_ns = now_ns + flow.way.back_ns(route);
                model.acks.push_back((arrival_ns, ack));
                continue;
            }
            let number_back = model.parcels.put(Parcel::Ack(ack));
            let packet = Packet::new(number, Direction::Backward, number_back, self.ack_bytes);
            self.send(now_ns, packet, Content::Ack(&ack));
        }
    }

    /// A packet leaves its end of the flow.
    #[inline]
    pub(super) fn send(&mut self, now_ns: u64, mut packet: Packet, content: Content<'_>) {
        let way = &mut self.flows[packet.flow as usize].way;
        packet.route = way.route_at(now_ns);
        let first = way.next_link(&packet);
        if self.observer.is_some() {
            self.observe(now_ns, &Observation::Sent(&packet, content));
        }
        match first {
            Some(first) => self.enter(now_ns, usize::from(first), packet),
            None => self.approach(now_ns, packet),
        }
    }

    /// The sender sends what it may.
    #[inline]
    fn transmit(&mut self, now_ns: u64, number: u32) {
        let now = Timestamp::from_nanos(now_ns);
        loop {
            let flow = &mut self.flows[number as usize];
            let Ends::Model(model) = &mut flow.ends else {
                return;
            };
            let Some(packet) = model.sender.transmit(now) else {
                return;
            };
            flow.tallies[self.phase].sent += 1;
            self.digest
                .fold(Happening::Sent, now_ns, number, packet.number);
            let payload = u64::from(packet.bytes) - self.overhead;
            self.send(now_ns, packet, Content::Data { payload });
        }
    }
}
