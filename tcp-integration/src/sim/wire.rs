//! The device below a simulated interface: packets that wait in two queues.

use std::collections::VecDeque;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// A device on [`Medium::Ip`] that never refuses a packet.
#[derive(Debug)]
pub(super) struct Wire {
    mtu: u16,
    arriving: VecDeque<Vec<u8>>,
    departing: VecDeque<Vec<u8>>,
}

impl Wire {
    /// For IP packets of at most `mtu` bytes.
    pub(super) const fn new(mtu: u16) -> Self {
        Self {
            mtu,
            arriving: VecDeque::new(),
            departing: VecDeque::new(),
        }
    }

    /// Bytes of the largest IP packet.
    pub(super) const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// A packet came out of the network.
    pub(super) fn arrive(&mut self, packet: Vec<u8>) {
        self.arriving.push_back(packet);
    }

    /// The next packet for the network.
    pub(super) fn depart(&mut self) -> Option<Vec<u8>> {
        self.departing.pop_front()
    }
}

impl Device for Wire {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        let packet = self.arriving.pop_front()?;
        Some((RxToken(packet), TxToken(&mut self.departing)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.departing))
    }

    /// Checksums are computed and verified, as over a real medium.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = usize::from(self.mtu);
        capabilities
    }
}

/// One packet out of the network.
#[derive(Debug)]
pub(super) struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F>(self, f: F) -> R
    where
        F: FnOnce(&[u8]) -> R,
    {
        f(&self.0)
    }
}

/// Room for one packet into the network.
#[derive(Debug)]
pub(super) struct TxToken<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F>(self, len: usize, f: F) -> R
    where
        F: FnOnce(&mut [u8]) -> R,
    {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}
