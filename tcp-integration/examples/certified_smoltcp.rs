//! Two smoltcp hosts over a link in memory, 8 Mbit/s and 40 ms: the sender's device is gated by the
//! shipped model under its checked certificate. Time is virtual, so every run prints the same.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod link;

use std::error::Error;

use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;
use tautline_certificates::check;
use tautline_core::controller::Controller;
use tautline_tcp_integration::{CertifiedSource, GatedDevice, Settings, Tuple, next_poll, poll};

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let end = Instant::from_secs(if quick { 5 } else { 30 });
    let source = certified_source()?;
    println!("model {}", source.model_digest());

    // The one line of a sender that is ours; its peer is plain smoltcp.
    let (port, mut peer_port) = link::link();
    let mut device = GatedDevice::<_, _, 2>::new(port, source, Settings::default())?;

    let mut interface = link::host(1, &mut device);
    let mut peer = link::host(2, &mut peer_port);
    let mut sockets = SocketSet::new(Vec::new());
    let mut peer_sockets = SocketSet::new(Vec::new());
    let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
    let sender = sockets.add(Socket::new(buffer(4096), buffer(1 << 18)));
    let receiver = peer_sockets.add(Socket::new(buffer(1 << 18), buffer(4096)));
    let socket = peer_sockets.get_mut::<Socket<'_>>(receiver);
    socket.listen(REMOTE.1)?;
    let socket = sockets.get_mut::<Socket<'_>>(sender);
    // The default, unless another package switches CUBIC on.
    socket.set_congestion_control(CongestionControl::None);
    socket.connect(interface.context(), REMOTE, LOCAL)?;
    let tuple = Tuple {
        local: LOCAL.into(),
        remote: REMOTE.into(),
    };

    let (mut now, mut report_at, mut received) = (Instant::ZERO, Instant::ZERO, 0);
    while now < end {
        let socket = sockets.get_mut::<Socket<'_>>(sender);
        while socket.can_send() && device.send_slice(socket, &[0x5a; 1024])? > 0 {}
        poll(now, &mut interface, &mut device, &mut sockets);
        peer.poll(now, &mut peer_port, &mut peer_sockets);
        let socket = peer_sockets.get_mut::<Socket<'_>>(receiver);
        while socket.can_recv() {
            received += socket.recv(|bytes| (bytes.len(), bytes.len()))?;
        }
        if let Some(status) = device.status(tuple).filter(|_| now >= report_at) {
            let (time, rtt) = (now.total_millis(), status.smoothed_rtt.as_millis());
            let window = status.window.as_u64();
            println!("{time:5} ms: window {window:6} bytes, rtt {rtt:3} ms");
            report_at = now + (end - Instant::ZERO) / 10;
        }
        let next = [
            next_poll(now, &mut interface, &device, &sockets),
            device.inner().arrival(),
            peer.poll_at(now, &peer_sockets),
            peer_port.arrival(),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(end);
        now = next.max(now + Duration::from_micros(1));
    }
    println!("received {received} bytes");
    if let Some(status) = device.status(tuple) {
        println!("lost segments: {}", status.segments_lost);
        println!("segments beyond the window: {}", status.violations);
    }
    let counters = device.with_controller(tuple, Controller::counters);
    println!(
        "{}",
        counters.map_or_else(String::new, |counters| format!("{counters:?}"))
    );
    Ok(())
}

/// The shipped model with the shipped certificate, checked here and now.
fn certified_source() -> Result<CertifiedSource, Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo");
    let model = std::fs::read(format!("{folder}/model.tlm"))?;
    let certificate = std::fs::read(format!("{folder}/certificate.tlc"))?;
    // Without a claim set to insist on: the certificate says which claims it proves.
    let checked = check(&model, &certificate, None)?;
    println!(
        "certificate accepted with {} claims",
        checked.claims().len()
    );
    Ok(CertifiedSource::from_model(&model, checked)?)
}

const LOCAL: (IpAddress, u16) = (IpAddress::v4(10, 0, 0, 1), 4000);
const REMOTE: (IpAddress, u16) = (IpAddress::v4(10, 0, 0, 2), 80);
