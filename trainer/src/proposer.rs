//! The reference law as a controller's proposer, and a recorder of what any proposer sees.

use tautline_core::controller::Proposer;
use tautline_core::features::FEATURE_COUNT;
use tautline_core::policy::{Digest, HeadKind, MAX_HEADS, ModelHeader};

use crate::law::Law;
use crate::network::{Layout, LayoutError};
use crate::obligation::ONE;

/// The reference law behind the guard, with the gains of the models that are cloned from it.
#[derive(Clone, Debug)]
pub struct ReferenceLaw {
    header: ModelHeader,
    law: Law,
}

impl ReferenceLaw {
    /// The law with `heads`, the rate first.
    ///
    /// # Errors
    /// [`LayoutError::Heads`].
    pub fn new(heads: &[HeadKind]) -> Result<Self, LayoutError> {
        let layout = Layout::new(&[2], heads, 12)?;
        Ok(Self {
            header: *layout.header(),
            law: Law::default(),
        })
    }

    /// The same with other constants.
    #[must_use]
    pub fn with_law(self, law: Law) -> Self {
        Self { law, ..self }
    }

    /// `law` with the heads of `layout`.
    pub(crate) const fn of(layout: &Layout, law: Law) -> Self {
        Self {
            header: *layout.header(),
            law,
        }
    }

    /// The digest that stands for the law in an envelope.
    pub fn law_digest() -> Digest {
        Digest::of(b"tautline reference law, feature table 1")
    }
}

impl Proposer for ReferenceLaw {
    fn header(&self) -> &ModelHeader {
        &self.header
    }

    fn digest(&self) -> Digest {
        Self::law_digest()
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        let reals = features.map(|units| f64::from(units) / ONE);
        let mut heads = [0; MAX_HEADS];
        for (value, head) in heads.iter_mut().zip(self.header.head_list()) {
            *value = libm::floor(self.law.head(head.kind, &reals).clamp(-1.0, 1.0) * ONE) as i32;
        }
        heads
    }
}

/// A proposer that remembers every `stride`-th feature vector that it was shown.
#[derive(Clone, Debug)]
pub(crate) struct Recording<P> {
    inner: P,
    stride: usize,
    shown: usize,
    seen: Vec<[i32; FEATURE_COUNT]>,
}

impl<P> Recording<P> {
    pub(crate) const fn new(inner: P, stride: usize) -> Self {
        Self {
            inner,
            stride,
            shown: 0,
            seen: Vec::new(),
        }
    }

    pub(crate) fn into_seen(self) -> Vec<[i32; FEATURE_COUNT]> {
        self.seen
    }
}

impl<P: Proposer> Proposer for Recording<P> {
    fn header(&self) -> &ModelHeader {
        self.inner.header()
    }

    fn digest(&self) -> Digest {
        self.inner.digest()
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        if self.shown.is_multiple_of(self.stride) {
            self.seen.push(*features);
        }
        self.shown += 1;
        self.inner.propose(features)
    }
}
