//! A checked certificate: its slices, and the rank of a state in them.

use std::sync::Arc;

use anyhow::Context as _;
use rayon::prelude::*;
use tautline_certificates::closed_loop::{
    Buffer, Cell, CheckedSlice, Grid, LoopChecker, LoopClaim, Losses, Shown,
};
use tautline_certificates::format::{Layout, SliceView};
use tautline_core::guard::LoopAssumptions;

use crate::checker::Past;

/// What a certificate proves, slice by slice.
pub(crate) struct Proof {
    pub(crate) slices: Vec<Arc<Ranked>>,
    /// What the guard is told, where all slices were checked.
    pub(crate) assumptions: Option<LoopAssumptions>,
}

/// One slice, checked.
pub(crate) struct Ranked {
    /// Its claim, and its number over all claims.
    pub(crate) claim: LoopClaim,
    pub(crate) number: usize,
    /// log₂ of the bandwidth-delay product, in 2⁻⁸ octaves.
    pub(crate) log_bdp: (i32, i32),
    pub(crate) buffer: Buffer,
    /// U, Q and K.
    pub(crate) shown: Shown,
    /// N.
    pub(crate) most: u8,
    grid: Grid,
    ranks: Vec<u8>,
}

impl Proof {
    /// Checks every cell of the certificate of a model, or of one slice of it.
    pub(crate) fn check(
        model: &[u8],
        certificate: &[u8],
        slice: Option<usize>,
    ) -> anyhow::Result<Self> {
        let checker = LoopChecker::new(model, certificate, None)?;
        let wanted = match slice {
            Some(slice) => slice..slice + 1,
            None => 0..checker.slices(),
        };
        let checked: Vec<CheckedSlice> = wanted
            .clone()
            .into_par_iter()
            .map(|at| checker.check_slice(at))
            .collect::<Result<_, _>>()?;
        let layout = Layout::read(certificate)?;
        let mut views = vec![];
        for (number, section) in layout.sections.iter().enumerate() {
            let grid = section.expect_grid(number)?;
            views.extend(grid.slices.into_iter().map(|view| (number, view)));
        }
        let mut slices = vec![];
        for ((at, checked), (claim, view)) in wanted.clone().zip(&checked).zip(views.drain(wanted))
        {
            let claim = checker
                .claims()
                .get(claim)
                .context("a slice without a claim")?;
            slices.push(Arc::new(Ranked::new(at, claim, view, checked.shown())?));
        }
        let assumptions = match slice {
            Some(_) => None,
            None => Some(checker.finish(checked)?.assumptions()),
        };
        Ok(Self {
            slices,
            assumptions,
        })
    }
}

impl Ranked {
    fn new(
        number: usize,
        claim: &LoopClaim,
        view: SliceView<'_>,
        shown: Shown,
    ) -> anyhow::Result<Self> {
        let ranks = view.ranks()?;
        Ok(Self {
            claim: claim.clone(),
            number,
            log_bdp: view.log_bdp,
            buffer: view.buffer,
            shown,
            most: ranks.iter().copied().max().unwrap_or(0),
            grid: view.grid,
            ranks,
        })
    }

    /// log₂ of the largest window of the start and of those that settle, in 2⁻⁸ octaves, where A6 is
    /// not assumed.
    pub(crate) fn highest(&self) -> Option<i32> {
        let last = self.ranks.iter().rposition(|&rank| rank == self.most)?;
        let edges = self.grid.edges(self.grid.cell(last)?.window);
        (self.claim.losses == Losses::Any).then_some(edges.1.max(self.claim.start.1))
    }

    /// The products of this slice between `least` and `largest`, in packets.
    pub(crate) fn products(&self, (least, largest): (u64, u64)) -> (u64, u64) {
        let packets = |units: i32| (f64::from(units) / 256.0).exp2();
        let first = packets(self.log_bdp.0).ceil() as u64;
        let last = packets(self.log_bdp.1).floor() as u64;
        (first.max(least), last.min(largest))
    }

    /// Rank of the state, zero outside of the grid.
    pub(crate) fn rank(&self, log_bdp: f64, past: &Past) -> u8 {
        let cell = |units: i32| {
            let over = (f64::from(units) / 65_536.0 - log_bdp) * 256.0;
            let (low, width) = (f64::from(self.grid.low), f64::from(self.grid.width));
            ((over - low) / width).floor() as i32
        };
        let (now, before, earlier) = (cell(past.now), cell(past.before), cell(past.earlier));
        let cell = Cell {
            window: now,
            before: before - now,
            turn: self.grid.turn_of(earlier - before),
            memory: self.grid.memory_of(past.average),
        };
        let number = self.grid.number(cell);
        let rank = number.and_then(|number| self.ranks.get(number));
        rank.copied().unwrap_or(0)
    }

    /// Whether the claim starts from this window.
    pub(crate) fn starts(&self, log_bdp: f64, now: i32) -> bool {
        let over = (f64::from(now) / 65_536.0 - log_bdp) * 256.0;
        let (from, to) = self.claim.start;
        f64::from(from) <= over && over < f64::from(to)
    }
}
