//! smoltcp as it was published, and our middleware over it.

pub use smoltcp as stack;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::time::Instant;
use tautline_tcp_integration::{ControllerSource, GatedDevice, Settings, next_poll, poll};

#[path = "endpoint.rs"]
pub mod endpoint;

use endpoint::{Driver, Port};

/// The middleware between the interface and its port.
pub type Gated<S, const CONNECTIONS: usize> =
    GatedDevice<Port, S, CONNECTIONS, { crate::SEGMENTS }, 1536>;

/// The middleware with the one connection of a run.
pub fn gated<S: ControllerSource>(source: S) -> anyhow::Result<Gated<S, 1>> {
    Ok(GatedDevice::new(
        Port::default(),
        source,
        Settings::default(),
    )?)
}

impl<S: ControllerSource> Driver for Gated<S, 1> {
    type Device = Self;

    fn device(&mut self) -> &mut Self {
        self
    }

    fn port(&mut self) -> &mut Port {
        self.inner_mut()
    }

    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) {
        poll(now, interface, self, sockets);
    }

    fn next(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        next_poll(now, interface, self, sockets)
    }
}
