//! A round's bounds are those of docs/closed-loop.md, section 2, no wider and no narrower: each term
//! is needed, and one that is left out would be noticed here.

use tautline_certificates::Reason;
use tautline_certificates::closed_loop::{Buffer, Path, PathFamily, Round, Sent};

use super::prover;

/// Share of each term of the document's bounds that is taken: one everywhere but in a mutant.
type Terms = [f64; TERMS.len()];

const TERMS: [&str; 26] = [
    "D in P",
    "g in P",
    "e in P",
    "3g in X",
    "what is known to leave in X",
    "D in I",
    "the fall in I",
    "X in I",
    "P in I",
    "g in I",
    "I in E",
    "g in E",
    "P in the standing queue",
    "g in the standing queue",
    "D in the standing queue",
    "2g in the standing queue",
    "D after a drop",
    "P after a drop",
    "3g after a drop",
    "the fall after a drop",
    "I after a burst",
    "X after a burst",
    "I in the longest queue",
    "g in the longest queue",
    "g over the deepest buffer",
    "X in what is carried",
];

/// A path and the windows of a round, shares of the bandwidth-delay product.
#[derive(Clone, Copy, Debug)]
struct Point {
    log_bdp: i32,
    /// D, of 2⁻¹⁶.
    jitter: u32,
    /// Of 2⁻¹⁶, at least and, if bounded, at most.
    buffer: (u32, Option<u32>),
    /// ω, λ, ω̂.
    windows: (f64, f64, f64),
    /// The largest of them and of the window before, over ω̂.
    past: f64,
    /// log₂ of Ŵ, in 2⁻⁸ octaves; none where A6 is assumed.
    highest: Option<i32>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    queue: (f64, f64),
    loss: (f64, f64),
    carried: f64,
}

/// The document's bounds at a point.
fn documented(at: &Point, terms: &Terms) -> Bounds {
    let share = |units: u32| f64::from(units) / 65_536.0;
    let (d, g) = (share(at.jitter), (-f64::from(at.log_bdp) / 256.0).exp2());
    let (beta, deep) = (share(at.buffer.0), at.buffer.1.map_or(f64::INFINITY, share));
    let (omega, lambda, peak) = at.windows;
    let [
        pd,
        pg,
        pe,
        xg,
        xk,
        bd,
        bf,
        bx,
        bp,
        bg,
        eb,
        eg,
        sp,
        sg,
        sd,
        s2,
        dd,
        dp,
        dg,
        df,
        ib,
        ix,
        hb,
        hg,
        hd,
        cx,
    ] = *terms;
    let whole = 1.0 + d;
    let unsent = if lambda >= whole / 2.0 {
        0.0
    } else {
        let held = lambda.max(whole / 4.0);
        held * (1.0 - 2.0 * held / whole)
    };
    let p = pd * d + pg * g + pe * unsent;
    let of = |window: f64, left: f64| (window + xg * 3.0 * g - beta - xk * left).max(0.0);
    let (x, before) = match at.highest {
        None => {
            let x = of(peak, (lambda - p - g - d).min(1.0));
            (x, x)
        }
        Some(_) => (of(peak, 1.0), of(peak * at.past, 1.0)),
    };
    let b = omega.min(bd * d + bf * (omega - lambda) + bx * before + bp * p + bg * g);
    let e = ((peak - 1.0 + eg * g).max(eb * b) - beta).max(0.0);
    let full = lambda - sp * p - sg * g - 1.0 - sd * d - s2 * 2.0 * g;
    let mut low = beta.min(full);
    if e > 0.0 {
        low = low.min(beta - dd * d - dp * p - dg * 3.0 * g - df * (peak - lambda));
    }
    if b > beta {
        low = low.min(full - ib * (b - beta) - ix * x);
    }
    let high = (omega - 1.0 + hg * g).max(hb * b).min(deep + hd * g);
    let (lost, most) = match at.highest {
        None => ((full - g - deep).max(0.0) / omega, (e / lambda).min(1.0)),
        Some(_) => (0.0, f64::from(e > 0.0)),
    };
    let unknown = if e > 0.0 { e.max(cx * x) } else { 0.0 };
    Bounds {
        queue: (low.max(0.0), high),
        loss: (lost.min(most), most),
        carried: lambda - p - g - unknown,
    }
}

fn octaves(edge: i32) -> f64 {
    (f64::from(edge) / 256.0).exp2()
}

/// By how much lemma X finds the shallowest buffer too shallow after a window was held.
fn short(at: &Point) -> f64 {
    let share = |units: u32| f64::from(units) / 65_536.0;
    let (d, g) = (share(at.jitter), octaves(-at.log_bdp));
    at.highest.map_or(0.0, |edge| {
        let soon = 1.0 + 4.0 * d + 7.0 * g - 2.0 * share(at.buffer.0);
        soon.max(octaves(edge) + 4.0 * d + 8.0 * g - 3.0 * share(at.buffer.0))
    })
}

fn path(at: &Point) -> Result<Path, Reason> {
    let family = PathFamily {
        jitter: at.jitter,
        log_bdp: (at.log_bdp, at.log_bdp),
        buffer: Buffer {
            least: at.buffer.0,
            most: at.buffer.1,
        },
    };
    let drops = at.highest;
    Path::new(
        &prover::powers(),
        &family,
        family.log_bdp,
        family.buffer,
        drops,
    )
}

/// The checker's bounds at a point.
fn checked(at: &Point) -> Bounds {
    let path = path(at).unwrap();
    let units = |share: f64| (share * (1u64 << 30) as f64) as i64;
    let (omega, lambda, peak) = at.windows;
    let Round {
        queue,
        loss,
        carried,
        ..
    } = path.round(Sent {
        most: units(omega),
        least: units(lambda),
        peak: units(peak),
        past: units(peak * at.past),
    });
    let share = |units: i64| units as f64 / (1u64 << 30) as f64;
    let coarse = |units: i32| f64::from(units) / 65_536.0;
    Bounds {
        queue: (share(queue.0), share(queue.1)),
        loss: (coarse(loss.0), coarse(loss.1)),
        carried: share(carried),
    }
}

fn apart(one: &Bounds, other: &Bounds) -> f64 {
    [
        one.queue.0 - other.queue.0,
        one.queue.1 - other.queue.1,
        one.loss.0 - other.loss.0,
        one.loss.1 - other.loss.1,
        one.carried - other.carried,
    ]
    .into_iter()
    .map(f64::abs)
    .fold(0.0, f64::max)
}

/// Points with A6 and without; some of these ask for a deeper buffer.
fn points(highest: Option<i32>) -> Vec<Point> {
    let mut points = vec![];
    for log_bdp in [4 << 8, 6 << 8, 10 << 8] {
        for jitter in [0, 3277, 16_384] {
            for least in [6554, 19_661, 65_536, 4 << 16] {
                for most in [None, Some(least), Some(least + 9999)] {
                    for lambda in [0.2, 0.4, 0.8, 1.05, 1.3, 1.6, 2.5, 5.5] {
                        for (omega, peak) in [(1.0, 1.0), (1.1, 1.1), (1.0, 1.1), (1.3, 1.3)] {
                            points.push(Point {
                                log_bdp,
                                jitter,
                                buffer: (least, most),
                                windows: (omega * lambda, lambda, peak * lambda),
                                past: if lambda < 1.0 { 1.0 } else { 1.1 },
                                highest,
                            });
                        }
                    }
                }
            }
        }
    }
    points
}

fn bounds_are_the_documents_and_miss_no_term(points: &[Point], but_for: &[&str]) {
    let points: Vec<_> = points.iter().map(|at| (at, checked(at))).collect();
    let whole = [1.0; TERMS.len()];
    for (at, checked) in &points {
        let documented = documented(at, &whole);
        // Losses are rounded outwards to units of 2^-16, all else to 2^-30, and Ŵ by its power.
        let error = apart(checked, &documented);
        assert!(error < 1.6e-5, "{at:?}: {checked:?} is not {documented:?}");
    }
    for (number, name) in TERMS.iter().enumerate() {
        let mut mutant = whole;
        mutant[number] = 0.0;
        let seen = points
            .iter()
            .filter(|(at, checked)| apart(checked, &documented(at, &mutant)) > 1e-3);
        let is_missed = seen.count() > 0;
        assert!(
            is_missed || but_for.contains(name),
            "nobody would miss {name}"
        );
    }
}

#[test]
fn the_bounds_of_a_round_are_the_documents_and_miss_none_of_its_terms() {
    bounds_are_the_documents_and_miss_no_term(&points(None), &[]);
}

#[test]
fn without_a6_they_are_so_as_well_and_shallow_buffers_are_refused_as_documented() {
    let mut all = vec![];
    for highest in [-256, 64, 288, 480] {
        all.extend(points(Some(highest)));
    }
    let (deep, shallow): (Vec<_>, Vec<_>) = all.into_iter().partition(|at| short(at) <= 0.0);
    for at in &shallow {
        assert!(
            short(at) < 1e-6
                || matches!(
                    path(at),
                    Err(Reason::OutOfRange {
                        what: "twice the buffer" | "three times the buffer",
                        ..
                    })
                ),
            "{at:?}"
        );
    }
    assert!(shallow.len() > 1000 && deep.len() > 1000);
    // E shows by being positive alone, and rule *burst* refuses bursts that overflow.
    let unseen = ["g in E", "I after a burst", "X after a burst"];
    bounds_are_the_documents_and_miss_no_term(&deep, &unseen);
}

/// The shallowest buffer that lemma X takes, to a unit, for each of its two conditions.
#[test]
fn the_shallowest_buffer_without_a6_is_the_documented_one() {
    for log_bdp in [4 << 8, 6 << 8, 10 << 8] {
        for jitter in [0, 3277, 16_384] {
            for highest in [0, 480] {
                let at = |least: u32| Point {
                    log_bdp,
                    jitter,
                    buffer: (least, None),
                    windows: (1.0, 1.0, 1.0),
                    past: 1.0,
                    highest: Some(highest),
                };
                let accepted = |least: &u32| path(&at(*least)).is_ok();
                let least = (0..4 << 16).step_by(64).find(accepted).unwrap();
                let (at, before) = (short(&at(least)), short(&at(least - 64)));
                assert!(at < 1e-5 && before > -1e-6, "{least}: {at} {before}");
            }
        }
    }
}
