//! A controller of one's own and CUBIC behind one CoDel queue.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Decision, SentPacket, Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, Cubic};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

/// One packet more per round trip while the queue is short, one less while it is long.
struct Timid {
    window: f64,
    base_rtt: Duration,
}

impl Controller for Timid {
    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        let rtt = now.saturating_since(packet.time_sent);
        self.base_rtt = self.base_rtt.min(rtt);
        let short = rtt < self.base_rtt * 5 / 4;
        self.window += 1500.0 * 1500.0 / if short { self.window } else { -self.window };
    }
    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {
        self.window *= 0.8;
    }
    fn decision(&self) -> Decision {
        Decision::unpaced(Bytes::new(self.window.max(4500.0) as u64))
    }
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {}
    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {}
    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {}
    fn on_mtu_update(&mut self, _now: Timestamp, _max_datagram_size: Bytes) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rate = Bandwidth::from_bits_per_sec(20_000_000);
    let buffer = Buffer::BandwidthDelayProducts(2.0);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
    let link = link.with_queue(QueueSpec::codel());
    let flows = ["timid", "cubic"].map(FlowSpec::new).to_vec();
    let scenario = ValidScenario::new(link, flows, Duration::from_secs(30))?;
    let (window, base_rtt) = (15_000.0, Duration::MAX);
    let timid = BoxedController::new(Timid { window, base_rtt });
    let cubic = BoxedController::new(Cubic::new(Bytes::new(1500)));
    let outcome = run(&scenario, 1, vec![timid, cubic], &RunOptions::default())?;
    println!("{:.2} ms of queue", outcome.link.queue_delay_mean_ms);
    for flow in &outcome.flows {
        println!("{}: {:.2} Mbit/s", flow.controller, flow.goodput_mbps);
    }
    Ok(())
}
