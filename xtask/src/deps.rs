//! Which crate may know which: the walls of the architecture, read from cargo's own metadata.

use cargo_metadata::{DependencyKind, Package};

/// What one crate may depend on.
struct Wall {
    package: &'static str,
    /// Crates of this workspace that it may use.
    inside: &'static [&'static str],
    /// Crates of this workspace that only its tests and examples may use.
    inside_dev: &'static [&'static str],
    /// Crates of this workspace that it may use only behind a feature.
    inside_optional: &'static [&'static str],
    outside: Outside,
}

/// Crates from elsewhere that a crate may use outside its tests.
enum Outside {
    /// Only these.
    Only(&'static [&'static str]),
    /// All but these; a trailing `*` stands for any ending.
    Except(&'static [&'static str]),
}

/// One broken rule per entry, ready to print.
pub(crate) fn violations(packages: &[Package]) -> Vec<String> {
    let inside: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut violations = Vec::new();
    for package in packages {
        let Some(wall) = WALLS
            .iter()
            .find(|wall| wall.package == package.name.as_str())
        else {
            violations.push(format!(
                "{}: no rule for this crate in xtask/src/deps.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let edge = Edge {
                to: &dependency.name,
                kind: dependency.kind,
                optional: dependency.optional,
            };
            if !wall.allows(&edge, inside.contains(&edge.to)) {
                violations.push(format!(
                    "{} must not depend on {} ({} dependency)",
                    package.name, edge.to, edge.kind
                ));
            }
        }
    }
    violations
}

struct Edge<'a> {
    to: &'a str,
    kind: DependencyKind,
    optional: bool,
}

impl Wall {
    fn allows(&self, edge: &Edge<'_>, is_inside: bool) -> bool {
        let for_tests = edge.kind == DependencyKind::Development;
        if is_inside {
            return self.inside.contains(&edge.to)
                || (for_tests && self.inside_dev.contains(&edge.to))
                || (edge.optional && self.inside_optional.contains(&edge.to));
        }
        for_tests
            || match self.outside {
                Outside::Only(names) => names.contains(&edge.to),
                Outside::Except(names) => !names.iter().any(|name| matches(name, edge.to)),
            }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}

const CORE: &str = "tautline-core";
const NETSIM: &str = "tautline-netsim";
const PROVER: &str = "tautline-abstract-interp";
const FORMAT: &str = "tautline-certificate-format";
const CERTIFICATES: &str = "tautline-certificates";
const TRAINER: &str = "tautline-trainer";
const QUIC: &str = "tautline-quic-integration";
const TCP: &str = "tautline-tcp-integration";

/// What no library uses: errors of programs and command lines.
const PROGRAMS_ONLY: &[&str] = &["anyhow", "clap", "indicatif", "ctrlc"];

const WALLS: &[Wall] = &[
    Wall {
        package: CORE,
        inside: &[],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Only(&["sha2", "thiserror"]),
    },
    Wall {
        package: FORMAT,
        inside: &[CORE],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Only(&["serde", "sha2", "thiserror", "toml"]),
    },
    Wall {
        package: CERTIFICATES,
        inside: &[CORE, FORMAT],
        inside_dev: &[],
        inside_optional: &[],
        // No prover, no solver, no floats, no threads: the trusted base decodes and checks.
        outside: Outside::Only(&["thiserror"]),
    },
    Wall {
        package: NETSIM,
        inside: &[CORE],
        // Its tests turn on its own features.
        inside_dev: &[NETSIM],
        inside_optional: &[],
        outside: Outside::Except(PROGRAMS_ONLY),
    },
    Wall {
        package: PROVER,
        // Words and bytes; the checker only judges its results in tests.
        inside: &[CORE, FORMAT],
        // Its tests turn on its own features.
        inside_dev: &[CERTIFICATES, PROVER],
        inside_optional: &[],
        outside: Outside::Except(PROGRAMS_ONLY),
    },
    Wall {
        package: TRAINER,
        // The claim vocabulary reaches it through the prover; the cells of closed loops are words
        // too.
        inside: &[CORE, NETSIM, PROVER, FORMAT],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Except(PROGRAMS_ONLY),
    },
    Wall {
        package: QUIC,
        inside: &[CORE, CERTIFICATES],
        // Its tests turn on its own features.
        inside_dev: &[NETSIM, QUIC],
        // Feature `sim`: quinn as a stack of the simulator.
        inside_optional: &[NETSIM],
        outside: Outside::Except(PROGRAMS_ONLY),
    },
    Wall {
        package: TCP,
        inside: &[CORE],
        // Its tests turn on its own features.
        inside_dev: &[NETSIM, CERTIFICATES, TCP],
        // Without an operating system there is no checker and no simulator: features `certified`
        // and `sim`.
        inside_optional: &[CERTIFICATES, NETSIM],
        outside: Outside::Only(&["smoltcp", "thiserror"]),
    },
    Wall {
        package: "tautline-cli",
        inside: &[CORE, NETSIM, PROVER, CERTIFICATES, TRAINER, QUIC, TCP],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Except(&[]),
    },
    Wall {
        package: "tautline-benches",
        inside: &[CORE, NETSIM, PROVER, CERTIFICATES, TRAINER, QUIC, TCP],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Except(&[]),
    },
    Wall {
        package: "xtask",
        inside: &[],
        inside_dev: &[],
        inside_optional: &[],
        outside: Outside::Except(&[]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn every_dependency_edge_is_allowed() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(violations(workspace.packages()), Vec::<String>::new());
    }

    #[test]
    fn every_rule_is_about_a_crate_that_exists() {
        let workspace = Workspace::find().unwrap();
        for wall in WALLS {
            let exists = workspace
                .packages()
                .iter()
                .any(|package| package.name.as_str() == wall.package);
            assert!(exists, "{}", wall.package);
        }
    }

    fn allowed(from: &str, to: &str, kind: DependencyKind) -> bool {
        let optional = false;
        allows(from, &Edge { to, kind, optional })
    }

    fn allowed_behind_a_feature(from: &str, to: &str) -> bool {
        let (kind, optional) = (DependencyKind::Normal, true);
        allows(from, &Edge { to, kind, optional })
    }

    fn allows(from: &str, edge: &Edge<'_>) -> bool {
        let wall = WALLS.iter().find(|wall| wall.package == from).unwrap();
        let inside = WALLS.iter().any(|wall| wall.package == edge.to);
        wall.allows(edge, inside)
    }

    #[test]
    fn the_checker_may_not_see_the_prover_floats_or_threads() {
        for to in [
            PROVER,
            NETSIM,
            TRAINER,
            "libm",
            "num-rational",
            "rayon",
            "ndarray",
        ] {
            assert!(!allowed(CERTIFICATES, to, DependencyKind::Normal), "{to}");
        }
        assert!(!allowed(CERTIFICATES, PROVER, DependencyKind::Development));
        assert!(allowed(CERTIFICATES, FORMAT, DependencyKind::Normal));
    }

    #[test]
    fn the_prover_may_not_see_the_checker() {
        assert!(!allowed(PROVER, CERTIFICATES, DependencyKind::Normal));
        assert!(allowed(PROVER, CERTIFICATES, DependencyKind::Development));
        assert!(allowed(PROVER, FORMAT, DependencyKind::Normal));
    }

    #[test]
    fn the_core_stands_alone() {
        for to in [CERTIFICATES, NETSIM, "serde", "libm"] {
            assert!(!allowed(CORE, to, DependencyKind::Normal), "{to}");
        }
        assert!(allowed(CORE, "proptest", DependencyKind::Development));
    }

    #[test]
    fn the_adapter_simulates_only_in_tests_and_behind_a_feature() {
        assert!(!allowed(QUIC, NETSIM, DependencyKind::Normal));
        assert!(allowed(QUIC, NETSIM, DependencyKind::Development));
        assert!(allowed_behind_a_feature(QUIC, NETSIM));
        assert!(!allowed_behind_a_feature(QUIC, TRAINER));
        assert!(!allowed_behind_a_feature(CERTIFICATES, NETSIM));
    }

    #[test]
    fn nothing_depends_on_the_programs() {
        for from in WALLS.iter().map(|wall| wall.package) {
            for to in ["tautline-cli", "xtask", "tautline-benches"] {
                assert!(
                    !allowed(from, to, DependencyKind::Development),
                    "{from} {to}"
                );
            }
        }
    }
}
