//! Results as CSV (RFC 4180); `docs/output.md` describes every column.

use std::fmt::{self, Display, Write as _};

use anyhow::Context as _;
use serde_json::Value;

use super::matrix::{Estimate, Row};
use super::results::{Course, Name, Run};

/// A row per run.
pub(super) fn runs(runs: &[Run]) -> Result<String, fmt::Error> {
    let mut text = "scenario,controller,seed,duration_s,data_packets,flows,goodput_mbps,\
        utilisation,queue_delay_mean_ms,queue_delay_p95_ms,queue_delay_p99_ms,loss,jain,digest\n"
        .to_owned();
    for run in runs {
        let link = &run.link;
        writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{}",
            key(run.name()),
            run.duration_s,
            run.data_packets,
            run.flows.len(),
            run.goodput_mbps(),
            link.utilisation,
            link.queue_delay_mean_ms,
            link.queue_delay_p95_ms,
            link.queue_delay_p99_ms,
            link.loss,
            run.jain,
            run.digest,
        )?;
    }
    Ok(text)
}

/// A row per run and flow.
pub(super) fn flows(runs: &[Run]) -> Result<String, fmt::Error> {
    let mut text = "scenario,controller,seed,flow,flow_controller,goodput_mbps,loss,rtt_mean_ms,\
        rtt_min_ms,queue_delay_mean_ms,completed_s,decisions,certified_decisions,\
        guard_interventions\n"
        .to_owned();
    for run in runs {
        for (number, flow) in run.flows.iter().enumerate() {
            writeln!(
                text,
                "{},{number},{},{},{},{},{},{},{},{},{},{}",
                key(run.name()),
                quoted(&flow.controller),
                flow.goodput_mbps,
                flow.loss,
                flow.rtt_mean_ms,
                flow.rtt_min_ms,
                flow.queue_delay_mean_ms,
                or_empty(flow.completed_s),
                flow.decisions,
                flow.certified_decisions,
                flow.guard_interventions,
            )?;
        }
    }
    Ok(text)
}

/// A row per run, flow and figure of the flow's application.
pub(super) fn applications(runs: &[Run]) -> anyhow::Result<String> {
    let mut text = "scenario,controller,seed,flow,application,figure,value\n".to_owned();
    for run in runs {
        for (number, flow) in run.flows.iter().enumerate() {
            let Some(application) = &flow.application else {
                continue;
            };
            let value = serde_json::to_value(application).context("cannot write CSV")?;
            let kind = value.get("kind").and_then(Value::as_str).unwrap_or("");
            let key = format!("{},{number},{}", key(run.name()), quoted(kind));
            figures(&mut text, &key, "", &value)?;
        }
    }
    Ok(text)
}

/// The numbers in `value`, those in objects under dotted names; lists are for JSON.
fn figures(text: &mut String, key: &str, name: &str, value: &Value) -> fmt::Result {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                figures(text, key, &name, value)?;
            }
            Ok(())
        }
        Value::Number(number) => writeln!(text, "{key},{name},{number}"),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => Ok(()),
    }
}

/// A row per run and link.
pub(super) fn links(runs: &[Run]) -> Result<String, fmt::Error> {
    let mut text = "scenario,controller,seed,link,utilisation,capacity_mbps,queue_delay_mean_ms,\
        queue_delay_p95_ms,queue_delay_p99_ms,packets,dropped,lost,marked\n"
        .to_owned();
    for run in runs {
        for link in &run.links {
            writeln!(
                text,
                "{},{},{},{},{},{},{},{},{},{},{}",
                key(run.name()),
                quoted(&link.name),
                link.utilisation,
                link.capacity_mbps,
                link.queue_delay_mean_ms,
                link.queue_delay_p95_ms,
                link.queue_delay_p99_ms,
                link.packets,
                link.dropped,
                link.lost,
                link.marked,
            )?;
        }
    }
    Ok(text)
}

/// A row per scenario and controller.
pub(super) fn matrix(rows: &[Row]) -> Result<String, fmt::Error> {
    let mut text = "scenario,controller,seeds".to_owned();
    for figure in [
        "goodput_mbps",
        "utilisation",
        "queue_delay_mean_ms",
        "queue_delay_p95_ms",
        "loss",
        "jain",
    ] {
        write!(text, ",{figure},{figure}_ci95")?;
    }
    text.push('\n');
    for row in rows {
        write!(
            text,
            "{},{},{}",
            quoted(&row.scenario),
            quoted(&row.controller),
            row.seeds
        )?;
        for Estimate { mean, ci95 } in [
            row.goodput_mbps,
            row.utilisation,
            row.queue_delay_mean_ms,
            row.queue_delay_p95_ms,
            row.loss,
            row.jain,
        ] {
            write!(text, ",{mean},{}", or_empty(ci95))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// The first line of the timelines.
pub(super) const TIMELINE_HEADER: &str = "scenario,controller,seed,flow,at_s,goodput_mbps,\
    window_bytes,rtt_ms,queue_delay_mean_ms,drops,capacity_mbps\n";

/// A row per flow and bin of one run.
pub(super) fn timeline(run: Name<'_>, course: &Course) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let key = key(run);
    for (number, flow) in course.flows.iter().enumerate() {
        let link = course.queue_delay_mean_ms.iter().zip(&course.drops);
        let link = link.zip(&course.capacity_mbps);
        let bins = flow.goodput_mbps.iter().zip(&flow.window_bytes);
        let bins = bins.zip(&flow.rtt_ms).zip(link).enumerate();
        for (bin, (((goodput, window), rtt), ((delay, drops), capacity))) in bins {
            let at_s = course.at_s(bin);
            writeln!(
                text,
                "{key},{number},{at_s:.3},{goodput:.6},{window},{rtt:.6},{delay:.6},{drops},\
                 {capacity:.6}"
            )?;
        }
    }
    Ok(text)
}

fn key(name: Name<'_>) -> String {
    let (scenario, controller) = (quoted(name.scenario), quoted(name.controller));
    format!("{scenario},{controller},{}", name.seed)
}

fn or_empty(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A CSV field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_applications_have_dotted_names() {
        let value = serde_json::json!({"kind": "web", "objects": 3, "completion": {"mean_ms": 1.5},
            "list": [1, 2]});
        let mut text = String::new();
        figures(&mut text, "k", "", &value).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["k,completion.mean_ms,1.5", "k,objects,3"]);
    }

    #[test]
    fn names_with_commas_are_quoted() {
        assert_eq!(quoted("a,b \"c\""), "\"a,b \"\"c\"\"\"");
        assert_eq!(quoted("a b"), "a b");
    }
}
