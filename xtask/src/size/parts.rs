//! Which part of the product a symbol belongs to.

use super::artefact::Artefact;

/// Bytes of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) code: u64,
    pub(super) constants: u64,
}

/// Bytes by part, the parts that have none left out, and what no symbol accounts for at the end.
pub(super) fn parts(artefact: &Artefact) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for &(name, _) in PARTS {
        if !parts.iter().any(|part| part.name == name) {
            parts.push(Part::empty(name));
        }
    }
    parts.push(Part::empty(REST));
    for symbol in &artefact.symbols {
        let name = part_of(&symbol.name);
        if let Some(part) = parts.iter_mut().find(|part| part.name == name) {
            let sum = if symbol.is_code {
                &mut part.code
            } else {
                &mut part.constants
            };
            *sum += symbol.bytes;
        }
    }
    // Strings, tables behind slices and gaps have no symbol.
    let code: u64 = parts.iter().map(|part| part.code).sum();
    let constants: u64 = parts.iter().map(|part| part.constants).sum();
    if let Some(rest) = parts.iter_mut().find(|part| part.name == REST) {
        rest.code += artefact.code.saturating_sub(code);
        rest.constants += artefact.constants.saturating_sub(constants);
    }
    parts.retain(|part| part.code + part.constants > 0);
    parts
}

impl Part {
    const fn empty(name: &'static str) -> Self {
        Self {
            name,
            code: 0,
            constants: 0,
        }
    }
}

/// The part whose module the path names first.
fn part_of(symbol: &str) -> &'static str {
    let named = PARTS.iter().filter_map(|&(part, path)| {
        let at = symbol.find(path)?;
        Some((at, std::cmp::Reverse(path.len()), part))
    });
    named.min().map_or(REST, |(_, _, part)| part)
}

const REST: &str = "strings, tables, gaps";

/// Parts by the module paths of their symbols; the longest path wins. A function that the compiler
/// put into its only caller counts there: the forward pass and the features in the controller.
const PARTS: &[(&str, &str)] = &[
    (
        "controller, with features and forward pass",
        "tautline_core::controller",
    ),
    (
        "controller, with features and forward pass",
        "tautline_core::observe",
    ),
    (
        "controller, with features and forward pass",
        "tautline_core::features",
    ),
    (
        "controller, with features and forward pass",
        "tautline_core::action",
    ),
    (
        "fallback: NewReno, HyStart++",
        "tautline_core::controller::new_reno",
    ),
    (
        "fallback: NewReno, HyStart++",
        "tautline_core::controller::hystart",
    ),
    (
        "policy: neurons, shapes, proof at load",
        "tautline_core::policy",
    ),
    ("guard", "tautline_core::guard"),
    ("arithmetic: log2, 2^x, scaling", "tautline_core::log2"),
    ("arithmetic: log2, 2^x, scaling", "tautline_core::fixed"),
    ("arithmetic: log2, 2^x, scaling", "tautline_core::units"),
    ("digest at load: sha2", "sha2::"),
    ("digest at load: sha2", "digest::"),
    ("digest at load: sha2", "block_buffer::"),
    ("digest at load: sha2", "hybrid_array::"),
    ("tcp-integration", "tautline_tcp_integration::"),
    ("smoltcp", "smoltcp::"),
    ("smoltcp", "managed::"),
    ("smoltcp", "heapless::"),
    (
        "compiler's runtime: 64-bit division, memcpy",
        "compiler_builtins::",
    ),
    ("compiler's runtime: 64-bit division, memcpy", "__aeabi_"),
    ("compiler's runtime: 64-bit division, memcpy", "divmod"),
    ("compiler's runtime: 64-bit division, memcpy", "__udiv"),
    ("compiler's runtime: 64-bit division, memcpy", "__multi3"),
    ("compiler's runtime: 64-bit division, memcpy", "__ashlti3"),
    ("compiler's runtime: 64-bit division, memcpy", "__lshrti3"),
    ("compiler's runtime: 64-bit division, memcpy", "memcmp"),
    ("compiler's runtime: 64-bit division, memcpy", "memmove"),
    ("core library", "core::"),
    ("shared by the compiler's outliner", "OUTLINED_FUNCTION"),
    ("the measuring program itself", "no_std_check::"),
    ("the measuring program itself", "_start"),
];

#[cfg(test)]
mod tests {
    use super::super::artefact::Symbol;
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_module_it_names_first() {
        for (symbol, part) in [
            (
                "<tautline_core::guard::envelope::UncheckedEnvelope as \
                 tautline_core::guard::envelope::Envelope>::contains",
                "guard",
            ),
            (
                "tautline_core::controller::learned::events::<impl \
                 tautline_core::controller::Controller for Learned<P,E>>::on_ack_end",
                "controller, with features and forward pass",
            ),
            (
                "<tautline_core::controller::new_reno::NewReno as \
                 tautline_core::controller::Controller>::on_ack_end",
                "fallback: NewReno, HyStart++",
            ),
            ("sha2::sha256::compress256", "digest at load: sha2"),
            (
                "<sha2::Sha256 as digest::Update>::update",
                "digest at load: sha2",
            ),
            ("<core::time::Duration>::new", "core library"),
            ("anon.17.llvm", REST),
        ] {
            assert_eq!(part_of(symbol), part, "{symbol}");
        }
    }

    #[test]
    fn parts_sum_to_the_whole() {
        let symbol = |name: &str, bytes, is_code| Symbol {
            name: name.to_owned(),
            bytes,
            is_code,
        };
        let artefact = Artefact {
            code: 100,
            constants: 50,
            symbols: vec![
                symbol("tautline_core::policy::Policy<S>::new", 60, true),
                symbol("tautline_core::log2::POWERS", 20, false),
            ],
            ..Artefact::default()
        };
        let parts = parts(&artefact);
        assert_eq!(parts.iter().map(|part| part.code).sum::<u64>(), 100);
        assert_eq!(parts.iter().map(|part| part.constants).sum::<u64>(), 50);
        let rest = parts.last().unwrap();
        assert_eq!((rest.name, rest.code, rest.constants), (REST, 40, 30));
    }
}
