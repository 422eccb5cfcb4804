//! What a linked program holds: sections and symbols of an ELF file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use object::elf::{self, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags};
use rustc_demangle::demangle;

/// Bytes of a program, by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Artefact {
    /// Machine code.
    pub(super) code: u64,
    /// Read-only data, the model's weights not counted.
    pub(super) constants: u64,
    /// The model's weights, read-only too.
    pub(super) weights: u64,
    /// Memory that is written: initialised and zeroed.
    pub(super) memory: u64,
    /// Symbols with a size in code and read-only data.
    pub(super) symbols: Vec<Symbol>,
    /// Symbols with a size in memory that is written.
    pub(super) statics: Vec<Symbol>,
}

/// A function, a constant or a static.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Its path as the compiler's users write it.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) is_code: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Constant,
    Memory,
    /// The dynamic loader's, debugging and comments: a microcontroller has none of it.
    Other,
}

impl Artefact {
    /// Reads a linked program.
    ///
    /// # Errors
    /// The file cannot be read, or is no ELF file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| path.display().to_string())
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let file = object::File::parse(bytes).context("not a linked ELF program")?;
        let mut artefact = Self::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                anyhow::bail!("not an ELF program");
            };
            let sum = match kind(section.name().unwrap_or_default(), sh_flags) {
                Kind::Code => &mut artefact.code,
                Kind::Constant => &mut artefact.constants,
                Kind::Memory => &mut artefact.memory,
                Kind::Other => continue,
            };
            *sum += section.size();
        }
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            let section = symbol.section_index();
            let section = section.and_then(|index| file.section_by_index(index).ok());
            let Some(section) = section.filter(|_| symbol.size() > 0) else {
                continue;
            };
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let kind = kind(section.name().unwrap_or_default(), sh_flags);
            if name == WEIGHTS {
                artefact.weights = symbol.size();
                continue;
            }
            let list = match kind {
                Kind::Code | Kind::Constant => &mut artefact.symbols,
                Kind::Memory => &mut artefact.statics,
                Kind::Other => continue,
            };
            list.push(Symbol {
                name: format!("{:#}", demangle(name)),
                bytes: symbol.size(),
                is_code: kind == Kind::Code,
            });
        }
        artefact.constants = artefact.constants.saturating_sub(artefact.weights);
        Ok(artefact)
    }

    /// Bytes of the static whose path ends so; 0 if there is none.
    pub(super) fn static_of(&self, path: &str) -> u64 {
        let mut named = self.statics.iter().filter(|it| it.name.ends_with(path));
        named.next().map_or(0, |it| it.bytes)
    }

    /// Code and constants: what flash memory holds beside the weights.
    pub(super) const fn flash(&self) -> u64 {
        self.code + self.constants
    }
}

/// What a section is for, by its flags; names tell the loader's apart.
fn kind(name: &str, flags: elf::SectionFlags) -> Kind {
    let has = |flag| flags.contains(flag);
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match () {
        () if !has(SHF_ALLOC) => Kind::Other,
        () if has(SHF_EXECINSTR) && !starts(&[".plt"]) => Kind::Code,
        () if starts(&[".rodata", ".ARM.", ".data.rel.ro"]) => Kind::Constant,
        () if has(SHF_WRITE) && starts(&[".data", ".bss", ".tdata", ".tbss"]) => Kind::Memory,
        () => Kind::Other,
    }
}

/// The symbol of the model's weights in `tools/no-std-check`.
const WEIGHTS: &str = "TAUTLINE_WEIGHTS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_apart_by_flags_and_the_loaders_by_name() {
        let (alloc, write, code) = (SHF_ALLOC, SHF_WRITE, SHF_EXECINSTR);
        assert_eq!(kind(".text", alloc | code), Kind::Code);
        assert_eq!(kind(".text.startup", alloc | code), Kind::Code);
        assert_eq!(kind(".rodata", alloc), Kind::Constant);
        assert_eq!(kind(".ARM.exidx", alloc), Kind::Constant);
        assert_eq!(kind(".bss", alloc | write), Kind::Memory);
        assert_eq!(kind(".data", alloc | write), Kind::Memory);
        assert_eq!(kind(".dynamic", alloc | write), Kind::Other);
        assert_eq!(
            kind(".debug_info", elf::SectionFlags::default()),
            Kind::Other
        );
    }

    #[test]
    fn a_file_that_is_no_program_is_refused() {
        let error = Artefact::parse(b"\x7fELF but no more").unwrap_err();
        assert!(
            error.to_string().contains("not a linked ELF program"),
            "{error}"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_very_program_has_code_constants_and_memory() {
        let artefact = Artefact::read(&std::env::current_exe().unwrap()).unwrap();
        assert!(artefact.code > 100_000 && artefact.constants > 1000 && artefact.memory > 0);
        assert_eq!(artefact.weights, 0);
        let named = |part: &str| {
            let mut symbols = artefact.symbols.iter();
            symbols.any(|symbol| symbol.is_code && symbol.name.contains(part))
        };
        assert!(named("xtask::size::artefact::"), "symbols are demangled");
    }
}
