//! What a claim set says about heavy loss, for the guard.

use tautline_core::fixed::Q16;
use tautline_core::guard::DEFAULT_HEAVY_LOSS;
use tautline_core::policy::HeadKind;

use super::{Claim, ClaimKind, ClaimSet};

impl ClaimSet {
    /// From which `slow_loss` on the claim of that name says that the rate falls. A claim of another
    /// shape, or one that starts later than the default, does not make the guard laxer.
    pub fn heavy_loss(&self) -> Q16 {
        let proven = |claim: &Claim| {
            let reduces = claim.constraints.iter().any(|constraint| {
                let rate = matches!(constraint.heads.as_slice(), &[(HeadKind::Rate, c)] if c > 0);
                rate && constraint.features.is_empty() && constraint.bound < 0
            });
            let table = self.table()?;
            let index = table.index_of("slow_loss")?;
            let low = claim.region.bounds.get(index)?.0;
            // At any other feature's value, but for the loss of the round itself.
            let free =
                claim
                    .region
                    .bounds
                    .iter()
                    .zip(table.features)
                    .all(|(&(from, to), feature)| {
                        let starts = from == feature.low.units() || LOSSES.contains(&feature.name);
                        starts && to == feature.high.units()
                    });
            let plain = claim.kind == ClaimKind::Point && claim.region.linear.is_empty();
            (plain && reduces && free).then_some(low)
        };
        let named = self
            .claims
            .iter()
            .find(|claim| claim.name == HEAVY_LOSS_CLAIM);
        named.and_then(proven).map_or(DEFAULT_HEAVY_LOSS, |low| {
            DEFAULT_HEAVY_LOSS.min(Q16::from_units(low))
        })
    }
}

/// Features that may start anywhere.
const LOSSES: [&str; 2] = ["loss", "slow_loss"];
const HEAVY_LOSS_CLAIM: &str = "backs-off-on-heavy-loss";
