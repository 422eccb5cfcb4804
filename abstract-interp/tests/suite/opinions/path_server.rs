//! The lemmas of the closed loop on the server's own curves.

#[cfg(feature = "smt")]
use tautline_abstract_interp::opinion::formula::Answer;
use tautline_abstract_interp::opinion::path_server::{Curves, Lemma, PathServer, Without};
#[cfg(feature = "smt")]
use tautline_abstract_interp::opinion::path_server::{Law, Own};

#[cfg(feature = "smt")]
use super::solver::ask;

fn denial(path: PathServer, lemma: Lemma, without: Without) -> Curves {
    let mut curves = Curves::of(path);
    curves.deny(lemma, without);
    curves
}

/// Long enough for every lemma: twice `1 + D` of past, and more for what was dropped.
fn path(rtt: usize, jitter: usize, buffer: Option<i64>) -> PathServer {
    PathServer {
        rtt,
        jitter,
        buffer,
        steps: 2 * (rtt + jitter) + if buffer.is_some() { rtt + 1 } else { 0 },
    }
}

#[cfg(feature = "smt")]
fn paths() -> Vec<PathServer> {
    let mut paths = vec![];
    for (rtt, jitter) in [(1, 1), (2, 1), (3, 1), (2, 2)] {
        for buffer in [None, Some(1), Some(2), Some(4)] {
            paths.push(path(rtt, jitter, buffer));
        }
    }
    paths
}

#[cfg(feature = "smt")]
fn is_of_drops(lemma: Lemma) -> bool {
    matches!(
        lemma,
        Lemma::UnknownWithoutBursts
            | Lemma::UnknownAtADrop
            | Lemma::UnknownAfterABurst
            | Lemma::NothingUnknownWithFlow
    )
}

const LEMMAS: [Lemma; 10] = [
    Lemma::QueueLow,
    Lemma::QueueHigh,
    Lemma::RttLow,
    Lemma::RttHigh,
    Lemma::Unknown,
    Lemma::UnknownWithoutBursts,
    Lemma::UnknownAtADrop,
    Lemma::UnknownAfterABurst,
    Lemma::NothingUnknownWithFlow,
    Lemma::Carried,
];

/// D, I and X left out.
const TERMS: [Without; 3] = [
    Without {
        jitter: true,
        increase: false,
        unknown: false,
    },
    Without {
        jitter: false,
        increase: true,
        unknown: false,
    },
    Without {
        jitter: false,
        increase: false,
        unknown: true,
    },
];

#[cfg(feature = "smt")]
#[test]
fn every_lemma_holds_for_every_sender() {
    for path in paths() {
        for lemma in LEMMAS {
            let curves = denial(path, lemma, Without::default());
            assert_eq!(
                ask(&curves.formula, WORK),
                Answer::Unsat,
                "{path:?} {lemma:?}"
            );
        }
    }
}

/// Drops from before and after an idle server add up.
#[cfg(feature = "smt")]
#[test]
fn what_is_unknown_may_exceed_what_one_burst_leaves() {
    for (jitter, buffer, is_broken) in [(1, 1, true), (2, 2, true), (1, 4, false)] {
        let path = path(2, jitter, Some(buffer));
        let curves = denial(path, Lemma::UnknownWithFlow, Without::default());
        let answer = ask(&curves.formula, WORK);
        let expected = matches!(answer, Answer::Sat(_)) == is_broken;
        assert!(
            expected && !matches!(answer, Answer::Other(_)),
            "{path:?}: {answer:?}"
        );
    }
}

/// The solver's curves are checked in exact arithmetic, in `ask`.
#[cfg(feature = "smt")]
#[test]
fn no_lemma_holds_without_a_term_of_its_own() {
    let needed = [
        (Lemma::QueueLow, [true, false, true]),
        (Lemma::QueueHigh, [true, true, true]),
        (Lemma::RttLow, [false, false, false]),
        (Lemma::RttHigh, [true, false, false]),
        (Lemma::Unknown, [false, false, true]),
        (Lemma::UnknownWithoutBursts, [true, true, true]),
        (Lemma::UnknownAtADrop, [true, true, true]),
        (Lemma::UnknownAfterABurst, [false, false, true]),
        (Lemma::NothingUnknownWithFlow, [true, false, false]),
        (Lemma::Carried, [true, false, true]),
    ];
    for (rtt, jitter) in [(2, 1), (3, 1)] {
        for (lemma, needed) in needed {
            for (without, is_needed) in TERMS.into_iter().zip(needed) {
                // Where something may be dropped, if that is what the term is about.
                let drops = without.unknown || is_of_drops(lemma);
                let path = path(rtt, jitter, drops.then_some(2));
                let answer = ask(&denial(path, lemma, without).formula, WORK);
                let found = matches!(answer, Answer::Sat(_));
                assert!(
                    found || answer == Answer::Unsat,
                    "{path:?} {lemma:?}: {answer:?}"
                );
                assert_eq!(found, is_needed, "{path:?} {lemma:?} {without:?}");
            }
        }
    }
}

/// From windows between 3 and 5 steps, with a base RTT of 2 and D of 1, over 10 steps.
#[cfg(feature = "smt")]
#[test]
fn a_linear_law_keeps_its_window_and_the_lemmas() {
    let law = Law {
        target: 2,
        damping: 4,
    };
    let said = |own| {
        let mut curves = Curves::of(PathServer {
            rtt: 2,
            jitter: 1,
            buffer: None,
            steps: 10,
        });
        let windows = curves.drive(law, (3, 5));
        curves.deny_own(&windows, own);
        ask(&curves.formula, WORK)
    };
    for own in [
        Own::Window(2, 6),
        Own::QueueLow,
        Own::QueueHigh,
        Own::Carried,
    ] {
        assert_eq!(said(own), Answer::Unsat, "{own:?}");
    }
    // The loop does run, and its window does move.
    assert!(matches!(said(Own::Window(3, 6)), Answer::Sat(_)));
}

#[test]
fn the_same_denial_is_the_same_text_and_another_is_another() {
    let mut texts = vec![];
    for lemma in LEMMAS {
        for without in TERMS {
            let curves = || {
                denial(path(2, 1, Some(2)), lemma, without)
                    .formula
                    .to_string()
            };
            assert_eq!(curves(), curves());
            texts.push(curves());
        }
    }
    let all = texts.len();
    texts.sort();
    texts.dedup();
    // The bounds on round trips know no I and no X, and one of them no D; some others lack a term.
    assert!(
        texts.len() >= 14 && texts.len() < all,
        "{} of {all}",
        texts.len()
    );
}

#[cfg(feature = "smt")]
const WORK: u64 = 100_000_000;
