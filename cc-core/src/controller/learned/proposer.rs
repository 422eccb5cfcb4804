//! What proposes: the deployed policy, or anything else in the same features during training.

use crate::features::FEATURE_COUNT;
use crate::policy::{Digest, MAX_HEADS, ModelHeader, Policy, Scratch};

/// A source of heads for the guard to rule on.
pub trait Proposer {
    /// Gains and heads; the shapes matter only to the integer policy.
    fn header(&self) -> &ModelHeader;

    /// Digest of the model, which the envelope must name.
    fn digest(&self) -> Digest;

    /// Heads for one feature vector of table 1 (units of 2⁻¹⁶), in the header's order, each in
    /// [−2¹⁶, 2¹⁶].
    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS];
}

impl<S: AsRef<[i16]>> Proposer for Policy<S> {
    fn header(&self) -> &ModelHeader {
        Self::header(self)
    }

    fn digest(&self) -> Digest {
        Self::digest(self)
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        self.forward(features, &mut Scratch::new())
    }
}
