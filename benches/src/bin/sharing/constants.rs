//! The constants of two flows on one bottleneck, as sharp as the prover reaches them, as a claims
//! file.

use anyhow::Context as _;
use tautline_abstract_interp::claim::ClaimSet;
use tautline_abstract_interp::{Limits, Watch, prove_claim};
use tautline_core::policy::Policy;

/// Where both flows are, and how far their paths are apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    /// Queueing features, as shares of the minimum RTT.
    pub(crate) queue: (f64, f64),
    /// log₂ of the window in datagrams.
    pub(crate) log_window: (f64, f64),
    /// Largest magnitude of the last step.
    pub(crate) last_step: f64,
    /// D, as a share of the base RTT.
    pub(crate) jitter: f64,
}

impl Region {
    /// The widest difference of windows, as of `log_window`.
    fn across(&self) -> f64 {
        (self.log_window.1 - self.log_window.0) / 16.0
    }
}

/// What the prover reaches, in units of the step gain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constants {
    /// Least fall of the rate per 16 octaves of the own window.
    pub(crate) least_slope: f64,
    /// Largest fall of the rate per 16 octaves of the own window.
    pub(crate) most_slope: f64,
    /// Largest rise of the rate per unit of the last step.
    pub(crate) rise: f64,
    /// Largest fall of the rate per unit of the last step.
    pub(crate) fall: f64,
    /// Largest change of the rate by what two flows may see differently.
    pub(crate) noise: f64,
    /// From how much of `log_window` on the larger window takes the smaller step, whatever is seen
    /// differently; none where it need not within the region.
    pub(crate) closes: Option<f64>,
}

impl Constants {
    /// The theorem's bound on log₂ of the ratio of throughputs, without the checker's roundings;
    /// `None` where there is none.
    pub(crate) fn log_ratio(&self, jitter: f64, gain: f64) -> Option<f64> {
        let paths = libm::log2(1.0 + jitter);
        let bounds = [self.by_slopes(gain), self.by_closing(gain)];
        let least = bounds.into_iter().flatten().reduce(f64::min);
        least.map(|windows| windows + paths)
    }

    /// Whether windows far apart say more than slopes do.
    fn closing_is_sharper(&self, gain: f64) -> bool {
        let most = |bound: Option<f64>| bound.unwrap_or(f64::INFINITY);
        most(self.by_closing(gain)) < most(self.by_slopes(gain))
    }

    fn by_slopes(&self, gain: f64) -> Option<f64> {
        let (least, most) = (self.least_slope / 16.0, self.most_slope / 16.0);
        let kept = 1.0 - self.rise;
        let pull = least * (kept - self.fall) * kept - most * (self.fall * kept + gain * least);
        let push = kept * kept + gain * least;
        (pull > 0.0 && kept > self.fall).then(|| self.drive() * push / pull)
    }

    fn by_closing(&self, gain: f64) -> Option<f64> {
        let kept = 1.0 - self.rise;
        let stays = kept * (kept - self.fall);
        let slope = self.most_slope / 16.0;
        let windows = (16.0 * self.closes? * stays + gain * self.drive()) / (stays - gain * slope);
        let undone = self.fall * (slope * windows + self.drive()) / (kept - self.fall);
        (windows > 0.0 && CLOSES_BY > 1.5 * SLACK + undone).then_some(windows)
    }

    fn drive(&self) -> f64 {
        self.noise + 2.0 * SLACK
    }
}

/// What a constant is sought for.
#[derive(Clone, Copy, Debug)]
enum Sought {
    LeastSlope,
    MostSlope,
    Rise,
    Fall,
    Noise,
    Closes,
}

impl Sought {
    /// The constraints that hold with this constant.
    fn constraints(self, constant: f64) -> String {
        let term = |sign: char, name: &str| {
            if constant == 0.0 {
                String::new()
            } else {
                format!(" {sign} {constant:.4}*{name}")
            }
        };
        match self {
            Self::LeastSlope => format!("\"rate{} <= {SLACK}\"", term('+', "log_window")),
            Self::MostSlope => format!("\"rate{} >= -{SLACK}\"", term('+', "log_window")),
            Self::Rise => format!("\"rate{} <= {SLACK}\"", term('-', "last_step")),
            Self::Fall => format!("\"rate{} >= -{SLACK}\"", term('+', "last_step")),
            Self::Noise => format!("\"rate <= {constant:.4}\", \"rate >= -{constant:.4}\""),
            Self::Closes => format!("\"rate <= -{CLOSES_BY}\""),
        }
    }
}

/// Bisects every constant down to its grid.
///
/// # Errors
/// A claim that no bound in reach proves.
pub(crate) fn find(
    policy: &Policy<Vec<i16>>,
    region: &Region,
    boxes: u64,
) -> anyhow::Result<Constants> {
    let seek = |sought| {
        let found = sharpest(policy, region, sought, boxes)?;
        found.with_context(|| format!("no constant in reach is proven for {sought:?}"))
    };
    Ok(Constants {
        least_slope: seek(Sought::LeastSlope)?,
        most_slope: seek(Sought::MostSlope)?,
        rise: seek(Sought::Rise)?,
        fall: seek(Sought::Fall)?,
        noise: seek(Sought::Noise)?,
        closes: sharpest(policy, region, Sought::Closes, boxes)?,
    })
}

/// The sharpest constant that is proven within so many boxes per constraint; `None` where the
/// largest is not.
fn sharpest(
    policy: &Policy<Vec<i16>>,
    region: &Region,
    sought: Sought,
    boxes: u64,
) -> anyhow::Result<Option<f64>> {
    let limits = Limits {
        max_boxes: boxes,
        after_violation: 0,
    };
    let proven = |steps: i32| -> anyhow::Result<bool> {
        let text = claim(region, &[(sought, f64::from(steps) * GRID)], "");
        let set = ClaimSet::from_toml(&format!("{HEADER}{text}"), "constants")?;
        let claim = set.claims.first().context("the text has one claim")?;
        let found = prove_claim(policy, claim, &limits, Watch::none())?;
        Ok(found.verdict.holds())
    };
    // Among the multiples of the grid, `good` is proven and `bad` is not.
    let (mut good, mut bad) = match sought {
        Sought::LeastSlope => (0, MOST),
        Sought::Closes => ((region.across() / GRID) as i32 - 1, -1),
        _ => (MOST, -1),
    };
    if !proven(good)? {
        return Ok(None);
    }
    while (good - bad).abs() > 1 {
        let middle = i32::midpoint(good, bad);
        if proven(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(Some(f64::from(good) * GRID))
}

/// The claims file with the constants of regions that differ in jitter only, and the ratio that
/// follows from each.
///
/// # Errors
/// Constants that no bound follows from.
pub(crate) fn file(found: &[(Region, Constants)], gain: f64) -> anyhow::Result<String> {
    let (region, constants) = found.first().context("one jitter")?;
    let window = [
        (Sought::LeastSlope, constants.least_slope),
        (Sought::MostSlope, constants.most_slope),
    ];
    let memory = [
        (Sought::Rise, constants.rise),
        (Sought::Fall, constants.fall),
    ];
    let mut parts = vec![
        HEADER.to_owned(),
        claim(region, &window, ""),
        claim(region, &memory, ""),
    ];
    for (region, constants) in found {
        let suffix = match found.len() {
            1 => String::new(),
            _ => format!("-{}", region.jitter),
        };
        let closes = constants
            .closes
            .filter(|_| constants.closing_is_sharper(gain));
        parts.push(claim(region, &[(Sought::Noise, constants.noise)], &suffix));
        parts.extend(closes.map(|from| claim(region, &[(Sought::Closes, from)], &suffix)));
        parts.push(ratio(region, constants, gain, &suffix)?);
    }
    Ok(parts.join("\n"))
}

/// The ratio claim over the claims with this suffix.
fn ratio(
    region: &Region,
    constants: &Constants,
    gain: f64,
    suffix: &str,
) -> anyhow::Result<String> {
    let log_ratio = constants.log_ratio(region.jitter, gain);
    let log_ratio = log_ratio.with_context(|| format!("no bound follows from {constants:?}"))?;
    // The checker's roundings add less than this.
    let log_ratio = 1.02 * log_ratio + 0.02;
    let closes = if constants.closing_is_sharper(gain) {
        format!("closes = \"far-apart{suffix}\", ")
    } else {
        String::new()
    };
    Ok(format!(
        "[[claim]]\nname = \"shares{suffix}\"\nkind = \"ratio\"\n\
         says = \"Two flows of one base RTT on one bottleneck, with jitter up to {percent} % of it, \
         end within this ratio of throughputs.\"\n\
         given = {{ window = \"own-window\", memory = \"last-step\", noise = \"seen-apart{suffix}\", \
         {closes}jitter = \"{jitter}\" }}\nthen = [\"log_ratio <= {log_ratio:.2}\"]\n",
        percent = 100.0 * region.jitter,
        jitter = region.jitter
    ))
}

/// One claim for constants of one kind.
fn claim(region: &Region, constants: &[(Sought, f64)], suffix: &str) -> String {
    let Some(&(sought, from)) = constants.first() else {
        return String::new();
    };
    let (name, says, differ, between) = match sought {
        Sought::LeastSlope | Sought::MostSlope => (
            "own-window",
            "The larger own window takes the smaller step, by no less and no more than this.",
            "log_window = [\"0\", \"1\"], own_queue = [\"0\", \"1\"]".to_owned(),
            vec![together(TOGETHER)],
        ),
        Sought::Rise | Sought::Fall => (
            "last-step",
            "The last step moves the next one by no more than this.",
            "last_step = [\"0\", \"2\"]".to_owned(),
            vec![],
        ),
        Sought::Noise => (
            "seen-apart",
            "What two flows may see differently moves the step by no more than this.",
            differences(region, (0.0, 0.0)),
            apart(region.jitter),
        ),
        Sought::Closes => (
            "far-apart",
            "The larger of two windows far apart takes the smaller step, whatever is seen differently.",
            format!(
                "log_window = [\"{from:.4}\", \"1\"], {}",
                differences(region, (from, region.across()))
            ),
            [vec![together(own_apart(region))], apart(region.jitter)].concat(),
        ),
    };
    let then = constants.iter();
    let then: Vec<_> = then.map(|(one, value)| one.constraints(*value)).collect();
    format!(
        "[[claim]]\nname = \"{name}{suffix}\"\nkind = \"pair\"\nsays = \"{says}\"\ngiven = {}\n\
         differ = {{ {differ} }}\nbetween = [{}]\nthen = [{}]\n",
        given(region),
        between.join(", "),
        then.join(", ")
    )
}

fn given(region: &Region) -> String {
    let (low, high) = region.queue;
    let (small, large) = region.log_window;
    let step = region.last_step;
    let queue = format!("[\"{low}\", \"{high}\"]");
    format!(
        "{{ queueing = {queue}, standing_queue = {queue}, queueing_ewma = {queue}, \
         loss = [\"0\", \"0\"], slow_loss = [\"0\", \"0\"], ce = [\"0\", \"0\"], \
         log_window = [\"{}\", \"{}\"], last_step = [\"-{step}\", \"{step}\"] }}",
        small / 16.0,
        large / 16.0,
    )
}

/// ν, with a margin for roundings: D (2 + x) / (1 + D) at the largest x.
fn apart_at_most(region: &Region) -> f64 {
    let share = region.jitter / (1.0 + region.jitter);
    share * (2.0 + region.queue.1) + MARGIN
}

/// By how much `own_queue` differs at most: where its share of the window is steepest.
fn own_apart(region: &Region) -> f64 {
    let low = region.queue.0.max(1.0 / 9.0);
    let high = low + apart_at_most(region);
    libm::log2(high / (1.0 + high) * (1.0 + low) / low) / 16.0 + MARGIN
}

/// What two flows may see differently, their windows apart by so much of `log_window`.
fn differences(region: &Region, windows: (f64, f64)) -> String {
    let (queue, own) = (apart_at_most(region), own_apart(region));
    let queue = format!("[\"-{queue:.5}\", \"{queue:.5}\"]");
    let (low, high) = (windows.0 - own, windows.1 + own);
    format!(
        "queueing = {queue}, standing_queue = {queue}, queueing_ewma = {queue}, \
         own_queue = [\"{low:.5}\", \"{high:.5}\"], acked_ratio = [\"-2\", \"2\"], \
         previous_step = [\"-2\", \"2\"], competitor = [\"-1\", \"1\"]"
    )
}

/// `own_queue` differs as the window does, but for so much.
fn together(more: f64) -> String {
    format!("\"own_queue - log_window <= {more:.5}\", \"own_queue - log_window >= -{more:.5}\"")
}

/// x' ≤ x + D (2 + x) for the features of the queue, and the same with both exchanged.
fn apart(jitter: f64) -> Vec<String> {
    if jitter == 0.0 {
        return vec![];
    }
    let bound = 2.0 * jitter + MARGIN;
    let more = 1.0 + jitter;
    let facts = ["queueing", "standing_queue", "queueing_ewma"].map(|name| {
        format!(
            "\"{name} - {jitter}*first.{name} <= {bound:.5}\", \
             \"{more}*{name} + {jitter}*first.{name} >= -{bound:.5}\""
        )
    });
    facts.into()
}

const HEADER: &str = "version = 1\nfeature_table = 1\n";
/// Constants are multiples of this.
const GRID: f64 = 0.0005;
/// The largest constant, in such multiples.
const MOST: i32 = 16_000;
/// What roundings may add to a claim, in units of the step gain.
const SLACK: f64 = 0.001;
/// What roundings may add to a difference of features: some thirteen units.
const MARGIN: f64 = 0.0002;
/// The same for `own_queue` at one queue: one unit.
const TOGETHER: f64 = 0.000_02;
/// By how much more, in units of the step gain, the smaller of two windows far apart rises.
const CLOSES_BY: f64 = 0.003;
