//! Named mutations of the accepted files, one per field and rule, all digests made right again, and
//! where, by which rule and why each is rejected. The files are in `tests/corpus/reject`, each with
//! its verdict beside it.

use tautline_certificates::check;
use tautline_certificates::claim::{ClaimKind, ClaimSet, LinearConstraint};
use tautline_certificates::format::{Certificate, Layout, Node, Section, Tree};
use tautline_core::policy::{Digest, HeadKind, Skip};

use super::{Entry, compare, files, is_true, recipes};
use crate::raw::{Raw, seal, write};

/// A file that must be rejected.
struct Mutant {
    name: &'static str,
    entry: &'static str,
    bytes: Vec<u8>,
    /// Checked against another model than the entry's.
    model: Option<Vec<u8>>,
    /// The claims asked for; any if none.
    asked: Option<ClaimSet>,
    /// Parts of the rejection: step, rule, reason.
    expected: [&'static str; 3],
}

/// The accepted files to start from, and the mutants made so far.
struct Workshop {
    entries: Vec<Entry>,
    mutants: Vec<Mutant>,
}

const FILE: &str = "file";
const ROOT: &str = "claim 0, constraint 0, node 0";

impl Workshop {
    fn entry(&self, name: &str) -> &Entry {
        self.entries.iter().find(|it| it.name == name).unwrap()
    }

    fn add(
        &mut self,
        name: &'static str,
        entry: &'static str,
        bytes: Vec<u8>,
        expected: [&'static str; 3],
    ) {
        self.mutants.push(Mutant {
            name,
            entry,
            bytes,
            model: None,
            asked: None,
            expected,
        });
    }

    /// A change of what the certificate says.
    fn edit(
        &mut self,
        name: &'static str,
        entry: &'static str,
        expected: [&'static str; 3],
        change: impl Fn(&mut Certificate),
    ) {
        let mut certificate = self.entry(entry).decoded();
        change(&mut certificate);
        self.add(name, entry, certificate.encode().unwrap(), expected);
    }

    /// A change of a tree.
    fn nodes(
        &mut self,
        name: &'static str,
        entry: &'static str,
        expected: [&'static str; 3],
        change: impl Fn(&mut Vec<Node>),
    ) {
        self.edit(name, entry, expected, |certificate| {
            change(&mut trees(certificate, 0)[0].nodes);
        });
    }

    /// A change of the first claim.
    fn claim(
        &mut self,
        name: &'static str,
        entry: &'static str,
        expected: [&'static str; 3],
        change: impl Fn(&mut tautline_certificates::claim::Claim),
    ) {
        self.edit(name, entry, expected, |certificate| {
            change(&mut certificate.claims.claims[0]);
        });
    }

    /// A change of the bytes before the file's digest, which is made right again.
    fn bytes(
        &mut self,
        name: &'static str,
        entry: &'static str,
        expected: [&'static str; 3],
        change: impl Fn(&mut Vec<u8>),
    ) {
        let whole = &self.entry(entry).certificate;
        let mut content = whole[..whole.len() - 32].to_vec();
        change(&mut content);
        self.add(name, entry, seal(content), expected);
    }

    /// A change of the sections as bytes, with right lengths and digests.
    fn sections(
        &mut self,
        name: &'static str,
        entry: &'static str,
        expected: [&'static str; 3],
        change: impl Fn(&mut Vec<Raw>),
    ) {
        let bytes = &self.entry(entry).certificate;
        let layout = Layout::read(bytes).unwrap();
        let sections = layout.sections.iter().map(|section| Raw {
            kind: section.kind,
            claim: section.claim,
            payload: section.payload.to_vec(),
        });
        let mut sections: Vec<_> = sections.collect();
        change(&mut sections);
        let bytes = write(layout.model, &layout.claims, &sections);
        self.add(name, entry, bytes, expected);
    }
}

fn trees(certificate: &mut Certificate, section: usize) -> &mut Vec<Tree> {
    match &mut certificate.sections[section] {
        Section::RegionTree { trees, .. } | Section::PairTree { trees, .. } => trees,
        Section::RankGrid { .. } => unreachable!("no closed-loop claim here"),
    }
}

fn slopes(node: &mut Node) -> &mut Vec<u8> {
    match node {
        Node::Relaxation { alpha, .. } => alpha,
        other => panic!("{other:?} has no slopes"),
    }
}

fn multipliers(node: &mut Node) -> &mut Vec<(u8, u32)> {
    match node {
        Node::Relaxation { multipliers, .. } => multipliers,
        other => panic!("{other:?} has no multipliers"),
    }
}

fn file_fields(shop: &mut Workshop) {
    let format = |reason| [FILE, "format", reason];
    shop.bytes("magic", "splits", format("not a certificate"), |it| {
        it[1] ^= 1;
    });
    shop.bytes("version", "splits", format("version 2"), |it| it[4] = 2);
    shop.bytes("flags", "splits", format("flags"), |it| it[6] = 1);
    let model = ["model", "model", "certificate is about model"];
    shop.bytes("model-digest", "splits", model, |it| it[8] ^= 1);
    let claims = format("embedded claims have digest");
    shop.bytes("claims-digest", "splits", claims, |it| it[40] ^= 1);
    shop.bytes("claims-length", "splits", format(""), |it| it[72] -= 1);
    shop.bytes("trailing", "splits", format("after its end"), |it| {
        let mut twice = seal(it.clone());
        twice.push(0);
        *it = twice[..twice.len() - 32].to_vec();
    });
    let whole = shop.entry("splits").certificate.clone();
    let mut corrupt = whole.clone();
    *corrupt.last_mut().unwrap() ^= 1;
    shop.add("digest", "splits", corrupt, format("corrupt"));
    let cut = whole[..whole.len() - 40].to_vec();
    shop.add("truncated", "splits", cut, format("ends at byte"));
    shop.add("empty-file", "splits", vec![], format("not a certificate"));
}

fn sections(shop: &mut Workshop) {
    let first = |reason| ["section 0", "format", reason];
    let count = [FILE, "format", "its claims need 3"];
    shop.sections("section-missing", "several", count, |it| {
        it.pop();
    });
    shop.sections("section-twice", "several", count, |it| {
        it.push(it[2].clone());
    });
    let order = first("proves claim 2, claim 0 is next");
    shop.sections("sections-reordered", "several", order, |it| it.swap(0, 2));
    shop.sections(
        "section-of-another-claim",
        "several",
        [ROOT, "format", "a node is missing"],
        |it| it[0].payload = it[1].payload.clone(),
    );
    let kind = first("is of kind 2, its claim is proven by kind 1");
    shop.sections("section-kind", "several", kind, |it| it[0].kind = 2);
    let pair = [
        "section 1",
        "format",
        "is of kind 1, its claim is proven by kind 2",
    ];
    shop.sections("section-kind-of-pair", "several", pair, |it| it[1].kind = 1);
    let unsupported = first("unsupported kind 4 (table proof)");
    shop.sections("section-kind-reserved", "several", unsupported, |it| {
        it[0].kind = 4;
    });
    let grid = first("is of kind 3, its claim is proven by kind 1");
    shop.sections("section-kind-of-loop", "several", grid, |it| it[0].kind = 3);
    let after = first("1 bytes after its last tree");
    shop.sections("leaf-too-many", "splits", after, |it| it[0].payload.push(4));
    let missing = [ROOT, "format", "a node is missing"];
    shop.sections("no-tree", "intervals", missing, |it| it[0].payload.clear());
    let missing = [
        "claim 0, constraint 0, node 14",
        "format",
        "a node is missing",
    ];
    shop.sections("leaf-missing", "intervals", missing, |it| {
        it[0].payload.pop();
    });
    let tag = [ROOT, "format", "unknown node tag 99"];
    shop.sections("tag", "intervals", tag, |it| it[0].payload[0] = 99);
}

fn splits(shop: &mut Workshop) {
    let split = |reason| [ROOT, "split", reason];
    let cut = |to: i32| {
        move |nodes: &mut Vec<Node>| {
            nodes[0] = Node::Split {
                feature: 0,
                cut: to,
            }
        }
    };
    shop.nodes(
        "cut-at-the-end",
        "splits",
        split("cut of feature 0 at 31"),
        cut(31),
    );
    shop.nodes(
        "cut-outside",
        "splits",
        split("cut of feature 0 at -1"),
        cut(-1),
    );
    let feature = split("split of feature 16, the model has 16");
    shop.nodes("split-of-no-feature", "splits", feature, |nodes| {
        nodes[0] = Node::Split {
            feature: 16,
            cut: 0,
        };
    });
    let again = ["node 1", "split", "is outside 0 to"];
    // Both halves of a cut cut there once more: the pieces would overlap.
    shop.nodes("regions-overlap", "intervals", again, |nodes| {
        nodes[1] = nodes[0].clone();
    });
    // One half proven in place of the whole: coverage inflated.
    let uncovered = ["node 0", "interval", "only shown to be at most"];
    shop.nodes("region-uncovered", "intervals", uncovered, |nodes| {
        *nodes = vec![Node::Interval];
    });
    let uncovered = ["claim 0, constraint 1, node 0", "relaxation", "only shown"];
    shop.edit("half-uncovered", "splits", uncovered, |certificate| {
        let nodes = &mut trees(certificate, 0)[1].nodes;
        *nodes = vec![nodes[1].clone()];
    });
    let deep = [
        "claim 0, constraint 0, node 513",
        "format",
        "tree is deeper than 512",
    ];
    shop.edit("too-deep", "intervals", deep, |certificate| {
        certificate.claims.claims[0].region.bounds[0].1 = 4096;
        let cuts = (0..514).map(|level| Node::Split {
            feature: 0,
            cut: 4095 - level,
        });
        let leaves = std::iter::repeat_n(Node::Interval, 515);
        trees(certificate, 0)[0].nodes = cuts.chain(leaves).collect();
    });
}

fn relaxations(shop: &mut Workshop) {
    let leaf = "claim 0, constraint 1, node 1";
    let second = |certificate: &mut Certificate| trees(certificate, 0)[1].nodes[1].clone();
    let with = |certificate: &mut Certificate, node| trees(certificate, 0)[1].nodes[1] = node;
    let few = [leaf, "relaxation", "4 slopes, the leaf needs 5"];
    shop.edit("slope-missing", "splits", few, |certificate| {
        let mut node = second(certificate);
        slopes(&mut node).pop();
        with(certificate, node);
    });
    let many = [leaf, "relaxation", "6 slopes, the leaf needs 5"];
    shop.edit("slope-too-many", "splits", many, |certificate| {
        let mut node = second(certificate);
        slopes(&mut node).push(0);
        with(certificate, node);
    });
    let fact = [leaf, "relaxation", "uses fact 0, 0 facts hold here"];
    shop.edit("fact-of-nothing", "splits", fact, |certificate| {
        let mut node = second(certificate);
        multipliers(&mut node).push((0, 1));
        with(certificate, node);
    });
    slopes_as_bytes(shop);
    used_facts(shop);
}

fn slopes_as_bytes(shop: &mut Workshop) {
    // 64, 128, 0, 1, 127: two bits each, then the explicit ones.
    let alphas = |reason| [ROOT, "format", reason];
    let payload = |codes: [u8; 2], explicit: &'static [u8]| {
        move |it: &mut Vec<Raw>| {
            it[0].payload = [&[0, 5, 0], codes.as_slice(), explicit, &[0]].concat();
        }
    };
    shop.sections(
        "slope-above-one",
        "splits",
        alphas("alpha of neuron 0 is 129"),
        payload([2, 0], &[129]),
    );
    shop.sections(
        "slope-one-written-long",
        "splits",
        alphas("alpha of neuron 0 is 128"),
        payload([2, 0], &[128]),
    );
    shop.sections(
        "slope-code",
        "splits",
        alphas("alpha of neuron 1 is 3"),
        payload([12, 0], &[]),
    );
    shop.sections("padding", "splits", alphas("padding"), payload([0, 4], &[]));
}

fn used_facts(shop: &mut Workshop) {
    let zero = [
        "claim 0, constraint 0, node 2",
        "format",
        "multiplier of fact 0 is zero",
    ];
    shop.sections("multiplier-zero", "facts", zero, |it| {
        let place = it[0].payload.len() - 4 - 4;
        it[0].payload[place..place + 4].fill(0);
    });
    let lost = ["claim 0, constraint 0, node 2", "relaxation", "only shown"];
    for (name, by) in [
        ("multiplier-less", (1 << 16) - 4096),
        ("multiplier-more", 1 << 18),
    ] {
        shop.nodes(name, "facts", lost, move |nodes| {
            multipliers(&mut nodes[2])[0].1 = by;
        });
    }
    shop.nodes("multiplier-dropped", "facts", lost, |nodes| {
        multipliers(&mut nodes[2]).clear();
    });
    let leaf = ["claim 0, constraint 0, node", "interval", "only shown"];
    shop.nodes("relaxation-made-interval", "facts", leaf, |nodes| {
        nodes[2] = Node::Interval;
    });
}

fn empties_and_corners(shop: &mut Workshop) {
    let third = |rule, reason| ["claim 0, constraint 0, node 3", rule, reason];
    shop.nodes(
        "fact-unknown",
        "facts",
        third("empty", "uses fact 1, 1 facts hold"),
        |nodes| {
            nodes[3] = Node::Empty { index: 1 };
        },
    );
    let full = third(
        "empty",
        "fact 0 can hold in the box: its left-hand side reaches 20",
    );
    shop.nodes("box-not-empty", "facts", full, |nodes| {
        nodes[1] = Node::Split {
            feature: 1,
            cut: 19,
        };
    });
    let vacuous = [ROOT, "empty", "the region holds no input"];
    shop.edit("vacuous", "facts", vacuous, |certificate| {
        certificate.claims.claims[0].region.bounds[0].0 = 21;
        trees(certificate, 0)[0].nodes = vec![Node::Empty { index: 0 }];
    });
    let nested = [
        "claim 0, constraint 0, node 2",
        "corner",
        "may not stand under rule corner",
    ];
    shop.nodes("corner-below-corner", "corner", nested, |nodes| {
        nodes.insert(1, Node::Corner);
    });
    let none = |rule| {
        [
            "claim 0, constraint 0, node",
            rule,
            "uses fact 0, 0 facts hold here",
        ]
    };
    shop.nodes("fact-below-corner", "facts", none("relaxation"), |nodes| {
        nodes.insert(2, Node::Corner);
    });
    shop.nodes("empty-below-corner", "facts", none("empty"), |nodes| {
        nodes.insert(3, Node::Corner);
    });
    let unproven = ["claim 0, constraint 0, node 0", "interval", "only shown"];
    shop.nodes("corner-without-split", "corner", unproven, |nodes| {
        *nodes = vec![Node::Interval];
    });
    let unproven = ["claim 0, constraint 0, node", "relaxation", "only shown"];
    shop.edit(
        "corner-of-another-sign",
        "corner",
        unproven,
        |certificate| {
            // Its least value in place of its greatest.
            let constraint = &mut certificate.claims.claims[0].constraints[0];
            constraint.heads[0].1 = -1;
            constraint.bound = -2;
        },
    );
}

fn claims(shop: &mut Workshop) {
    let unproven = [
        "claim 0, constraint 0, node",
        "",
        "only shown to be at most",
    ];
    for entry in ["splits", "intervals", "corner", "facts", "difference"] {
        let name = match entry {
            "splits" => "bound-of-splits",
            "intervals" => "bound-of-intervals",
            "corner" => "bound-of-corner",
            "facts" => "bound-of-facts",
            _ => "bound-of-difference",
        };
        shop.claim(name, entry, unproven, |claim| {
            claim.constraints[0].bound -= 1;
        });
    }
    shop.claim("region-wider", "intervals", unproven, |claim| {
        claim.region.bounds[0].1 += 64;
    });
    shop.claim("coefficient", "intervals", unproven, |claim| {
        claim.constraints[0].heads[0].1 = 2;
    });
    shop.claim("feature-term", "intervals", unproven, |claim| {
        claim.constraints[0].features.push((0, 2));
    });
    let missing = [
        "claim 0, constraint 0",
        "claims",
        "head pacing, which the model does not have",
    ];
    shop.claim("head", "intervals", missing, |claim| {
        claim.constraints[0].heads[0].0 = HeadKind::Pacing;
    });
    shop.claim("fact-looser", "facts", ["node", "", ""], |claim| {
        claim.region.linear[0].bound = 21;
    });
    shop.claim("fact-other", "facts", ["node", "", ""], |claim| {
        claim.region.linear[0] = LinearConstraint {
            terms: vec![(0, 1)],
            bound: 20,
        };
    });
    let table = [
        "claims",
        "claims",
        "about feature table 1, the model reads table 0",
    ];
    shop.edit("feature-table", "intervals", table, |certificate| {
        certificate.claims.feature_table = 1;
        let bounds = &mut certificate.claims.claims[0].region.bounds;
        let table = tautline_core::features::FeatureTable::by_version(1).unwrap();
        let whole = table.features.iter();
        *bounds = whole.map(|it| (it.low.units(), it.high.units())).collect();
    });
    let other = ["claims", "claims", "certificate proves claim set"];
    shop.edit("claims-others", "intervals", other, |_| {});
    let mut asked = shop.entry("intervals").decoded().claims;
    asked.claims[0].constraints[0].bound -= 1;
    shop.mutants.last_mut().unwrap().asked = Some(asked);
}

fn pairs(shop: &mut Workshop) {
    let sign = |reason| ["claim 0, constraint 0", "sign", reason];
    shop.claim(
        "bound-of-sign",
        "sign",
        sign("at most 0, it must be at most -1"),
        |claim| {
            claim.constraints[0].bound = -1;
        },
    );
    shop.claim(
        "sign-of-another-feature",
        "sign",
        sign("moving feature 0"),
        |claim| {
            claim.kind = ClaimKind::Pair { raise: vec![0] };
        },
    );
    shop.claim("sign-unknown", "sign", sign("moving feature 2"), |claim| {
        claim.kind = ClaimKind::Pair { raise: vec![1, 2] };
    });
    shop.claim(
        "sign-of-another-direction",
        "sign",
        sign("moving feature 1"),
        |claim| {
            claim.constraints[0].heads[0].1 = -1;
        },
    );
}

fn differences(shop: &mut Workshop) {
    let leaf = "claim 0, constraint 0, node 1";
    let alphas = [leaf, "difference", "5 slopes, the leaf needs 0"];
    shop.nodes("pair-with-slopes", "difference", alphas, |nodes| {
        *slopes(&mut nodes[1]) = vec![0; 5];
    });
    let kind = |rule| [leaf, rule, "may not stand under rule difference"];
    shop.nodes("pair-with-corner", "difference", kind("corner"), |nodes| {
        nodes.insert(1, Node::Corner);
    });
    shop.nodes(
        "pair-with-interval",
        "difference",
        kind("interval"),
        |nodes| {
            nodes[1] = Node::Interval;
        },
    );
    shop.nodes(
        "pair-with-phases",
        "difference",
        kind("phase split"),
        |nodes| {
            let leaf = nodes[1].clone();
            nodes.splice(1..2, [Node::PhaseSplit { neuron: 0 }, leaf.clone(), leaf]);
        },
    );
    let feature = [ROOT, "split", "split of feature 32"];
    shop.nodes("pair-split-of-no-feature", "difference", feature, |nodes| {
        nodes[0] = Node::Split {
            feature: 32,
            cut: 0,
        };
    });
    let cut = [ROOT, "split", "cut of feature 0 at 3"];
    shop.nodes("pair-cut-outside", "difference", cut, |nodes| {
        nodes[0] = Node::Split { feature: 0, cut: 3 };
    });
    let missing = [
        "claim 0, constraint 0, node 8",
        "format",
        "a node is missing",
    ];
    shop.sections("pair-leaf-missing", "difference", missing, |it| {
        let end = it[0].payload.len();
        it[0].payload.truncate(end - LEAF_OF_PAIRS);
    });
    let wider = ["claim 0, constraint 0, node", "difference", "only shown"];
    shop.claim("differences-wider", "difference", wider, |claim| {
        let ClaimKind::Difference { differ, .. } = &mut claim.kind else {
            panic!("a claim about differences");
        };
        differ[0].high = 5;
    });
    let fact = [leaf, "difference", "uses fact"];
    shop.nodes("pair-fact-unknown", "difference", fact, |nodes| {
        multipliers(&mut nodes[1]).push((9, 1));
    });
    let signs = ["claim 0, constraint 0", "sign", ""];
    shop.sections("pair-tree-dropped", "difference", signs, |it| {
        it[0].payload.clear();
    });
}

fn betas(shop: &mut Workshop) {
    let leaf = |reason| ["claim 0, constraint 0, node 3", "relaxation", reason];
    let beta = |nodes: &mut Vec<Node>, change: fn(&mut Vec<u32>)| match &mut nodes[3] {
        Node::Relaxation { beta, .. } => change(beta),
        other => panic!("{other:?} has no beta"),
    };
    shop.nodes(
        "beta-missing",
        "phases",
        leaf("1 phases, the leaf needs 2"),
        |nodes| {
            beta(nodes, |it| it.truncate(1));
        },
    );
    shop.nodes(
        "beta-none",
        "phases",
        leaf("0 phases, the leaf needs 2"),
        |nodes| {
            beta(nodes, Vec::clear);
        },
    );
    shop.nodes(
        "beta-too-many",
        "phases",
        leaf("3 phases, the leaf needs 2"),
        |nodes| {
            beta(nodes, |it| it.push(0));
        },
    );
    let large = ["claim 0, constraint 0, node", "relaxation", "only shown"];
    shop.nodes("beta-too-large", "phases", large, |nodes| {
        for node in nodes {
            if let Node::Relaxation { beta, .. } = node {
                beta.fill(1 << 20);
            }
        }
    });
    let without = [
        "claim 0, constraint 1, node 1",
        "relaxation",
        "1 phases, the leaf needs 0",
    ];
    shop.edit("beta-without-phases", "splits", without, |certificate| {
        let node = &mut trees(certificate, 0)[1].nodes[1];
        let Node::Relaxation { beta, .. } = node else {
            panic!("a leaf");
        };
        beta.push(1);
    });
}

fn phase_splits(shop: &mut Workshop) {
    let again = [
        "claim 0, constraint 0, node 2",
        "phase split",
        "neuron 0, whose phase is fixed",
    ];
    shop.nodes("phase-repeated", "phases", again, |nodes| {
        nodes[2] = Node::PhaseSplit { neuron: 0 };
    });
    let none = [ROOT, "phase split", "neuron 3, the model has 3"];
    shop.nodes("phase-of-no-neuron", "phases", none, |nodes| {
        nodes[0] = Node::PhaseSplit { neuron: 3 };
    });
    let corner = [
        "claim 0, constraint 0, node 2",
        "corner",
        "may not stand under rule phase split",
    ];
    shop.nodes("corner-below-phases", "phases", corner, |nodes| {
        nodes.insert(2, Node::Corner);
    });
    let missing = ["claim 0, constraint 0, node", "format", "a node is missing"];
    shop.sections("phase-uncovered", "phases", missing, |it| {
        let end = it[0].payload.len();
        it[0].payload.truncate(end - LEAF_UNDER_TWO_PHASES);
    });
    let code = [ROOT, "format", "relaxation under phases has no beta"];
    shop.sections("beta-none-written-long", "splits", code, |it| {
        it[0].payload = vec![6, 5, 0, 0, 0, 0, 0, 0];
    });
    // One phase in place of both.
    let one = ["claim 0, constraint 0, node 0", "relaxation", "only shown"];
    shop.nodes("phases-dropped", "phases", one, |nodes| {
        let mut leaf = nodes[3].clone();
        if let Node::Relaxation { beta, .. } = &mut leaf {
            beta.clear();
        }
        *nodes = vec![leaf];
    });
}

/// Tag, count, a byte of codes, no multipliers, count and two betas.
const LEAF_UNDER_TWO_PHASES: usize = 1 + 2 + 1 + 1 + 2 + 8;

/// Tag, no slopes, no multipliers.
const LEAF_OF_PAIRS: usize = 1 + 2 + 1;

/// The certificate moved to a model with one parameter changed, its digest included.
fn models(shop: &mut Workshop) {
    for (name, entry, parameter, expected) in [
        (
            "model-weight",
            "intervals",
            0,
            ["claim 0, constraint 0, node", "interval", "only shown"],
        ),
        (
            "model-bias",
            "splits",
            16,
            ["claim 0, constraint", "relaxation", "only shown"],
        ),
        (
            "model-sign",
            "sign",
            1,
            ["claim 0, constraint 0", "sign", "moving feature 1"],
        ),
    ] {
        let source = shop.entry(entry);
        let (header, parameters) = tautline_core::policy::decode(&source.model).unwrap();
        let mut parameters: Vec<i16> = parameters.iter().collect();
        parameters[parameter] = match parameters[parameter] {
            weight if weight < 0 => 4096,
            weight => weight + 2048,
        };
        let model = crate::support::file(&header, &parameters);
        let mut certificate = source.decoded();
        certificate.model = Digest::from_bytes(model[model.len() - 32..].try_into().unwrap());
        shop.add(name, entry, certificate.encode().unwrap(), expected);
        shop.mutants.last_mut().unwrap().model = Some(model);
    }
    // Three layers without a rescale: 2³⁵, 2⁵⁰, and what no 64 bits hold.
    let header = crate::support::header(0, &[(1, 0); 3], 1, Skip::None);
    let parameters = vec![i16::MAX; header.parameter_count()];
    let model = crate::support::file(&header, &parameters);
    let mut certificate = shop.entry("intervals").decoded();
    certificate.model = Digest::from_bytes(model[model.len() - 32..].try_into().unwrap());
    let beyond = ["model", "model", "layer 0, neuron 0 can reach"];
    let bytes = certificate.encode().unwrap();
    shop.add("model-overflow", "intervals", bytes, beyond);
    shop.mutants.last_mut().unwrap().model = Some(model);
    let other = ["model", "model", "certificate is about model"];
    let bytes = shop.entry("intervals").certificate.clone();
    shop.add("model-other", "intervals", bytes, other);
    let model = shop.entry("sign").model.clone();
    shop.mutants.last_mut().unwrap().model = Some(model);
}

fn all() -> Workshop {
    let mut shop = Workshop {
        entries: recipes::all(),
        mutants: vec![],
    };
    file_fields(&mut shop);
    sections(&mut shop);
    splits(&mut shop);
    relaxations(&mut shop);
    empties_and_corners(&mut shop);
    claims(&mut shop);
    pairs(&mut shop);
    differences(&mut shop);
    betas(&mut shop);
    phase_splits(&mut shop);
    models(&mut shop);
    shop
}

#[test]
fn every_named_mutant_is_rejected_where_and_by_the_rule_and_for_the_reason_it_should_be() {
    let shop = all();
    let mut names = vec![];
    let mut wrong = vec![];
    for mutant in &shop.mutants {
        let name = mutant.name;
        let entry = shop.entry(mutant.entry);
        let model = mutant.model.as_ref().unwrap_or(&entry.model);
        let Err(rejection) = check(model, &mutant.bytes, mutant.asked.as_ref()) else {
            wrong.push(format!("{name}: accepted"));
            continue;
        };
        let said = [
            rejection.step.to_string(),
            rejection.rule.to_string(),
            rejection.reason.to_string(),
        ];
        let as_expected = said[0].contains(mutant.expected[0])
            && (mutant.expected[1].is_empty() || said[1] == mutant.expected[1])
            && said[2].contains(mutant.expected[2]);
        if !as_expected {
            wrong.push(format!("{name}: {said:?}, not {:?}", mutant.expected));
        }
        let asks = if mutant.asked.is_some() {
            "other"
        } else {
            "any"
        };
        let model_file = match &mutant.model {
            None => format!("accept/{}.tlm", mutant.entry),
            Some(model) => {
                compare(&format!("reject/{name}.tlm"), model);
                names.push(format!("{name}.tlm"));
                format!("reject/{name}.tlm")
            }
        };
        let [step, rule, reason] = said;
        let sidecar =
            format!("expect: {step} | {rule} | {reason}\nmodel: {model_file}\nclaims: {asks}\n");
        compare(&format!("reject/{name}.tlc"), &mutant.bytes);
        compare(&format!("reject/{name}.txt"), sidecar.as_bytes());
        names.extend([format!("{name}.tlc"), format!("{name}.txt")]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    names.sort();
    assert_eq!(files("reject"), names, "no file without a mutant");
    assert!(
        names.windows(2).all(|pair| pair[0] != pair[1]),
        "names are unique"
    );
}

#[test]
fn rejected_files_say_why_beside_them() {
    let read = |file: &str| std::fs::read(super::folder("").join(file)).unwrap();
    let mut count = 0;
    let files = files("reject");
    for name in files.iter().filter_map(|it| it.strip_suffix(".tlc")) {
        let text = String::from_utf8(read(&format!("reject/{name}.txt")));
        let text = text.unwrap();
        let field = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(key)).unwrap()
        };
        let certificate = read(&format!("reject/{name}.tlc"));
        let model = read(field("model: "));
        if field("claims: ") == "other" {
            assert!(
                field("expect: ").starts_with("claims | claims | "),
                "{name}"
            );
            continue;
        }
        let rejection = check(&model, &certificate, None).unwrap_err();
        let said = format!(
            "{} | {} | {}",
            rejection.step, rejection.rule, rejection.reason
        );
        assert_eq!(said, field("expect: "), "{name}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn mutants_of_bounds_are_false_or_only_beyond_their_proof() {
    // Tightened bounds are those of the proofs; where the exact least is the same, the mutated claim
    // is false, and its rejection is not a matter of a weak proof.
    let mut decided = 0;
    for mutant in all()
        .mutants
        .iter()
        .filter(|it| it.name.starts_with("bound-of-"))
    {
        let shop = recipes::all();
        let entry = shop.iter().find(|it| it.name == mutant.entry).unwrap();
        let claims = Layout::read(&mutant.bytes).unwrap().claims;
        decided += usize::from(!is_true(&entry.model, &claims));
    }
    assert!(decided >= 2, "{decided}");
}
