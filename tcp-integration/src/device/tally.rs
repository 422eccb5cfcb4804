//! What the device has done, and what it refused.

/// Counters of a device since it was made.
///
/// Counters of one connection are in its [`Status`](crate::Status).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Frames from the inner device, those dropped included.
    pub frames_arrived: u64,
    /// Frames to the inner device.
    pub frames_departed: u64,
    /// Acknowledgements made for the stack and delivered to it.
    pub made_acks: u64,
    /// Times that the stack wanted to send while the gate was shut.
    pub gate_shut: u64,
    /// Connections tracked since their handshake.
    pub connections: u64,
    /// Connections first seen when they sent data, and tracked from there.
    pub adopted: u64,
    /// Connections replaced because the same pair of ports was used again.
    pub replaced: u64,
    /// Handshakes without progress that were forgotten because another one needed the slot.
    pub evicted: u64,
    /// Connections forgotten because another one needs a slot and no socket has them any more.
    pub unused: u64,
    /// Frames dropped, by reason.
    pub drops: Drops,
}

impl Tally {
    /// Frames that went through in either direction, or were made.
    pub(super) const fn passed(&self) -> u64 {
        self.frames_arrived
            .saturating_add(self.frames_departed)
            .saturating_add(self.made_acks)
    }
}

/// Frames that the device dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drops {
    /// Arriving TCP segments that are malformed, have a wrong checksum or are fragments.
    pub malformed: u64,
    /// Arriving segments that the stack and the tracker might read differently, such as
    /// acknowledgements of what was never sent.
    pub unacceptable: u64,
    /// Arriving segments of a tracked connection longer than the device's `FRAME`.
    pub oversized: u64,
    /// Arriving SYNs that found the table full.
    pub arriving_syn: u64,
    /// Departing SYNs that found the table full.
    pub departing_syn: u64,
    /// Departing data of connections that are not tracked, and the table was full.
    pub departing_data: u64,
    /// Departing keep-alives of the stack that the peer would take for data: smoltcp sends such a one
    /// when a closed window opens while data is in flight.
    pub keep_alives: u64,
    /// Departing fast retransmissions of the stack beyond the peer's window, which smoltcp does not
    /// regard there; its timeout, which does, repairs the loss.
    pub beyond_window: u64,
    /// Departing data beyond the window of a connection that cannot be told its window, where the
    /// gate opened for the sake of other sockets. The stack takes it for lost and repeats it.
    pub excess: u64,
    /// Replies of the stack to a made acknowledgement that the inner device had no room for.
    pub replies: u64,
}

impl Drops {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.malformed
            .saturating_add(self.unacceptable)
            .saturating_add(self.oversized)
            .saturating_add(self.arriving_syn)
            .saturating_add(self.departing_syn)
            .saturating_add(self.departing_data)
            .saturating_add(self.keep_alives)
            .saturating_add(self.beyond_window)
            .saturating_add(self.excess)
            .saturating_add(self.replies)
    }
}

/// One more.
pub(super) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
