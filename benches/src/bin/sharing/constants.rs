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
}

impl Constants {
    /// The theorem's bound on log₂ of the ratio of throughputs, without the checker's roundings;
    /// `None` where there is none.
    pub(crate) fn log_ratio(&self, jitter: f64, gain: f64) -> Option<f64> {
        let (least, most) = (self.least_slope / 16.0, self.most_slope / 16.0);
        let kept = 1.0 - self.rise;
        let pull = least * (kept - self.fall) * kept - most * (self.fall * kept + gain * least);
        let drive = self.noise + 2.0 * SLACK;
        let push = kept * kept + gain * least;
        (pull > 0.0 && kept > self.fall).then(|| drive * push / pull + libm::log2(1.0 + jitter))
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
}

impl Sought {
    const WINDOW: [Self; 2] = [Self::LeastSlope, Self::MostSlope];
    const MEMORY: [Self; 2] = [Self::Rise, Self::Fall];

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
    let seek = |sought| sharpest(policy, region, sought, boxes);
    Ok(Constants {
        least_slope: seek(Sought::LeastSlope)?,
        most_slope: seek(Sought::MostSlope)?,
        rise: seek(Sought::Rise)?,
        fall: seek(Sought::Fall)?,
        noise: seek(Sought::Noise)?,
    })
}

/// The sharpest constant that is proven within so many boxes per constraint.
fn sharpest(
    policy: &Policy<Vec<i16>>,
    region: &Region,
    sought: Sought,
    boxes: u64,
) -> anyhow::Result<f64> {
    let limits = Limits {
        max_boxes: boxes,
        after_violation: 0,
    };
    let text = |steps: i32| {
        let then = sought.constraints(f64::from(steps) * GRID);
        format!("{HEADER}{}", claim(region, sought, &then))
    };
    let proven = |steps: i32| -> anyhow::Result<bool> {
        let set = ClaimSet::from_toml(&text(steps), "constants")?;
        let claim = set.claims.first().context("the text has one claim")?;
        let found = prove_claim(policy, claim, &limits, Watch::none())?;
        Ok(found.verdict.holds())
    };
    // Among the multiples of the grid, `good` is proven and `bad` is not.
    let (mut good, mut bad) = match sought {
        Sought::LeastSlope => (0, MOST),
        _ => (MOST, -1),
    };
    anyhow::ensure!(proven(good)?, "this is not proven:\n{}", text(good));
    while (good - bad).abs() > 1 {
        let middle = i32::midpoint(good, bad);
        if proven(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(f64::from(good) * GRID)
}

/// The claims file with these constants, and the ratio `log_ratio` that follows from them.
pub(crate) fn file(region: &Region, constants: &Constants, log_ratio: f64) -> String {
    let window = [constants.least_slope, constants.most_slope];
    let memory = [constants.rise, constants.fall];
    let both = |sought: [Sought; 2], values: [f64; 2]| {
        let each = sought.iter().zip(values);
        let each: Vec<_> = each.map(|(one, value)| one.constraints(value)).collect();
        claim(region, sought[0], &each.join(", "))
    };
    let noise = Sought::Noise.constraints(constants.noise);
    let percent = 100.0 * region.jitter;
    let ratio = format!(
        "[[claim]]\nname = \"shares\"\nkind = \"ratio\"\n\
         says = \"Two flows of one base RTT on one bottleneck, with jitter up to {percent} % of it, \
         end within this ratio of throughputs.\"\n\
         given = {{ window = \"own-window\", memory = \"last-step\", noise = \"seen-apart\", \
         jitter = \"{}\" }}\nthen = [\"log_ratio <= {log_ratio:.2}\"]\n",
        region.jitter
    );
    let parts = [
        HEADER.to_owned(),
        both(Sought::WINDOW, window),
        both(Sought::MEMORY, memory),
        claim(region, Sought::Noise, &noise),
        ratio,
    ];
    parts.join("\n")
}

fn claim(region: &Region, sought: Sought, then: &str) -> String {
    let (name, says, differ, between) = match sought {
        Sought::LeastSlope | Sought::MostSlope => (
            "own-window",
            "The larger own window takes the smaller step, by no less and no more than this.",
            "{ log_window = [\"0\", \"1\"], own_queue = [\"0\", \"1\"] }".to_owned(),
            TOGETHER.to_owned(),
        ),
        Sought::Rise | Sought::Fall => (
            "last-step",
            "The last step moves the next one by no more than this.",
            "{ last_step = [\"0\", \"2\"] }".to_owned(),
            String::new(),
        ),
        Sought::Noise => (
            "seen-apart",
            "What two flows may see differently moves the step by no more than this.",
            differences(region),
            apart(region.jitter),
        ),
    };
    let head = format!("[[claim]]\nname = \"{name}\"\nkind = \"pair\"\nsays = \"{says}\"");
    let given = given(region);
    format!("{head}\ngiven = {given}\ndiffer = {differ}\nbetween = [{between}]\nthen = [{then}]\n")
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

fn differences(region: &Region) -> String {
    let (queue, own) = (apart_at_most(region), own_apart(region));
    let queue = format!("[\"-{queue:.5}\", \"{queue:.5}\"]");
    format!(
        "{{ queueing = {queue}, standing_queue = {queue}, queueing_ewma = {queue}, \
         own_queue = [\"-{own:.5}\", \"{own:.5}\"], acked_ratio = [\"-2\", \"2\"], \
         previous_step = [\"-2\", \"2\"], competitor = [\"-1\", \"1\"] }}"
    )
}

/// x' ≤ x + D (2 + x) for the features of the queue, and the same with both exchanged.
fn apart(jitter: f64) -> String {
    if jitter == 0.0 {
        return String::new();
    }
    let bound = 2.0 * jitter + MARGIN;
    let more = 1.0 + jitter;
    let facts = ["queueing", "standing_queue", "queueing_ewma"].map(|name| {
        format!(
            "\"{name} - {jitter}*first.{name} <= {bound:.5}\", \
             \"{more}*{name} + {jitter}*first.{name} >= -{bound:.5}\""
        )
    });
    facts.join(", ")
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
const TOGETHER: &str =
    "\"own_queue - log_window <= 0.00002\", \"own_queue - log_window >= -0.00002\"";
