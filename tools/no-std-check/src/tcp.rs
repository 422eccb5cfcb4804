//! A smoltcp program with a gated device, all in static memory: one Ethernet interface, one TCP
//! socket, room for four connections of 64 segments.

use core::hint::black_box;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use tautline_core::guard::UncheckedEnvelope;
use tautline_tcp_integration::{GatedDevice, GuardedSource, Settings, next_poll, poll};

use crate::room::{self, FlashPolicy, Room};

/// The gated device that is measured.
pub type Gated = GatedDevice<Wire, GuardedSource<FlashPolicy, UncheckedEnvelope>, 4, 64, 1536>;

/// A network driver that an optimiser knows nothing about.
pub struct Wire;

/// A frame that came.
pub struct Arrived;

/// Room for a frame that leaves.
pub struct Leaving;

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Leaving)> {
        black_box(true).then_some((Arrived, Leaving))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leaving> {
        black_box(true).then_some(Leaving)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, call: F) -> R {
        call(black_box(&[0; 1514][..]))
    }
}

impl TxToken for Leaving {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, call: F) -> R {
        let mut frame = [0; 1514];
        let end = length.min(frame.len());
        let result = call(&mut frame[..end]);
        black_box(&frame);
        result
    }
}

/// A step of the main loop with the gate; none if the model is refused.
pub fn gated() -> Option<()> {
    let (policy, envelope) = room::policy()?;
    let source = GuardedSource::new(policy, envelope).ok()?;
    let device = Gated::new(Wire, source, Settings::default()).ok()?;
    // SAFETY: called once.
    let device = unsafe { DEVICE.put(device) };
    // SAFETY: called once.
    let interface = unsafe { INTERFACE.put(interface(device)) };
    let (sockets, handle) = sockets();
    loop {
        let now = Instant::from_micros(black_box(0));
        poll(now, interface, device, sockets);
        let socket = connected(interface, sockets, handle)?;
        black_box(device.send_slice(socket, black_box(&[0; 64])).ok()?);
        black_box(next_poll(now, interface, device, sockets));
    }
}

/// The same without the gate.
pub fn plain() -> Option<()> {
    let mut device = Wire;
    // SAFETY: called once.
    let interface = unsafe { INTERFACE.put(interface(&mut device)) };
    let (sockets, handle) = sockets();
    loop {
        let now = Instant::from_micros(black_box(0));
        interface.poll(now, &mut device, sockets);
        let socket = connected(interface, sockets, handle)?;
        black_box(socket.send_slice(black_box(&[0; 64])).ok()?);
        black_box(interface.poll_at(now, sockets));
    }
}

fn interface<D: Device>(device: &mut D) -> Interface {
    let address = EthernetAddress(black_box([2, 0, 0, 0, 0, 1]));
    let mut interface = Interface::new(Config::new(address.into()), device, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // There is room for two.
        let _ = addresses.push(IpCidr::new(IpAddress::v4(192, 0, 2, black_box(1)), 24));
        let _ = addresses.push(IpCidr::new(
            IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            64,
        ));
    });
    interface
}

fn sockets() -> (&'static mut SocketSet<'static>, SocketHandle) {
    // SAFETY: called once.
    let buffers = unsafe { BUFFERS.put([[0; 4096]; 2]) };
    let [receive, transmit] = buffers;
    // SAFETY: called once.
    let storage = unsafe { STORAGE.put([SocketStorage::EMPTY]) };
    // SAFETY: called once.
    let sockets = unsafe { SOCKETS.put(SocketSet::new(&mut storage[..])) };
    let socket = Socket::new(
        SocketBuffer::new(&mut receive[..]),
        SocketBuffer::new(&mut transmit[..]),
    );
    let handle = sockets.add(socket);
    (sockets, handle)
}

fn connected<'a>(
    interface: &mut Interface,
    sockets: &'a mut SocketSet<'static>,
    handle: SocketHandle,
) -> Option<&'a mut Socket<'static>> {
    let socket = sockets.get_mut::<Socket<'_>>(handle);
    if !socket.is_open() {
        let remote = (IpAddress::v4(192, 0, 2, black_box(2)), 80);
        socket
            .connect(interface.context(), remote, black_box(49152))
            .ok()?;
    }
    Some(socket)
}

static DEVICE: Room<Gated> = Room::new();
static INTERFACE: Room<Interface> = Room::new();
static BUFFERS: Room<[[u8; 4096]; 2]> = Room::new();
static STORAGE: Room<[SocketStorage<'static>; 1]> = Room::new();
static SOCKETS: Room<SocketSet<'static>> = Room::new();
