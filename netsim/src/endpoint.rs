//! The seam between the network and whatever stack stands at its edge.

use tautline_core::units::Timestamp;

/// One side of a connection, without input or output of its own.
///
/// The simulator calls [`Endpoint::receive`] or [`Endpoint::wake`] and then
/// [`Endpoint::transmit`] until it answers `None`; only then is [`Endpoint::next_wake`] meaningful.
/// The model's sender and receiver implement it; real stacks in virtual time implement the same
/// trait, so that both can share a bottleneck.
///
/// Links carry sizes and numbers only ([`crate::transport::Packet`]): the datagrams of a real stack
/// wait beside its flow under their packet number until the link says that they arrived.
///
/// Time never runs backwards within one endpoint, but two endpoints of one connection may be
/// driven at different times: the receiver's clock runs ahead by the propagation delay of packets
/// whose arrival can no longer change.
pub trait Endpoint {
    /// What arrives: acknowledgements at a model sender, packets at a model receiver.
    type Incoming;
    /// What leaves.
    type Outgoing;

    /// Something arrived.
    fn receive(&mut self, now: Timestamp, incoming: Self::Incoming);

    /// The time that [`Endpoint::next_wake`] named has come.
    fn wake(&mut self, now: Timestamp);

    /// The next thing to leave at this instant, if any.
    fn transmit(&mut self, now: Timestamp) -> Option<Self::Outgoing>;

    /// When to call [`Endpoint::wake`]; [`Timestamp::MAX`] for never.
    fn next_wake(&self) -> Timestamp;
}
