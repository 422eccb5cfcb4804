//! The page around the charts.

use super::escaped;
use super::svg::{Chart, Series};
use crate::cmd::demo::record::{
    ClaimRecord, DemoRecord, RunRecord, TamperRecord, Timeline, WeightChange, cell,
};

/// The whole report.
pub(crate) fn page(demo: &DemoRecord) -> String {
    let mut html = HEAD.replace("{style}", STYLE);
    html.push_str(&lead(demo));
    html.push_str("<section><h2>Real traffic</h2>\n");
    html.push_str(&setting(demo));
    html.push_str(&results(&demo.runs));
    for (link, what) in LINKS {
        html.push_str(&charts(link, what, &demo.timelines));
    }
    html.push_str("</section>\n<section><h2>What is proven</h2>\n");
    html.push_str(&claims(&demo.claims));
    html.push_str("</section>\n<section><h2>A tampered model</h2>\n");
    html.push_str(&tamper(&demo.tamper));
    html.push_str("</section>\n<section><h2>Provenance</h2>\n");
    html.push_str(&provenance(demo));
    html.push_str("</section>\n</main></body></html>\n");
    html
}

fn lead(demo: &DemoRecord) -> String {
    let accepted = demo.claims.iter().filter(|claim| claim.accepted).count();
    let total = demo.claims.len();
    let tampered = if demo.tamper.rejected {
        "A model with one changed weight was rejected."
    } else {
        "No change of a weight that was tried was rejected."
    };
    let class = if demo.accepted() { "good" } else { "bad" };
    format!(
        "<header><h1>Tautline demo</h1>\n<p class=\"lead\">A small neural congestion controller \
         was trained, proven, checked and put to work on real QUIC traffic.</p>\n\
         <p class=\"verdict {class}\">{accepted} of {total} claims proven for every input and \
         accepted by the independent checker. {tampered}</p></header>\n"
    )
}

fn setting(demo: &DemoRecord) -> String {
    format!(
        "<p>A quinn client downloads from a quinn server over UDP sockets on this machine, \
         through an emulated path: 40 ms round-trip time, a drop-tail queue of 200 kB (two \
         bandwidth-delay products at 20 Mbit/s), {} s per transfer, one connection at a time. \
         The figures are what was measured, whoever wins. Only the certified controller has a \
         guard; <em>certified</em> is the share of its decisions after startup that the policy \
         made inside the certified region and the guard applied. The emulator measures its own \
         lateness where packets leave it; a run with a 99th percentile above 1 ms is invalid: it \
         is repeated, and its figures are never reported. quinn marks its BBR as experimental: \
         it estimates bandwidth from the gap between consecutive acknowledgements (quinn-proto \
         0.11.19, <code>congestion/bbr/bw_estimation.rs</code>), which real sockets bunch, hence \
         its high loss here.</p>\n",
        demo.transfer_seconds
    )
}

fn results(runs: &[RunRecord]) -> String {
    let mut html = "<div class=\"scroll\"><table><thead><tr><th>link<th>controller\
        <th class=\"n\">goodput<br><small>Mbit/s</small>\
        <th class=\"n\">utilisation\
        <th class=\"n\">queue, mean<br><small>ms</small>\
        <th class=\"n\">queue, p95<br><small>ms</small>\
        <th class=\"n\">loss\
        <th class=\"n\">guard inter-<br>ventions\
        <th class=\"n\">certified\
        <th class=\"n\">emulator<br>late, p99<br><small>µs</small></tr></thead><tbody>\n"
        .to_owned();
    let mut last = "";
    for run in runs {
        let class = if run.link == last {
            ""
        } else {
            " class=\"first\""
        };
        let link = if run.link == last { "" } else { run.link };
        last = run.link;
        let percent = |value: f64| format!("{:.1} %", 100.0 * value);
        let cells = [
            cell(run.goodput_mbps, |it| format!("{it:.2}")),
            cell(run.utilisation, percent),
            cell(run.queue_delay_mean_ms, |it| format!("{it:.1}")),
            cell(run.queue_delay_p95_ms, |it| format!("{it:.1}")),
            cell(run.loss, |it| format!("{:.2} %", 100.0 * it)),
            cell(run.guard_interventions, |it| it.to_string()),
            cell(run.certified_share, percent),
            lateness(run),
        ];
        let cells = cells.map(|cell| format!("<td class=\"n\">{cell}"));
        push(
            &mut html,
            format_args!(
                "<tr{class}><td>{link}<td class=\"controller\"><i class=\"key {controller}\"></i>{}{}</tr>\n",
                name(run.controller),
                cells.concat(),
                controller = run.controller,
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn lateness(run: &RunRecord) -> String {
    let late = format!("{:.0}", run.lateness_p99_us);
    if run.valid {
        late
    } else {
        format!("<span class=\"bad\">{late} invalid</span>")
    }
}

fn charts(link: &str, what: &str, timelines: &[Timeline]) -> String {
    let shown: Vec<_> = timelines.iter().filter(|it| it.link == link).collect();
    let Some(first) = shown.first() else {
        return format!("<h3>{what}</h3>\n<p>No valid run.</p>\n");
    };
    // The certified controller is drawn last, on top.
    let lines = |values: &dyn Fn(&Timeline) -> Vec<Option<f64>>| {
        let ordered = shown.iter().rev();
        let lines = ordered.map(|it| Series {
            class: it.controller,
            values: values(it),
        });
        lines.collect::<Vec<_>>()
    };
    let capacity = shown.iter().map(|it| &it.capacity_mbps);
    let capacity = capacity
        .max_by_key(|it| it.len())
        .unwrap_or(&first.capacity_mbps);
    let throughput = Chart {
        title: format!("Throughput over time, {link} link"),
        y_axis: "throughput (Mbit/s)",
        bin_s: first.bin_s,
        limit: Some(Series {
            class: "capacity",
            values: capacity.iter().copied().map(Some).collect(),
        }),
        lines: lines(&|it| it.throughput_mbps.iter().copied().map(Some).collect()),
    };
    let delay = Chart {
        title: format!("Queueing delay over time, {link} link"),
        y_axis: "queueing delay (ms)",
        bin_s: first.bin_s,
        limit: None,
        lines: lines(&|it| it.queue_delay_ms.clone()),
    };
    format!(
        "<h3>{what}</h3>\n{}<figure>{}{}</figure>\n",
        legend(&shown),
        throughput.render(),
        delay.render()
    )
}

fn legend(shown: &[&Timeline]) -> String {
    let keys = shown.iter().map(|it| {
        let class = it.controller;
        format!("<span><i class=\"key {class}\"></i>{}</span>", name(class))
    });
    let keys: String = keys.collect();
    format!(
        "<p class=\"legend\">{keys}<span><i class=\"key capacity\"></i>capacity of the link\
         </span></p>\n"
    )
}

fn claims(claims: &[ClaimRecord]) -> String {
    let mut html = "<p>Each claim holds for <em>every</em> input in its region, not for samples: \
        a proof was written as a certificate, and a checker with exact arithmetic of its own \
        accepted it. Features are ratios, so a claim is about all bandwidths and round-trip \
        times. <em>QC</em> is the proven fraction of the region.</p>\n<div class=\"scroll\">\
        <table class=\"claims\"><thead><tr><th>claim<th>where<th>then\
        <th class=\"n\">QC<th class=\"n\">leaves<th></tr></thead><tbody>\n"
        .to_owned();
    for claim in claims {
        let mark = if claim.accepted {
            "<td class=\"good\">accepted"
        } else {
            "<td class=\"bad\">not accepted"
        };
        push(
            &mut html,
            format_args!(
                "<tr class=\"first\"><td><strong>{}</strong><br>{}<td class=\"code\">{}\
                 <td class=\"code then\">{}<td class=\"n\">{}<td class=\"n\">{}{mark}</tr>\n",
                escaped(&claim.name),
                escaped(&claim.says),
                unbroken(&claim.given),
                unbroken(&claim.then),
                escaped(&claim.qc),
                claim.leaves,
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Inequalities that break only between each other.
fn unbroken(list: &str) -> String {
    let parts = list.split(", ");
    let parts = parts.map(|part| escaped(part).replace(' ', "&nbsp;"));
    parts.collect::<Vec<_>>().join(", ")
}

fn tamper(tamper: &TamperRecord) -> String {
    let mut html = "<p>One weight in a copy of the model was changed, and every digest in model \
        and certificate was recomputed, so that no checksum gives the change away.</p>\n<dl>\n"
        .to_owned();
    if let Some(change) = &tamper.harmless {
        push(
            &mut html,
            format_args!(
                "<dt>{}</dt><dd><span class=\"good\">accepted</span>: the change is harmless, \
                 every proof still holds</dd>\n",
                described(change)
            ),
        );
    }
    let consequence = tamper
        .consequence
        .as_deref()
        .map_or_else(String::new, |it| format!("<br>{}", escaped(it)));
    match &tamper.change {
        Some(change) => push(
            &mut html,
            format_args!(
                "<dt>{}</dt><dd><span class=\"bad\">rejected</span> at {}{}</dd>\n",
                described(change),
                escaped(&tamper.reason),
                consequence
            ),
        ),
        None => push(
            &mut html,
            format_args!(
                "<dt>no rejection</dt><dd>{}</dd>\n",
                escaped(&tamper.reason)
            ),
        ),
    }
    html.push_str("</dl>\n");
    html
}

fn described(change: &WeightChange) -> String {
    let (place, before, after) = (escaped(&change.place), change.before, change.after);
    format!("{place}: {before} → {after}")
}

fn provenance(demo: &DemoRecord) -> String {
    let from = &demo.provenance;
    let preset = if demo.quick { "quick" } else { "demo" };
    let rows = [
        ("tautline", format!("version {}", from.version)),
        ("training", format!("preset {preset}, seed {}", demo.seed)),
        (
            "model",
            format!(
                "{} ({} parameters)",
                from.model_shape, from.model_parameters
            ),
        ),
        (
            "certificate",
            format!("{} bytes, {} leaves", from.certificate_bytes, from.leaves),
        ),
        ("model.tlm", from.model_digest.clone()),
        ("certificate.tlc", from.certificate_digest.clone()),
        ("claims", from.claims_digest.clone()),
        (
            "training parameters",
            from.training_parameters_digest.clone(),
        ),
    ];
    let rows = rows.map(|(what, value)| {
        format!(
            "<dt>{what}</dt><dd class=\"code\">{}</dd>\n",
            escaped(&value)
        )
    });
    format!(
        "<dl class=\"facts\">\n{}</dl>\n<p>Digests are SHA-256. Check the files yourself: \
         <code>tautline check model.tlm certificate.tlc</code></p>\n",
        rows.concat()
    )
}

fn name(controller: &str) -> &'static str {
    match controller {
        "certified" => "certified",
        "cubic" => "CUBIC",
        "newreno" => "NewReno",
        "bbr" => "BBR",
        _ => "?",
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&what.to_string());
}

const LINKS: [(&str, &str); 2] = [
    ("fixed", "Fixed link: 20 Mbit/s"),
    (
        "varying",
        "Varying link: 20, 5, 40 and 10 Mbit/s in equal steps",
    ),
];
const HEAD: &str = include_str!("head.html");
const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    fn run(link: &'static str, controller: &'static str, goodput_mbps: Option<f64>) -> RunRecord {
        RunRecord {
            link,
            controller,
            goodput_mbps,
            utilisation: goodput_mbps.map(|it| it / 20.0),
            queue_delay_mean_ms: None,
            queue_delay_p95_ms: None,
            loss: None,
            guard_interventions: None,
            certified_share: None,
            lateness_p99_us: 1200.0,
            valid: goodput_mbps.is_some(),
            attempts: 1,
            decisions: None,
            fallbacks: None,
            startup_s: None,
        }
    }

    #[test]
    fn an_invalid_run_shows_no_figures_and_a_missing_timeline_is_said() {
        let html = results(&[run("fixed", "cubic", Some(17.5)), run("fixed", "bbr", None)]);
        let rows: Vec<_> = html.split("<tr").collect();
        assert!(
            rows[2].contains("17.50") && rows[2].contains("87.5 %"),
            "{}",
            rows[2]
        );
        assert!(rows[3].contains("1200 invalid"), "{}", rows[3]);
        assert_eq!(rows[3].matches('–').count(), 7, "{}", rows[3]);
        assert!(charts("fixed", "Fixed link", &[]).contains("No valid run."));
    }

    #[test]
    fn charts_show_every_controller_with_the_certified_one_on_top() {
        let timeline = |controller| Timeline {
            link: "fixed",
            controller,
            bin_s: 0.1,
            capacity_mbps: vec![20.0; 3],
            throughput_mbps: vec![1.0, 2.0, 3.0],
            queue_delay_ms: vec![None, Some(1.0), Some(2.0)],
        };
        let timelines = [timeline("certified"), timeline("cubic")];
        let html = charts("fixed", "Fixed link", &timelines);
        let place = |line: &str| html.find(line).unwrap();
        assert!(place("line capacity") < place("line cubic"));
        assert!(place("line cubic") < place("line certified"));
        assert_eq!(html.matches("<svg").count(), 2);
    }
}
