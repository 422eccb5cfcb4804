//! A file with closed-loop claims, checked slice by slice.

use tautline_certificate_format::rejection::SliceName;

use super::cells::Cells;
use super::cover;
use super::path::Path;
use super::policy::Policy;
use super::power::Powers;
use super::ranks::{self, Ranks};
use super::verdict::{CheckedLoop, CheckedLoopClaim, CheckedSlice};
use crate::check::rejection::at;
use crate::claim::ClaimSet;
use crate::closed_loop::{LoopClaim, Losses};
use crate::format::{FormatError, Layout, RankGrid, SliceView};
use crate::semantics::Program;
use crate::{Reason, Rejection, Rule, Step};

/// A certificate of closed-loop claims whose outer shape is in order, against the bytes of a model.
///
/// Nothing in it changes, so any number of threads may check slices at once.
#[derive(Clone, Debug)]
pub struct LoopChecker<'a> {
    policy: Policy,
    powers: Powers,
    layout: Layout<'a>,
    /// All slices of all claims, in order, each with its claim.
    slices: Vec<(usize, SliceView<'a>)>,
}

impl<'a> LoopChecker<'a> {
    /// Reads a certificate and checks all but its cells: that it is about this model, that its
    /// claims are those asked for, if any are, that they are about closed loops, and that each
    /// claim's slices cover its family.
    ///
    /// # Errors
    /// [`Rejection`] with the first step that is not a proof.
    pub fn new(
        model: &[u8],
        certificate: &'a [u8],
        claims: Option<&ClaimSet>,
    ) -> Result<Self, Rejection> {
        let program = Program::decode(model).map_err(at(Step::Model, Rule::Model))?;
        let layout = Layout::read(certificate).map_err(at(Step::File, Rule::Format))?;
        let (expected, got) = (layout.model, program.digest());
        if expected != got {
            let wrong = Reason::WrongModel { expected, got };
            return Err(at(Step::Model, Rule::Model)(wrong));
        }
        check_claim_set(&program, &layout, claims).map_err(at(Step::Claims, Rule::Claims))?;
        let policy = Policy::new(model, &program).map_err(at(Step::Model, Rule::Model))?;
        let sections = layout.expect_all_sections();
        sections.map_err(at(Step::File, Rule::Format))?;
        let mut slices = vec![];
        for (number, claim) in layout.claims.loops.iter().enumerate() {
            let step = Step::Section { section: number };
            let grid = read_grid(&layout, number).map_err(at(step, Rule::Format))?;
            let parts: Vec<_> = grid.slices.iter().map(|s| (s.log_bdp, s.buffer)).collect();
            cover::check(&claim.family, &parts).map_err(at(step, Rule::Cover))?;
            slices.extend(grid.slices.into_iter().map(|slice| (number, slice)));
        }
        let powers = Powers::prove(tautline_core::log2::table());
        Ok(Self {
            policy,
            powers: powers.map_err(at(Step::Model, Rule::Powers))?,
            layout,
            slices,
        })
    }

    /// The claims.
    pub fn claims(&self) -> &[LoopClaim] {
        &self.layout.claims.loops
    }

    /// How many slices there are to check, over all claims.
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    /// The cells of a slice, all of them; none where there is no such slice.
    pub fn cells(&self, slice: usize) -> Option<usize> {
        self.slices.get(slice)?.1.grid.cells()
    }

    /// Checks every cell of the `at`-th slice; its ranks are read and dropped here.
    ///
    /// # Errors
    /// [`Rejection`] with the first cell that is not proven, or of a slice that is not there.
    pub fn check_slice(&self, at: usize) -> Result<CheckedSlice, Rejection> {
        let name = self.name(at);
        let found = self.slices.get(at).zip(name.0);
        let Some(((_, view), (claim, slice))) = found else {
            let (expected, got) = (name, SliceName(None));
            return Err(slices_differ(at, expected, got));
        };
        let reject = |(cell, rule, reason)| Rejection {
            step: match cell {
                Some(cell) => Step::Cell { claim, slice, cell },
                None => Step::Slice { claim, slice },
            },
            rule,
            reason: Box::new(reason),
        };
        let grid = |reason| reject((None, Rule::Grid, reason));
        let wanted = self.layout.claims.loops.get(claim);
        let wanted = wanted.ok_or_else(|| grid(Reason::Overflow))?;
        let ranks = view.ranks().map_err(|error| {
            let reason = Reason::Format(FormatError::Slice { slice, error });
            reject((None, Rule::Format, reason))
        })?;
        let (grid_of, family) = (&view.grid, &wanted.family);
        let held = || ranks::largest_held(grid_of, &ranks, wanted.start.1);
        let held = (wanted.losses == Losses::Any).then(held);
        let path = Path::new(&self.powers, family, view.log_bdp, view.buffer, held);
        let path = path.map_err(|reason| reject((None, Rule::Burst, reason)))?;
        let cells = Cells::new(&self.policy, path, grid_of).map_err(grid)?;
        let (cells, ranks) = (&cells, ranks.as_slice());
        let ranks = Ranks { cells, ranks };
        Ok(CheckedSlice {
            certificate: self.layout.digest,
            claim,
            slice,
            shown: ranks.check(wanted).map_err(reject)?,
        })
    }

    /// Takes every slice, in any order.
    ///
    /// # Errors
    /// [`Rejection`] where one is missing, there twice, or of another file.
    pub fn finish(&self, mut checked: Vec<CheckedSlice>) -> Result<CheckedLoop, Rejection> {
        checked.sort_by_key(|slice| (slice.claim, slice.slice));
        for at in 0..self.slices.len().max(checked.len()) {
            let of_this = |slice: &&CheckedSlice| slice.certificate == self.layout.digest;
            let got = checked.get(at).filter(of_this);
            let got = SliceName(got.map(|slice| (slice.claim, slice.slice)));
            let expected = self.name(at);
            if expected != got || expected.0.is_none() {
                return Err(slices_differ(at, expected, got));
            }
        }
        let mut rest = checked.into_iter().peekable();
        let mut claims = vec![];
        for (number, claim) in self.layout.claims.loops.iter().enumerate() {
            let mut slices = vec![];
            while let Some(slice) = rest.next_if(|slice| slice.claim == number) {
                slices.push(slice);
            }
            let shown = slices.iter().map(CheckedSlice::shown);
            let shown = shown.reduce(super::Shown::or);
            let gap = SliceName(None);
            claims.push(CheckedLoopClaim {
                claim: claim.clone(),
                shown: shown.ok_or_else(|| slices_differ(number, gap, gap))?,
                slices,
            });
        }
        Ok(CheckedLoop {
            model: self.layout.model,
            certificate: self.layout.digest,
            claims: claims.into(),
        })
    }

    /// Claim of the `at`-th slice and its place there.
    fn name(&self, at: usize) -> SliceName {
        let claim = self.slices.get(at).map(|slice| slice.0);
        let first = |claim: usize| self.slices.partition_point(|slice| slice.0 < claim);
        SliceName(claim.map(|claim| (claim, at.saturating_sub(first(claim)))))
    }
}

fn slices_differ(at: usize, expected: SliceName, got: SliceName) -> Rejection {
    let reason = Reason::Slices { at, expected, got };
    Rejection {
        step: Step::File,
        rule: Rule::Cover,
        reason: Box::new(reason),
    }
}

fn check_claim_set(
    program: &Program,
    layout: &Layout<'_>,
    claims: Option<&ClaimSet>,
) -> Result<(), Reason> {
    crate::check::check_claim_set(program, layout, claims)?;
    let loops = layout.claims.loops.len();
    let ratios = layout.claims.ratios.len();
    let claims = layout.claims.claims.len().saturating_add(ratios);
    if claims > 0 || loops == 0 {
        return Err(Reason::ClaimKinds { claims, loops });
    }
    Ok(())
}

/// The slices of a claim but for their ranks.
fn read_grid<'a>(layout: &Layout<'a>, number: usize) -> Result<RankGrid<'a>, FormatError> {
    let (expected, got) = (layout.claims.loops.len(), layout.sections.len());
    let section = layout.sections.get(number);
    let section = section.ok_or(FormatError::SectionCount { expected, got })?;
    section.expect_grid(number)?;
    RankGrid::read(section.payload)
}
