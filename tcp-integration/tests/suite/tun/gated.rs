//! Our gate between the interface and the path.

use std::path::Path as FilePath;
use std::sync::OnceLock;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::TunTapInterface;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use tautline_certificates::check;
use tautline_tcp_integration::{
    CertifiedSource, ControllerSource, GatedDevice, Settings, Status, Tally, next_poll, poll,
};

use super::host::Middle;
use super::path::Path;

/// A gate, and what it said last about its connection, which it forgets once that is closed.
pub(super) struct Gated<S: ControllerSource> {
    device: GatedDevice<Path<TunTapInterface>, S>,
    status: Status,
}

impl<S: ControllerSource> Gated<S> {
    pub(super) fn new(path: Path<TunTapInterface>, source: S, settings: Settings) -> Self {
        let device = GatedDevice::new(path, source, settings).expect("packets of 1500 bytes fit");
        Self {
            device,
            status: Status::default(),
        }
    }

    /// The connection's last known state.
    pub(super) const fn status(&self) -> Status {
        self.status
    }

    pub(super) fn tally(&self) -> Tally {
        self.device.tally()
    }
}

impl<S: ControllerSource> Middle for Gated<S> {
    fn path(&mut self) -> &mut Path<TunTapInterface> {
        self.device.inner_mut()
    }

    fn interface(&mut self, config: Config, now: Instant) -> Interface {
        Interface::new(config, &mut self.device, now)
    }

    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) {
        poll(now, interface, &mut self.device, sockets);
        let status = &mut self.status;
        self.device.for_each_status(|_, latest| *status = latest);
    }

    fn next_poll(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        next_poll(now, interface, &self.device, sockets)
    }

    fn room(&self, socket: &tcp::Socket<'_>) -> usize {
        self.device.backlog_room(socket)
    }
}

/// The shipped model with the shipped certificate, checked once.
pub(super) fn certified() -> CertifiedSource {
    static SOURCE: OnceLock<CertifiedSource> = OnceLock::new();
    let checked = SOURCE.get_or_init(|| {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo");
        let read = |name| std::fs::read(folder.join(name)).expect("the model is shipped");
        let (model, certificate) = (read("model.tlm"), read("certificate.tlc"));
        let checked = check(&model, &certificate, None).expect("it is accepted");
        CertifiedSource::from_model(&model, checked).expect("they belong together")
    });
    checked.clone()
}
