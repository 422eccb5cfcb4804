//! Real packets against the kernel's TCP: smoltcp on a TUN device, a link of netsim in real time in
//! between, and a real process in a network namespace on the other side.
//!
//! Where that is not permitted the tests say so and pass; with `TAUTLINE_REQUIRE_TUN` in the
//! environment they fail.

mod downloads;
mod gated;
mod host;
#[path = "../../support/http.rs"]
mod http;
mod namespace;
mod path;
mod process;
mod report;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smoltcp::phy::TunTapInterface;
use tautline_core::units::Bandwidth;
use tautline_netsim::link::impair::{JitterSpec, Order};
use tautline_netsim::link::queue::QueueSpec;
use tautline_netsim::scenario::{Buffer, LinkSpec};

use host::{Host, Middle};
use http::File;
use namespace::Namespace;
use path::Path;
use process::{Manner, Process};

/// Both sides of a wire. The host goes before the namespace that holds its device's far end.
struct Laboratory<M> {
    host: Host<M>,
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
        Self::with_rate(10, seed)
    }

    /// The same with another rate.
    fn with_rate(mbit: u64, seed: u64) -> Self {
        let rate = Bandwidth::from_bits_per_sec(mbit * 1_000_000);
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

    /// The same with queues that mark what has waited for 5 ms.
    fn with_marks(self) -> Self {
        let threshold = Duration::from_millis(5);
        let marking = |link: LinkSpec| link.with_queue(QueueSpec::Step { threshold });
        Self {
            departing: marking(self.departing),
            arriving: marking(self.arriving),
            ..self
        }
    }

    /// The same with up to 8 ms more for some packets than for others, so that they overtake.
    fn with_reordering(mut self) -> Self {
        let jitter = JitterSpec {
            max: Duration::from_millis(8),
            order: Order::Free,
            ..JitterSpec::default()
        };
        self.departing.jitter = jitter;
        self.arriving.jitter = jitter;
        self
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
fn laboratory<M: Middle>(
    wire: &Wire,
    wrap: impl FnOnce(Path<TunTapInterface>) -> M,
) -> Option<Laboratory<M>> {
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

impl<M: Middle> Laboratory<M> {
    /// The kernel downloads `file` from smoltcp at `address`.
    fn kernel_fetches(&mut self, address: &str, file: File) -> Duration {
        self.kernel_fetches_as(Manner::default(), address, file)
    }

    /// The same, by a client of a certain kind.
    fn kernel_fetches_as(&mut self, manner: Manner, address: &str, file: File) -> Duration {
        let mut client = Process::client(&self.namespace, address, file, manner);
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
