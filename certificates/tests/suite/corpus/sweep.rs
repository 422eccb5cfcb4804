//! Every byte and every node of every accepted file, changed in many ways with all digests made
//! right again: what the checker still accepts is true by exact search, and so is every other claim
//! that it accepts about a model with any byte changed.

use std::collections::BTreeMap;

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, Layout, Node, Section};
use tautline_certificates::{Rejection, check};
use tautline_core::policy::Digest;

use super::truth::Exact;
use super::{Entry, is_true, recipes};
use crate::raw::seal;

/// What became of mutants.
#[derive(Default)]
struct Tally {
    rejected: BTreeMap<String, u64>,
    accepted: u64,
    /// Claims other than the entry's that exact search had to decide.
    searched: u64,
    /// Those of them whose region was too wide to search all of it.
    partly: u64,
}

impl Tally {
    fn judge(&mut self, entry: &Entry, model: &[u8], certificate: &[u8], what: &str) {
        let claims = match check(model, certificate, None) {
            Err(rejection) => return self.reject(&rejection),
            Ok(checked) => checked.claim_set().clone(),
        };
        self.accepted += 1;
        // The entry's own claims are known to be true; another proof of them proves nothing false.
        if model != entry.model || meaning(&claims) != meaning(&entry.decoded().claims) {
            self.searched += 1;
            let verdict = Exact::decode(model).unwrap().proves(&claims, &mut 4_000);
            let holds = verdict.unwrap_or_else(|| {
                // Too wide to search: then at least around the ends of every range.
                self.partly += 1;
                ends(&claims).iter().all(|part| is_true(model, part))
            });
            assert!(holds, "{}: {what}: accepted, false", entry.name);
        }
    }

    fn reject(&mut self, rejection: &Rejection) {
        assert!(!rejection.step.to_string().is_empty() && !rejection.reason.to_string().is_empty());
        *self.rejected.entry(rejection.rule.to_string()).or_default() += 1;
    }

    fn print(&self) {
        let Self {
            rejected,
            accepted,
            searched,
            partly,
        } = self;
        println!(
            "{} rejected {rejected:?}; {accepted} accepted, {searched} of them with other claims \
             or models, true by exact search ({partly} of these around the ends of their ranges)",
            self.rejected()
        );
    }

    fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// Claims without the words around them.
fn meaning(claims: &ClaimSet) -> ClaimSet {
    let mut claims = claims.clone();
    for claim in &mut claims.claims {
        claim.name.clear();
        claim.says.clear();
    }
    claims
}

/// The claims over both ends of every wide range, in all combinations.
fn ends(claims: &ClaimSet) -> Vec<ClaimSet> {
    let wide = |(low, high): (i32, i32)| i64::from(high) - i64::from(low) >= 64;
    let mut parts = vec![claims.clone()];
    for claim in 0..claims.claims.len() {
        for feature in 0..claims.claims[claim].region.bounds.len() {
            let bounds = claims.claims[claim].region.bounds[feature];
            if !wide(bounds) {
                continue;
            }
            let (low, high) = bounds;
            let both = parts.iter().flat_map(|part| {
                [(low, low + 3), (high - 3, high)].map(|bounds| {
                    let mut part = part.clone();
                    part.claims[claim].region.bounds[feature] = bounds;
                    part
                })
            });
            parts = both.collect();
        }
    }
    parts
}

/// The bytes with the digest of the claim set and the file's own made right.
fn repaired(mut content: Vec<u8>) -> Vec<u8> {
    const CLAIMS: usize = 8 + 32 + 32 + 4;
    let length = content.get(CLAIMS - 4..CLAIMS);
    let length = length.map_or(0, |it| u32::from_le_bytes(it.try_into().unwrap()));
    let end = CLAIMS.saturating_add(usize::try_from(length).unwrap());
    if let Some(claims) = content.get(CLAIMS..end) {
        let digest = Digest::of(claims);
        content[40..72].copy_from_slice(digest.as_bytes());
    }
    seal(content)
}

/// Changes of a byte: fewer of them unless slow tests are asked for.
fn masks() -> &'static [u8] {
    const MASKS: [u8; 10] = [0x01, 0x80, 0xff, 0x04, 0x02, 0x08, 0x10, 0x20, 0x40, 0x03];
    if std::env::var_os("SLOW_TESTS").is_some() {
        &MASKS
    } else {
        &MASKS[..4]
    }
}

#[test]
fn every_changed_lost_and_doubled_byte_with_right_digests_is_rejected_or_true() {
    let mut tally = Tally::default();
    for entry in recipes::all() {
        let content = &entry.certificate[..entry.certificate.len() - 32];
        // The model's digest is a field of its own: see the models below.
        for place in (0..content.len()).filter(|place| !(8..72).contains(place)) {
            for &mask in masks() {
                let mut bad = content.to_vec();
                bad[place] ^= mask;
                tally.judge(
                    &entry,
                    &entry.model,
                    &repaired(bad),
                    &format!("{place} ^ {mask}"),
                );
            }
            let mut bad = content.to_vec();
            bad.remove(place);
            tally.judge(
                &entry,
                &entry.model,
                &repaired(bad),
                &format!("without {place}"),
            );
            let mut bad = content.to_vec();
            bad.insert(place, content[place]);
            tally.judge(
                &entry,
                &entry.model,
                &repaired(bad),
                &format!("{place} twice"),
            );
        }
    }
    let rules: Vec<_> = tally.rejected.keys().map(String::as_str).collect();
    for rule in [
        "format",
        "corner",
        "relaxation",
        "difference",
        "split",
        "phase split",
        "empty",
        "interval",
        "sign",
    ] {
        assert!(rules.contains(&rule), "no rejection by {rule}: {rules:?}");
    }
    assert!(tally.rejected() > 8_000, "{:?}", tally.rejected);
    assert!(
        tally.searched > 100,
        "{} of {}",
        tally.searched,
        tally.accepted
    );
    println!(
        "{} rejected {:?}, {} accepted and true, {} of them by exact search",
        tally.rejected(),
        tally.rejected,
        tally.accepted,
        tally.searched
    );
}

#[test]
fn nodes_lost_doubled_or_exchanged_are_rejected_or_prove_the_same() {
    let mut tally = Tally::default();
    for entry in recipes::all() {
        let whole = entry.decoded();
        for section in 0..whole.sections.len() {
            let count = trees(&whole, section).len();
            for (tree, node) in (0..count).flat_map(|tree| {
                (0..trees(&whole, section)[tree].nodes.len()).map(move |node| (tree, node))
            }) {
                let mut try_with = |what: &str, change: &dyn Fn(&mut Vec<Node>)| {
                    let mut bad = whole.clone();
                    match &mut bad.sections[section] {
                        Section::RegionTree { trees, .. } | Section::PairTree { trees, .. } => {
                            change(&mut trees[tree].nodes);
                        }
                        Section::RankGrid { .. } => unreachable!("no closed-loop claim here"),
                    }
                    // What is no tree any more is not written at all.
                    if let Ok(bytes) = bad.encode() {
                        tally.judge(&entry, &entry.model, &bytes, what);
                    }
                };
                for other in 0..node {
                    try_with("exchanged", &|nodes| nodes.swap(node, other));
                }
                try_with("made a corner", &|nodes| nodes.insert(node, Node::Corner));
                try_with("made an interval", &|nodes| nodes[node] = Node::Interval);
                for index in [0, 1, 16, 17] {
                    try_with("made empty", &|nodes| nodes[node] = Node::Empty { index });
                }
                // A subtree in place of its parent, and of its sibling.
                try_with("child for parent", &|nodes| {
                    nodes.remove(node);
                });
                for (step, neuron) in [(1, 0), (2, 1)] {
                    try_with("cut", &|nodes| match &mut nodes[node] {
                        Node::Split { cut, .. } => *cut += step,
                        other => *other = Node::PhaseSplit { neuron },
                    });
                }
            }
        }
    }
    assert!(tally.rejected() > 200, "{:?}", tally.rejected);
    tally.print();
}

fn trees(certificate: &Certificate, section: usize) -> &[tautline_certificates::format::Tree] {
    match &certificate.sections[section] {
        Section::RegionTree { trees, .. } | Section::PairTree { trees, .. } => trees,
        Section::RankGrid { .. } => &[],
    }
}

#[test]
fn certificates_moved_to_a_model_with_any_byte_changed_are_rejected_or_true() {
    let mut tally = Tally::default();
    for entry in recipes::all() {
        let layout = Layout::read(&entry.certificate).unwrap();
        assert_eq!(
            layout.model.as_bytes(),
            &entry.model[entry.model.len() - 32..]
        );
        let content = &entry.model[..entry.model.len() - 32];
        for place in 0..content.len() {
            for &mask in masks() {
                let mut model = content.to_vec();
                model[place] ^= mask;
                let model = seal(model);
                let mut certificate = entry.certificate[..entry.certificate.len() - 32].to_vec();
                certificate[8..40].copy_from_slice(&model[model.len() - 32..]);
                tally.judge(
                    &entry,
                    &model,
                    &seal(certificate),
                    &format!("{place} ^ {mask}"),
                );
            }
        }
    }
    assert!(tally.rejected() > 1_500, "{:?}", tally.rejected);
    assert!(tally.searched > 100, "{}", tally.searched);
    tally.print();
}
