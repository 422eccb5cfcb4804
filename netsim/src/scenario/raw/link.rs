//! Links as written: capacity and impairments.

use core::time::Duration;

use super::queue::{buffer, policer, queue};
use super::section::Section;
use super::traces::Traces;
use crate::scenario::{
    Blacked, Blackout, CapacitySpec, CellularSpec, JitterLaw, JitterSpec, LeoSpec, LinkSpec,
    LossSpec, Order, RateStep, ScenarioError, WifiSpec,
};

/// The keys that say what a link carries.
pub(super) const CAPACITY: &[&str] = &[
    "rate_mbps",
    "rate_steps",
    "trace",
    "cellular",
    "wifi",
    "leo",
];
/// Further keys of every link.
pub(super) const LINK: &[&str] = &[
    "queue",
    "policer",
    "loss_percent",
    "gilbert_elliott",
    "jitter_ms",
    "jitter_order",
    "jitter_law",
    "jitter_period_ms",
    "held_percent",
    "held_ms",
    "aggregation_ms",
    "blackouts",
];
/// Entries of `rate_steps`.
pub(super) const RATE_STEP: &[&str] = &["at_s", "rate_mbps"];
/// `[link.cellular]`.
pub(super) const CELLULAR: &[&str] = &["mean_mbps", "volatility", "outage_every_s", "outage_ms"];
/// `[link.wifi]`.
pub(super) const WIFI: &[&str] = &[
    "peak_mbps",
    "change_every_ms",
    "contention_percent",
    "pause_ms",
];
/// `[link.leo]`.
pub(super) const LEO: &[&str] = &["mean_mbps", "spread_percent", "handover_every_s", "gap_ms"];
/// `[link.gilbert_elliott]`.
pub(super) const GILBERT_ELLIOTT: &[&str] = &[
    "good_to_bad_percent",
    "bad_to_good_percent",
    "loss_good_percent",
    "loss_bad_percent",
];
/// Entries of `blackouts`.
pub(super) const BLACKOUT: &[&str] = &["at_s", "for_s", "packets"];

/// The link of `section` without name and propagation; keys are checked by the caller.
pub(super) fn link(section: &Section<'_>, traces: &Traces) -> Result<LinkSpec, ScenarioError> {
    Ok(LinkSpec {
        name: String::new(),
        from: String::new(),
        to: String::new(),
        capacity: capacity(section, traces)?,
        base_rtt: Duration::ZERO,
        delay: Duration::ZERO,
        buffer: buffer(section)?,
        queue: queue(section)?,
        policer: policer(section)?,
        loss: loss(section)?,
        jitter: jitter(section)?,
        aggregation: section
            .time("aggregation_ms")?
            .filter(|time| !time.is_zero()),
        blackouts: blackouts(section)?,
    })
}

fn capacity(link: &Section<'_>, traces: &Traces) -> Result<CapacitySpec, ScenarioError> {
    let expected = "a rate, or `rate_steps`, `trace`, `cellular`, `wifi` or `leo`";
    let key = link.one_of(CAPACITY, expected)?;
    let table = if matches!(key, "cellular" | "wifi" | "leo") {
        link.section(key)?
    } else {
        None
    };
    match (key, table) {
        ("rate_steps", _) => rate_steps(link).map(CapacitySpec::Rates),
        ("trace", _) => {
            let file = link.needed(key, link.text(key)?, expected)?;
            traces.load(&link.field(key), file).map(CapacitySpec::Trace)
        }
        ("cellular", Some(table)) => cellular(&table).map(CapacitySpec::Cellular),
        ("wifi", Some(table)) => wifi(&table).map(CapacitySpec::Wifi),
        ("leo", Some(table)) => leo(&table).map(CapacitySpec::Leo),
        _ => {
            let rate = link.needed(key, link.rate(key)?, expected)?;
            Ok(CapacitySpec::Rates(vec![RateStep::from_start(rate)]))
        }
    }
}

fn rate_steps(link: &Section<'_>) -> Result<Vec<RateStep>, ScenarioError> {
    let steps = link.sections("rate_steps")?;
    if steps.is_empty() {
        let field = link.field("rate_steps");
        return Err(ScenarioError::value(&field, "at least one step", "none"));
    }
    let steps = steps.into_iter().map(|step| {
        step.only(&[RATE_STEP])?;
        Ok(RateStep {
            at: step.needed("at_s", step.instant("at_s")?, "a time")?,
            rate: step.needed("rate_mbps", step.rate("rate_mbps")?, "a rate")?,
        })
    });
    steps.collect()
}

fn cellular(table: &Section<'_>) -> Result<CellularSpec, ScenarioError> {
    table.only(&[CELLULAR])?;
    Ok(CellularSpec {
        mean: table.needed("mean_mbps", table.rate("mean_mbps")?, "a rate")?,
        volatility: table.number("volatility")?.unwrap_or(0.3),
        outage_every: table.time("outage_every_s")?.unwrap_or_default(),
        outage: table.time("outage_ms")?.unwrap_or_default(),
    })
}

fn wifi(table: &Section<'_>) -> Result<WifiSpec, ScenarioError> {
    table.only(&[WIFI])?;
    let time = |key, default_ms| {
        let default = Duration::from_millis(default_ms);
        Ok::<_, ScenarioError>(table.time(key)?.unwrap_or(default))
    };
    Ok(WifiSpec {
        peak: table.needed("peak_mbps", table.rate("peak_mbps")?, "a rate")?,
        change_every: time("change_every_ms", 500)?,
        contention: table.share("contention_percent")?.unwrap_or(0.3),
        pause: time("pause_ms", 4)?,
    })
}

fn leo(table: &Section<'_>) -> Result<LeoSpec, ScenarioError> {
    table.only(&[LEO])?;
    let time = |key, default_ms| {
        let default = Duration::from_millis(default_ms);
        Ok::<_, ScenarioError>(table.time(key)?.unwrap_or(default))
    };
    Ok(LeoSpec {
        mean: table.needed("mean_mbps", table.rate("mean_mbps")?, "a rate")?,
        spread: table.share("spread_percent")?.unwrap_or(0.3),
        handover_every: time("handover_every_s", 15_000)?,
        gap: time("gap_ms", 100)?,
    })
}

fn loss(link: &Section<'_>) -> Result<LossSpec, ScenarioError> {
    let Some(bursts) = link.section("gilbert_elliott")? else {
        let loss = link.share("loss_percent")?.unwrap_or(0.0);
        return Ok(LossSpec::Bernoulli(loss));
    };
    link.one_of(&["loss_percent", "gilbert_elliott"], "")?;
    bursts.only(&[GILBERT_ELLIOTT])?;
    let turn = |key| bursts.needed(key, bursts.share(key)?, "per cent of the packets");
    Ok(LossSpec::GilbertElliott {
        to_bad: turn("good_to_bad_percent")?,
        to_good: turn("bad_to_good_percent")?,
        loss_good: bursts.share("loss_good_percent")?.unwrap_or(0.0),
        loss_bad: bursts.share("loss_bad_percent")?.unwrap_or(1.0),
    })
}

fn jitter(link: &Section<'_>) -> Result<JitterSpec, ScenarioError> {
    let orders = [("kept", Order::Kept), ("free", Order::Free)];
    Ok(JitterSpec {
        max: link.time("jitter_ms")?.unwrap_or_default(),
        law: jitter_law(link)?,
        order: link.choice("jitter_order", &orders)?.unwrap_or_default(),
        held: link.share("held_percent")?.unwrap_or(0.0),
        held_for: link.time("held_ms")?.unwrap_or_default(),
    })
}

fn jitter_law(link: &Section<'_>) -> Result<JitterLaw, ScenarioError> {
    let period = link.time("jitter_period_ms")?;
    let waves = period.unwrap_or_default();
    let laws = [
        ("uniform", JitterLaw::Uniform),
        ("constant", JitterLaw::Constant),
        ("square", JitterLaw::Square { period: waves }),
        ("sawtooth", JitterLaw::Sawtooth { period: waves }),
        ("bursts", JitterLaw::Bursts),
        ("short-queue", JitterLaw::ShortQueue),
        ("long-queue", JitterLaw::LongQueue),
    ];
    let law = link.choice("jitter_law", &laws)?.unwrap_or_default();
    if law.period().is_some() {
        link.needed("jitter_period_ms", period, "a time")?;
    } else {
        let reason = "only `square` and `sawtooth` have a period";
        link.without(&["jitter_period_ms"], reason)?;
    }
    Ok(law)
}

fn blackouts(link: &Section<'_>) -> Result<Vec<Blackout>, ScenarioError> {
    let fates = [("lost", Blacked::Lost), ("held", Blacked::Held)];
    let blackouts = link.sections("blackouts")?.into_iter().map(|blackout| {
        blackout.only(&[BLACKOUT])?;
        Ok(Blackout {
            at: blackout.needed("at_s", blackout.instant("at_s")?, "a time")?,
            length: blackout.needed("for_s", blackout.time("for_s")?, "a time")?,
            packets: blackout.choice("packets", &fates)?.unwrap_or_default(),
        })
    });
    blackouts.collect()
}
