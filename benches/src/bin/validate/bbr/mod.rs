//! BBRv3 beside what its draft says, from runs that are watched.

mod watched;

use tautline_netsim::baseline::Cubic;
use tautline_netsim::baseline::bbr::Phase;

use crate::table::{Section, Table, Verdict, mean, range, span};
use watched::{MTU, Visit, durations, is_drafted, link, run_one, waits, watched};

pub(crate) fn section() -> anyhow::Result<Section> {
    let mut table = Table::new(&["behaviour", "draft", "10 Mbit/s", "100 Mbit/s"]);
    let mut outside = Vec::new();
    for (slow, fast) in findings(10)?.iter().zip(findings(100)?) {
        table.row([
            slow.behaviour.clone(),
            slow.draft.to_owned(),
            slow.shown(),
            fast.shown(),
        ]);
        outside.extend(slow.complaint("10 Mbit/s"));
        outside.extend(fast.complaint("100 Mbit/s"));
    }
    Ok(Section {
        name: "bbr",
        body: table.to_string(),
        outside,
    })
}

/// Something that the draft says, and what a run did.
struct Finding {
    behaviour: String,
    draft: &'static str,
    measured: String,
    holds: bool,
}

impl Finding {
    /// Values from the least to the most, all of them within `limits`.
    fn spans(name: &str, draft: &'static str, values: &[f64], limits: [f64; 2]) -> Self {
        let [least, most] = span(values.iter().copied()).unwrap_or_default();
        Self {
            behaviour: name.to_owned(),
            draft,
            measured: format!("{}, {} times", range([least, most], 0), values.len()),
            holds: values.len() >= 5 && limits[0] <= least && most <= limits[1],
        }
    }

    fn shown(&self) -> String {
        format!("{}{}", self.measured, Verdict::of(self.holds).mark())
    }

    fn complaint(&self, path: &str) -> Option<String> {
        let (behaviour, measured, draft) = (&self.behaviour, &self.measured, self.draft);
        let line = format!("BBRv3, {path}: {behaviour} {measured}, expected: {draft}");
        (!self.holds).then_some(line)
    }
}

/// The same findings in the same order for any rate.
fn findings(rate_mbps: u64) -> anyhow::Result<Vec<Finding>> {
    let alone = watched(link(rate_mbps), 1, 1)?;
    let mut findings = cycle(rate_mbps, &alone.controllers[0].visits);
    findings.extend(probes(&alone.controllers[0].visits));
    findings.extend(losses(rate_mbps)?);
    findings.push(crowd(rate_mbps)?);
    Ok(findings)
}

fn cycle(rate_mbps: u64, visits: &[Visit]) -> Vec<Finding> {
    let changes = visits.windows(2);
    let strange = changes
        .clone()
        .filter(|pair| !is_drafted(pair[0].phase, pair[1].phase));
    let (strange, changes) = (strange.count(), changes.count());
    let mut findings = vec![Finding {
        behaviour: "changes of phase".to_owned(),
        draft: "only those of §5.1",
        measured: format!("{changes}, of which {strange} others"),
        holds: strange == 0 && changes > 50,
    }];
    for (phase, name, draft, [least, most]) in DURATIONS {
        let times = durations(visits, phase);
        let typical = mean(&times);
        findings.push(Finding {
            behaviour: format!("mean time in {name}, ms"),
            draft,
            measured: format!("{typical:.0}, {} times", times.len()),
            holds: (least..=most).contains(&typical),
        });
    }
    // At 10 Mbit/s the path holds 34 packets, each good for a round of 41 ms.
    let limits = if rate_mbps == 10 {
        [1300.0, 1600.0]
    } else {
        [2000.0, 3000.0]
    };
    let draft = "2 to 3 s, at most a round per packet of the path or 63 (§5.3.3.8)";
    let name = "wait between probes of bandwidth, ms";
    findings.push(Finding::spans(name, draft, &waits(visits), limits));
    findings
}

fn probes(visits: &[Visit]) -> [Finding; 2] {
    let visits = visits.iter().copied();
    let probes: Vec<Visit> = visits
        .filter(|visit| visit.phase == Phase::ProbeRtt)
        .collect();
    let apart = probes.windows(2);
    let apart: Vec<f64> = apart
        .map(|pair| pair[1].start_ms - pair[0].start_ms)
        .collect();
    let name = "from ProbeRTT to ProbeRTT, ms";
    let draft = "5 s after the last minimum (§5.3.4)";
    let shares = probes.iter();
    let shares = shares.map(|probe| probe.window as f64 / probe.bdp as f64);
    let window = span(shares).unwrap_or_default();
    [
        Finding::spans(name, draft, &apart, [5000.0, 5500.0]),
        Finding {
            behaviour: "window in ProbeRTT, of a BDP".to_owned(),
            draft: "half, at least 4 packets (§5.6.4.5)",
            measured: range(window, 3),
            holds: probes.len() >= 10 && window[1] <= 0.51,
        },
    ]
}

/// Random losses: held below the 2 % that a probe may lose, given way to above.
fn losses(rate_mbps: u64) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (loss, [least, most], draft) in LOSSES {
        let lossy = || link(rate_mbps).with_loss(loss);
        let (mut bbr, mut cubic) = (Vec::new(), Vec::new());
        for seed in 1..=SEEDS {
            bbr.push(watched(lossy(), 1, seed)?.link.utilisation);
            let other = run_one(lossy(), |_| Cubic::new(MTU), seed)?;
            cubic.push(other.link.utilisation);
        }
        let (bbr, cubic) = (mean(&bbr), mean(&cubic));
        findings.push(Finding {
            behaviour: format!("utilisation at {} % random loss", loss * 100.0),
            draft,
            measured: format!("{:.1} %; CUBIC {:.1} %", 100.0 * bbr, 100.0 * cubic),
            holds: (least..=most).contains(&bbr),
        });
    }
    Ok(findings)
}

/// Flows that fill the buffer together, where version 1 lost 10 to 16 %.
fn crowd(rate_mbps: u64) -> anyhow::Result<Finding> {
    let (mut losses, mut bounded) = (Vec::new(), 0);
    for seed in 1..=SEEDS {
        let outcome = watched(link(rate_mbps), 8, seed)?;
        losses.push(outcome.link.loss);
        let flows = outcome.controllers.iter();
        bounded += flows
            .filter(|flow| flow.bbr.inflight_longterm().is_some())
            .count();
    }
    let (loss, flows) = (mean(&losses), 8 * SEEDS);
    Ok(Finding {
        behaviour: "loss of 8 flows".to_owned(),
        draft: "inflight_longterm bounds probes (§5.5.10); limit here 5 %",
        measured: format!("{:.2} %; {bounded} of {flows} flows bounded", 100.0 * loss),
        holds: loss < MOST_LOSS && bounded > 0,
    })
}

/// Mean times in ms; a round is 41 ms and a queue.
const DURATIONS: [(Phase, &str, &str, [f64; 2]); 3] = [
    (
        Phase::ProbeBwRefill,
        "ProbeBW_REFILL",
        "one round (§5.3.3.3)",
        [40.0, 60.0],
    ),
    (
        Phase::ProbeBwUp,
        "ProbeBW_UP",
        "rounds without growth or a queue too long (§5.3.3.4)",
        [40.0, 400.0],
    ),
    (
        Phase::ProbeRtt,
        "ProbeRTT",
        "200 ms or a round, once drained (§5.3.4)",
        [200.0, 330.0],
    ),
];
/// Loss, least and most utilisation.
const LOSSES: [(f64, [f64; 2], &str); 4] = [
    (0.001, [0.9, 1.0], "holds its rate below 2 % (§5.3.3.8)"),
    (0.01, [0.7, 1.0], "holds its rate below 2 % (§5.3.3.8)"),
    (0.05, [0.0, 0.7], "gives way above 2 % (§5.5.10)"),
    (0.1, [0.0, 0.5], "gives way above 2 % (§5.5.10)"),
];
const SEEDS: u64 = 4;
/// Of eight flows.
const MOST_LOSS: f64 = 0.05;
