//! The table of `docs/kernel-tcp.md`: the same file, sent by everyone over the same wire.

use std::time::Duration;

use smoltcp::socket::tcp::CongestionControl;
use tautline_core::controller::NewReno;
use tautline_tcp_integration::{ControllerSource, Settings};

use super::gated::{Gated, certified};
use super::host::{Middle, SMOLTCP_V4};
use super::http::File;
use super::namespace::KERNEL_V4;
use super::path::Figures;
use super::{Laboratory, Wire, laboratory, plain};

/// Who sends the file.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// smoltcp as it is published.
    BuiltIn(CongestionControl),
    /// smoltcp behind the gate, with the certified controller.
    Certified,
    /// smoltcp behind the gate, with this crate's core's NewReno.
    NewReno,
    /// The kernel, to smoltcp as it is published.
    Kernel(&'static str),
}

impl Sender {
    fn name(self) -> String {
        match self {
            Self::BuiltIn(control) => format!("smoltcp, built-in {control:?}"),
            Self::Certified => "smoltcp, gate, certified model".to_owned(),
            Self::NewReno => "smoltcp, gate, NewReno".to_owned(),
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
            Self::Certified => Transfer::through_the_gate(wire, certified()),
            Self::NewReno => Transfer::through_the_gate(wire, NewReno::new),
            Self::Kernel(name) => {
                let mut laboratory = laboratory(wire, plain)?;
                if let Err(why) = laboratory.namespace.congestion_control(name) {
                    println!("left out: {name}: {why}");
                    return None;
                }
                let took = laboratory.smoltcp_fetches(KERNEL_V4, FILE);
                let (departing, arriving) = laboratory.host.middle.figures();
                Some(Transfer::new(took, arriving, departing))
            }
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    goodput_mbit: f64,
    figures: Figures,
    /// Packets with data per packet on the way back.
    per_ack: f64,
    /// Segments beyond the window, where a gate counts them.
    violations: Option<u64>,
}

impl Transfer {
    /// `figures` of the data's way and of the way back.
    fn new(took: Duration, figures: Figures, back: Figures) -> Self {
        Self {
            goodput_mbit: FILE.bytes as f64 * 8.0 / took.as_secs_f64() / 1e6,
            figures,
            per_ack: figures.packets as f64 / back.packets as f64,
            violations: None,
        }
    }

    fn through_the_gate<S: ControllerSource>(wire: &Wire, source: S) -> Option<Self> {
        let gated = |path| Gated::new(path, source, Settings::default());
        let mut laboratory = laboratory(wire, gated)?;
        let transfer = Self::to_the_kernel(&mut laboratory);
        let violations = laboratory.host.middle.status().violations;
        Some(Self {
            violations: Some(violations),
            ..transfer
        })
    }

    fn to_the_kernel<M: Middle>(laboratory: &mut Laboratory<M>) -> Self {
        let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
        let (departing, arriving) = laboratory.host.middle.path().figures();
        Self::new(took, departing, arriving)
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
    let per_ack = mean(transfers, |transfer| transfer.per_ack);
    let violations: Option<u64> = transfers.iter().map(|transfer| transfer.violations).sum();
    let violations = violations.map_or_else(String::new, |count| count.to_string());
    let (name, ratio) = (sender.name(), goodput / cubic_mbit);
    format!(
        "| {name} | {goodput:.2} ({lowest:.2} to {highest:.2}) | {ratio:.2} | {wait:.1} | \
         {longest:.1} | {dropped:.0} | {resent:.1} | {per_ack:.2} | {violations} |"
    )
}

fn table(title: &str, wire: impl Fn(u64) -> Wire) {
    println!("\n{title}\n");
    println!(
        "| sender | goodput, Mbit/s (range) | to built-in Cubic | mean wait, ms | longest wait, ms \
         | dropped | sent again, % | data packets per packet back | beyond the window |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
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
    table("10 Mbit/s", Wire::symmetric);
}

#[test]
#[ignore = "prints a table of real transfers, which takes minutes"]
fn senders_side_by_side_with_loss() {
    table("10 Mbit/s, 1 % random loss in each direction", |seed| {
        Wire::symmetric(seed).with_loss(0.01)
    });
}

#[test]
#[ignore = "prints a table of real transfers, which takes minutes"]
fn senders_side_by_side_with_loss_at_a_higher_rate() {
    table("50 Mbit/s, 0.5 % random loss in each direction", |seed| {
        Wire::with_rate(50, seed).with_loss(0.005)
    });
}

const SENDERS: [Sender; 7] = [
    Sender::BuiltIn(CongestionControl::Cubic),
    Sender::BuiltIn(CongestionControl::Reno),
    Sender::Certified,
    Sender::NewReno,
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
