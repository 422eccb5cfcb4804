//! The table of `docs/kernel-tcp.md`: the same file, sent by everyone over the same wire.

use std::time::Duration;

use smoltcp::socket::tcp::CongestionControl;

use super::http::File;
use super::path::Figures;
use super::{Laboratory, Wire, laboratory, plain};
use crate::tun::host::Middle;
use crate::tun::host::SMOLTCP_V4;
use crate::tun::namespace::KERNEL_V4;

/// Who sends the file.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// smoltcp as it is published.
    BuiltIn(CongestionControl),
    /// The kernel, to smoltcp as it is published.
    Kernel(&'static str),
}

impl Sender {
    fn name(self) -> String {
        match self {
            Self::BuiltIn(control) => format!("smoltcp, built-in {control:?}"),
            Self::Kernel(name) => format!("kernel, {name}"),
        }
    }

    /// One transfer; none where there is no laboratory.
    fn send(self, wire: &Wire) -> Option<Transfer> {
        match self {
            Self::BuiltIn(control) => {
                let mut laboratory = laboratory(wire, plain)?;
                laboratory.host.socket().set_congestion_control(control);
                Some(Transfer::to_the_kernel(&mut laboratory))
            }
            Self::Kernel(name) => {
                let mut laboratory = laboratory(wire, plain)?;
                if let Err(why) = laboratory.namespace.congestion_control(name) {
                    println!("left out: {name}: {why}");
                    return None;
                }
                let took = laboratory.smoltcp_fetches(KERNEL_V4, FILE);
                let (_, arriving) = laboratory.host.middle.figures();
                Some(Transfer::new(took, arriving))
            }
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    goodput_mbit: f64,
    figures: Figures,
}

impl Transfer {
    fn new(took: Duration, figures: Figures) -> Self {
        Self {
            goodput_mbit: FILE.bytes as f64 * 8.0 / took.as_secs_f64() / 1e6,
            figures,
        }
    }

    fn to_the_kernel<M: Middle>(laboratory: &mut Laboratory<M>) -> Self {
        let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
        let (departing, _) = laboratory.host.middle.path().figures();
        Self::new(took, departing)
    }
}

/// The mean over `transfers` of what `value` says.
fn mean(transfers: &[Transfer], value: impl Fn(&Transfer) -> f64) -> f64 {
    transfers.iter().map(value).sum::<f64>() / transfers.len() as f64
}

fn row(sender: Sender, transfers: &[Transfer], cubic_mbit: f64) -> String {
    let goodput = mean(transfers, |transfer| transfer.goodput_mbit);
    let lowest = transfers
        .iter()
        .map(|t| t.goodput_mbit)
        .fold(f64::MAX, f64::min);
    let highest = transfers.iter().map(|t| t.goodput_mbit).fold(0.0, f64::max);
    let wait = mean(transfers, |t| t.figures.mean_wait().as_secs_f64() * 1e3);
    let longest = mean(transfers, |t| t.figures.longest_wait.as_secs_f64() * 1e3);
    let dropped = mean(transfers, |t| t.figures.dropped as f64);
    let resent = mean(transfers, |t| {
        let beyond = t.figures.payload_bytes.saturating_sub(FILE.bytes);
        100.0 * beyond as f64 / FILE.bytes as f64
    });
    let (name, ratio) = (sender.name(), goodput / cubic_mbit);
    format!(
        "| {name} | {goodput:.2} ({lowest:.2} to {highest:.2}) | {ratio:.2} | {wait:.1} | \
         {longest:.1} | {dropped:.0} | {resent:.1} |"
    )
}

fn table(title: &str, wire: impl Fn(u64) -> Wire) {
    println!("\n{title}\n");
    println!(
        "| sender | goodput, Mbit/s (range) | to built-in Cubic | mean wait, ms | longest wait, ms \
         | dropped by the queue | sent again, % |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    let mut cubic_mbit = f64::NAN;
    for sender in SENDERS {
        let wires = (1..=RUNS).map(&wire);
        let Some(transfers) = wires
            .map(|wire| sender.send(&wire))
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        if cubic_mbit.is_nan() {
            cubic_mbit = mean(&transfers, |transfer| transfer.goodput_mbit);
        }
        println!("{}", row(sender, &transfers, cubic_mbit));
    }
}

#[test]
#[ignore = "prints a table of real transfers, which takes minutes"]
fn senders_side_by_side() {
    table(
        "10 Mbit/s, 40 ms, drop-tail queue of one bandwidth-delay product",
        Wire::symmetric,
    );
    let lossy = |seed| Wire::symmetric(seed).with_loss(0.01);
    table("The same with 1 % random loss in each direction", lossy);
}

const SENDERS: [Sender; 5] = [
    Sender::BuiltIn(CongestionControl::Cubic),
    Sender::BuiltIn(CongestionControl::Reno),
    Sender::Kernel("cubic"),
    Sender::Kernel("reno"),
    Sender::Kernel("bbr"),
];

/// Transfers per sender and wire.
const RUNS: u64 = 3;

const FILE: File = File {
    seed: 11,
    bytes: 3_000_000,
};
