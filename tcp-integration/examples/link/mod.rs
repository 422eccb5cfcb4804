//! A link in memory with a bottleneck, and a smoltcp host on either end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// Packets with the times at which they arrive.
type Queue = Rc<RefCell<VecDeque<(Instant, Vec<u8>)>>>;

/// One end of the link.
pub(crate) struct Port {
    inbound: Queue,
    outbound: Queue,
    /// When the last packet will have left.
    free_at: Instant,
}

/// Both ends of a link.
pub(crate) fn link() -> (Port, Port) {
    let (there, back) = (Queue::default(), Queue::default());
    let port = |inbound: &Queue, outbound: &Queue| Port {
        inbound: Rc::clone(inbound),
        outbound: Rc::clone(outbound),
        free_at: Instant::ZERO,
    };
    (port(&back, &there), port(&there, &back))
}

/// A host with the address 10.0.0.`number` behind `device`.
pub(crate) fn host(number: u8, device: &mut impl Device) -> Interface {
    let config = Config::new(HardwareAddress::Ip);
    let mut interface = Interface::new(config, device, Instant::ZERO);
    let address = IpCidr::new(IpAddress::v4(10, 0, 0, number), 24);
    interface.update_ip_addrs(|addresses| addresses.extend([address]));
    interface
}

impl Port {
    /// When the next packet arrives here; none while none is under way.
    pub(crate) fn arrival(&self) -> Option<Instant> {
        self.inbound.borrow().front().map(|(at, _)| *at)
    }
}

/// A packet that has arrived.
pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a packet.
pub(crate) struct Room<'a>(&'a mut Port, Instant);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self(port, now) = self;
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        let starts = port.free_at.max(now);
        // A full queue drops the packet.
        if starts <= now + QUEUE {
            port.free_at = starts + PER_BYTE * len as u32;
            let arrives = port.free_at + PROPAGATION;
            port.outbound.borrow_mut().push_back((arrives, packet));
        }
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Received, Room<'_>)> {
        self.arrival().filter(|at| *at <= timestamp)?;
        let (_, packet) = self.inbound.borrow_mut().pop_front()?;
        Some((Received(packet), Room(self, timestamp)))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Room<'_>> {
        Some(Room(self, timestamp))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

/// 8 Mbit/s.
const PER_BYTE: Duration = Duration::from_micros(1);
const PROPAGATION: Duration = Duration::from_millis(20);
const QUEUE: Duration = Duration::from_millis(80);
