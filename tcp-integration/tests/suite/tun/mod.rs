//! Real packets against the kernel's TCP: smoltcp on a TUN device, a link of netsim in real time in
//! between, and a real process in a network namespace on the other side.
//!
//! Where that is not permitted the tests say so and pass; with `TAUTLINE_REQUIRE_TUN` in the
//! environment they fail.

mod host;
#[path = "../../support/http.rs"]
mod http;
mod namespace;
mod path;
mod process;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smoltcp::phy::TunTapInterface;
use smoltcp::socket::tcp::CongestionControl;
use tautline_core::units::Bandwidth;
use tautline_netsim::scenario::{Buffer, LinkSpec};

use host::{Host, SMOLTCP_V4, SMOLTCP_V6};
use http::File;
use namespace::{KERNEL_V4, KERNEL_V6, Namespace};
use path::Path;
use process::Process;

/// Both sides of a wire. The host goes before the namespace that holds its device's far end.
struct Laboratory<D> {
    host: Host<D>,
    namespace: Namespace,
    _turn: MutexGuard<'static, ()>,
}

/// The way between the two sides.
#[derive(Clone, Debug)]
struct Wire {
    /// From smoltcp to the kernel.
    departing: LinkSpec,
    /// From the kernel to smoltcp.
    arriving: LinkSpec,
    seed: u64,
}

impl Wire {
    /// 10 Mbit/s and 40 ms both ways, one bandwidth-delay product of queue.
    fn symmetric(seed: u64) -> Self {
        let rate = Bandwidth::from_bits_per_sec(10_000_000);
        let base_rtt = Duration::from_millis(40);
        let buffer = Buffer::BandwidthDelayProducts(1.0);
        let link = LinkSpec {
            delay: base_rtt / 2,
            ..LinkSpec::new(rate, base_rtt, buffer)
        };
        Self {
            departing: link.clone(),
            arriving: link,
            seed,
        }
    }

    /// The same with random loss in both directions.
    fn with_loss(self, loss: f64) -> Self {
        Self {
            departing: self.departing.with_loss(loss),
            arriving: self.arriving.with_loss(loss),
            ..self
        }
    }
}

/// The laboratory, or none where this machine does not let us have one.
fn laboratory<D: host::OverTun>(
    wire: &Wire,
    wrap: impl FnOnce(Path<TunTapInterface>) -> D,
) -> Option<Laboratory<D>> {
    // One at a time: they are about time, and share two processors with each other.
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (tun, namespace) = match Namespace::with_tun() {
        Ok(both) => both,
        Err(why) => {
            let required = std::env::var_os("TAUTLINE_REQUIRE_TUN").is_some();
            assert!(!required, "no TUN device in a namespace here: {why}");
            println!("skipped: no TUN device in a namespace here: {why}");
            return None;
        }
    };
    let path = Path::new(tun, &wire.departing, &wire.arriving, wire.seed);
    Some(Laboratory {
        host: Host::new(path, wire.seed, wrap),
        namespace,
        _turn: turn,
    })
}

impl<D: host::OverTun> Laboratory<D> {
    /// The kernel downloads `file` from smoltcp at `address`.
    fn kernel_fetches(&mut self, address: &str, file: File) -> Duration {
        let mut client = Process::client(&self.namespace, address, file);
        self.host.serve(|| client.is_running());
        client.download_time(file)
    }

    /// smoltcp downloads `file` from the kernel at `address`.
    fn smoltcp_fetches(&mut self, address: &str, file: File) -> Duration {
        let server = Process::server(&self.namespace);
        let took = self.host.fetch(address.parse().unwrap(), file);
        drop(server);
        took
    }
}

/// The stack as it is published.
fn plain(path: Path<TunTapInterface>) -> Path<TunTapInterface> {
    path
}

fn file(bytes: u64) -> File {
    File { seed: 7, bytes }
}

#[test]
fn the_kernel_downloads_from_smoltcp_as_it_is() {
    let wire = Wire::symmetric(1);
    let Some(mut laboratory) = laboratory(&wire, plain) else {
        return;
    };
    let socket = laboratory.host.socket();
    socket.set_congestion_control(CongestionControl::Cubic);
    let took = laboratory.kernel_fetches(SMOLTCP_V4, file(1_000_000));
    println!("{took:?} {:?}", laboratory.host.device.figures());
}

#[test]
fn smoltcp_downloads_from_the_kernel_over_both_versions_of_ip() {
    for address in [KERNEL_V4, KERNEL_V6] {
        let wire = Wire::symmetric(2);
        let Some(mut laboratory) = laboratory(&wire, plain) else {
            return;
        };
        laboratory.namespace.congestion_control("cubic").unwrap();
        let took = laboratory.smoltcp_fetches(address, file(1_000_000));
        println!("{address} {took:?} {:?}", laboratory.host.device.figures());
    }
}

#[test]
fn loss_in_both_directions_corrupts_nothing() {
    let wire = Wire::symmetric(3).with_loss(0.01);
    let Some(mut laboratory) = laboratory(&wire, plain) else {
        return;
    };
    let v6 = format!("[{SMOLTCP_V6}]");
    let took = laboratory.kernel_fetches(&v6, file(500_000));
    println!("{took:?} {:?}", laboratory.host.device.figures());
}
