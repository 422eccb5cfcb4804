//! What each property of the transport changes, one at a time.

use core::time::Duration;
use std::fmt::Write as _;

use rayon::prelude::*;
use tautline_netsim::scenario::{Pacing, TransportSpec};

use crate::agreement::measured;
use crate::reference::{DUMBBELLS, Figures, References};
use crate::table::{Section, Table, range, span};

pub(crate) fn section(references: &References) -> anyhow::Result<Section> {
    let mut heads = vec![String::new(), String::new()];
    heads.extend(DUMBBELLS.map(|dumbbell| {
        let flows = if dumbbell.flows == 1 { "flow" } else { "flows" };
        format!("{} Mbit/s, {} {flows}", dumbbell.rate_mbps, dumbbell.flows)
    }));
    let mut table = Table::new(&heads);
    let mut shares = Vec::new();
    for controller in ["newreno", "cubic"] {
        let kernel = DUMBBELLS.map(|dumbbell| references.kernel(controller, dumbbell));
        if kernel.iter().all(Option::is_some) {
            let cells = kernel.map(|figures| figures.as_ref().map(cell).unwrap_or_default());
            table.row(
                [controller.to_owned(), "kernel 6.18".to_owned()]
                    .into_iter()
                    .chain(cells),
            );
        }
        let rows = switches();
        let figures: Vec<anyhow::Result<Vec<Figures>>> = rows
            .par_iter()
            .map(|(_, transport)| {
                let all = DUMBBELLS.par_iter();
                all.map(|&dumbbell| measured(dumbbell, controller, *transport))
                    .collect()
            })
            .collect();
        let mut plain: Option<Vec<Figures>> = None;
        for ((name, _), figures) in rows.iter().zip(figures) {
            let figures = figures?;
            let plain = plain.get_or_insert_with(|| figures.clone());
            shares.extend(
                figures
                    .iter()
                    .zip(plain)
                    .map(|(one, plain)| one.goodput_mbps / plain.goodput_mbps),
            );
            let cells = figures.iter().map(cell);
            table.row(
                [controller.to_owned(), (*name).to_owned()]
                    .into_iter()
                    .chain(cells),
            );
        }
    }
    let mut body = table.to_string();
    if let Some([least, most]) = span(shares) {
        let percent = range([100.0 * least, 100.0 * most], 2);
        write!(
            body,
            "\nCells: mean queueing delay in ms, loss in %. Goodput stays at {percent} % of that \
             of the model as it is.\n"
        )?;
    }
    Ok(Section {
        name: "switches",
        body,
        outside: Vec::new(),
    })
}

fn cell(figures: &Figures) -> String {
    format!("{:.2} / {:.4}", figures.delay_ms, figures.loss)
}

/// The model as it is, then each with one property changed.
fn switches() -> [(&'static str, TransportSpec); 9] {
    let plain = TransportSpec::default();
    let delay = |milliseconds| TransportSpec {
        max_ack_delay: Duration::from_millis(milliseconds),
        ..plain
    };
    let every = |ack_every| TransportSpec { ack_every, ..plain };
    let bursty = TransportSpec {
        pacing: Pacing::Off,
        ..plain
    };
    [
        ("the model: ACK every 2 packets or 25 ms, paced", plain),
        ("ACK every packet", every(1)),
        ("ACK every 10 packets", every(10)),
        ("ACKs never held back", delay(0)),
        ("ACKs held back up to 200 ms", delay(200)),
        ("not paced", bursty),
        (
            "not paced, ACK every packet",
            TransportSpec {
                ack_every: 1,
                ..bursty
            },
        ),
        (
            "not paced, ACKs held back up to 200 ms",
            TransportSpec {
                pacing: Pacing::Off,
                ..delay(200)
            },
        ),
        (
            "28 bytes of headers not counted in flight",
            TransportSpec {
                header_bytes: 28,
                ..plain
            },
        ),
    ]
}

/// quinn over IPv4: 20 + 8 bytes of IP and UDP headers, a short header with an eight-byte
/// connection ID and the frame's own, a tag of 16.
pub(crate) const QUIC: TransportSpec = TransportSpec {
    mtu_bytes: 1500,
    overhead_bytes: 62,
    header_bytes: 28,
    ack_every: 2,
    max_ack_delay: Duration::from_millis(25),
    receive_window: tautline_core::units::Bytes::new(256 << 20),
    ack_bytes: 68,
    pacing: Pacing::Controller,
};
