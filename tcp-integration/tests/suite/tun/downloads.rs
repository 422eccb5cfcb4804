//! Files between smoltcp and the kernel, each byte compared.

use std::path::Path as FilePath;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use smoltcp::socket::tcp::CongestionControl;
use tautline_tcp_integration::{CertifiedSource, EcnSupport, Settings};

use super::gated::{Gated, certified};
use super::host::{HTTP, Middle, SMOLTCP_V4};
use super::http::File;
use super::namespace::{KERNEL_V4, KERNEL_V6};
use super::process::{Manner, Process};
use super::{Laboratory, Wire, laboratory, plain};

/// A laboratory with the certified controller at the gate, or none.
fn gated(wire: &Wire, settings: Settings) -> Option<Laboratory<Gated<CertifiedSource>>> {
    laboratory(wire, |path| Gated::new(path, certified(), settings))
}

/// Prints how it went, for `--nocapture`.
fn tell<M: Middle>(what: &str, took: Duration, file: File, laboratory: &mut Laboratory<M>) {
    let (departing, arriving) = laboratory.host.middle.path().figures();
    let rate = file.bytes as f64 * 8.0 / took.as_secs_f64() / 1e6;
    println!("{what}: {rate:.2} Mbit/s\n  to the kernel {departing:?}\n  from it {arriving:?}");
}

/// What holds after every transfer through the gate.
fn settle(laboratory: &Laboratory<Gated<CertifiedSource>>) {
    let (status, tally) = (
        laboratory.host.middle.status(),
        laboratory.host.middle.tally(),
    );
    println!("  {status:?}\n  {tally:?}");
    assert_eq!(tally.connections, 1);
    assert_eq!(status.violations, 0);
    assert!(status.segments_sent > 0);
}

#[test]
fn the_kernel_downloads_from_the_stack_as_it_is() {
    let Some(mut laboratory) = laboratory(&Wire::symmetric(1), plain) else {
        return;
    };
    let socket = laboratory.host.socket();
    socket.set_congestion_control(CongestionControl::Cubic);
    let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
    tell("built-in Cubic", took, FILE, &mut laboratory);
}

#[test]
fn the_kernel_downloads_from_a_certified_sender_over_both_versions_of_ip() {
    for address in IN_URLS {
        let Some(mut laboratory) = gated(&Wire::symmetric(2), Settings::default()) else {
            return;
        };
        let took = laboratory.kernel_fetches(address, FILE);
        tell("certified", took, FILE, &mut laboratory);
        settle(&laboratory);
    }
}

#[test]
fn a_certified_sender_repairs_what_is_lost_in_both_directions() {
    for address in IN_URLS {
        let wire = Wire::symmetric(3).with_loss(0.01);
        let Some(mut laboratory) = gated(&wire, Settings::default()) else {
            return;
        };
        let took = laboratory.kernel_fetches(address, FILE);
        tell("certified, 1 % loss", took, FILE, &mut laboratory);
        settle(&laboratory);
    }
}

#[test]
fn packets_that_overtake_each_other_corrupt_nothing() {
    let wire = Wire::symmetric(9).with_reordering();
    let Some(mut laboratory) = gated(&wire, Settings::default()) else {
        return;
    };
    let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
    tell("certified, reordered", took, FILE, &mut laboratory);
    settle(&laboratory);
}

#[test]
fn more_segments_in_flight_than_the_gate_keeps_apart_are_sent_and_repaired() {
    let wire = Wire::with_rate(50, 10).with_loss(0.005);
    let Some(mut laboratory) = gated(&wire, Settings::default()) else {
        return;
    };
    let file = File {
        bytes: 4_000_000,
        ..FILE
    };
    let took = laboratory.kernel_fetches(SMOLTCP_V4, file);
    tell(
        "certified, 50 Mbit/s, 0.5 % loss",
        took,
        file,
        &mut laboratory,
    );
    settle(&laboratory);
}

#[test]
fn smoltcp_downloads_from_the_kernel_through_the_gate() {
    for (address, loss) in [(KERNEL_V4, 0.0), (KERNEL_V6, 0.0), (KERNEL_V4, 0.01)] {
        let wire = Wire::symmetric(4).with_loss(loss);
        let Some(mut laboratory) = gated(&wire, Settings::default()) else {
            return;
        };
        let took = laboratory.smoltcp_fetches(address, FILE);
        tell("from the kernel", took, FILE, &mut laboratory);
        settle(&laboratory);
    }
}

#[test]
fn timestamps_change_nothing() {
    let Some(mut laboratory) = gated(&Wire::symmetric(5), Settings::default()) else {
        return;
    };
    let ticks = || TICKS.fetch_add(1, Ordering::Relaxed);
    laboratory.host.socket().set_tsval_generator(Some(ticks));
    let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
    assert!(laboratory.host.socket().timestamp_enabled());
    tell("certified, timestamps", took, FILE, &mut laboratory);
    settle(&laboratory);
}

#[test]
fn a_reader_that_stops_reading_closes_the_window_and_gets_everything_in_the_end() {
    let Some(mut laboratory) = gated(&Wire::symmetric(6), Settings::default()) else {
        return;
    };
    laboratory.namespace.set("tcp_rmem", "4096 16384 32768");
    let slow = Manner {
        pause_millis: 1500,
        ..Manner::default()
    };
    let took = laboratory.kernel_fetches_as(slow, SMOLTCP_V4, FILE);
    tell("certified, slow reader", took, FILE, &mut laboratory);
    settle(&laboratory);
    let (_, arriving) = laboratory.host.middle.path().figures();
    assert!(arriving.zero_windows > 0);
}

#[test]
fn a_client_that_closes_its_direction_first_gets_everything_in_spite_of_losses() {
    let wire = Wire::symmetric(11).with_loss(0.01);
    let Some(mut laboratory) = gated(&wire, Settings::default()) else {
        return;
    };
    let hasty = Manner {
        closes_early: true,
        ..Manner::default()
    };
    let took = laboratory.kernel_fetches_as(hasty, SMOLTCP_V4, FILE);
    tell(
        "certified, half-closed, 1 % loss",
        took,
        FILE,
        &mut laboratory,
    );
    settle(&laboratory);
}

#[test]
fn both_sides_answer_marks_with_echoes_and_reductions() {
    let settings = Settings::default().with_ecn(EcnSupport::On);
    let wire = Wire::symmetric(7).with_marks();
    let Some(mut laboratory) = gated(&wire, settings) else {
        return;
    };
    laboratory.namespace.set("tcp_ecn", "1");
    let took = laboratory.kernel_fetches(SMOLTCP_V4, FILE);
    tell("certified, marked", took, FILE, &mut laboratory);
    settle(&laboratory);
    let (departing, arriving) = laboratory.host.middle.path().figures();
    assert!(departing.marked > 0, "{departing:?}");
    assert_eq!(laboratory.namespace.counter("InCEPkts"), departing.marked);
    assert!(arriving.echoes > 0, "{arriving:?}");
    assert!(departing.reductions > 0, "{departing:?}");

    drop(laboratory);
    let Some(mut laboratory) = gated(&wire, settings) else {
        return;
    };
    laboratory.namespace.set("tcp_ecn", "1");
    laboratory.namespace.congestion_control("cubic").unwrap();
    let took = laboratory.smoltcp_fetches(KERNEL_V4, FILE);
    tell("from the kernel, marked", took, FILE, &mut laboratory);
    settle(&laboratory);
    let (departing, arriving) = laboratory.host.middle.path().figures();
    assert!(arriving.marked > 0, "{arriving:?}");
    assert!(departing.echoes > 0, "{departing:?}");
    assert!(arriving.reductions > 0, "{arriving:?}");
    assert!(laboratory.namespace.counter("TCPDeliveredCE") > 0);
}

#[test]
fn curl_downloads_from_a_certified_sender() {
    let version = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        println!("skipped: no curl here");
        return;
    }
    let Some(mut laboratory) = gated(&Wire::symmetric(8), Settings::default()) else {
        return;
    };
    let saved =
        FilePath::new(env!("CARGO_TARGET_TMPDIR")).join(format!("curl-{}", std::process::id()));
    let url = format!("http://{SMOLTCP_V4}:{HTTP}{}", FILE.path());
    let mut command = laboratory.namespace.command("curl");
    let command = command.args(["--silent", "--fail", "--max-time", "50", "--output"]);
    let mut curl = Process::start(command.arg(&saved).arg(url));
    laboratory.host.serve(|| curl.is_running());
    curl.report();
    let body = std::fs::read(&saved).unwrap();
    std::fs::remove_file(&saved).unwrap();
    settle(&laboratory);
    assert_eq!(body.len() as u64, FILE.bytes);
    for (at, &byte) in (0..).zip(&body) {
        assert_eq!(byte, FILE.byte(at), "byte {at}");
    }
}

const FILE: File = File {
    seed: 7,
    bytes: 700_000,
};

/// A clock for timestamps: it only has to go forward.
static TICKS: AtomicU32 = AtomicU32::new(1);

/// Addresses of the host as they stand in a URL.
const IN_URLS: [&str; 2] = [SMOLTCP_V4, "[fd54:83::2]"];
