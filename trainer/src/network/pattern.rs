//! Which features a network sees, and which way each may move the rate.

use tautline_core::features::{FEATURE_COUNT, FeatureTable, index};

use super::FEATURE_TABLE;
use crate::law;

/// How the rate head depends on every feature of the table: by the signs of the weights alone.
///
/// Features that the reference law lets only lower the rate (queue, loss, marks, window, own queue)
/// always fall. Others are free, unless they are made rising or masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    effects: [Effect; FEATURE_COUNT],
}

/// How the rate head may depend on one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Free,
    Falling,
    Rising,
    /// All weights are zero.
    None,
}

/// Why a list of features was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The table has no such feature.
    #[error("names {got:?}, which feature table {FEATURE_TABLE} does not have")]
    Unknown {
        /// The name.
        got: String,
    },
    /// The feature occurs twice in the lists.
    #[error("names {got:?}, which is already masked or rising")]
    Repeated {
        /// The name.
        got: String,
    },
    /// The feature may only lower the rate.
    #[error("names {got:?}, which never raises the rate")]
    Falling {
        /// The name.
        got: String,
    },
    /// Flows share the path by the window.
    #[error("names \"log_window\", without which flows do not share a path")]
    Window,
}

impl Default for Pattern {
    fn default() -> Self {
        let mut effects = [Effect::Free; FEATURE_COUNT];
        for feature in law::MONOTONE {
            effects[feature] = Effect::Falling;
        }
        Self { effects }
    }
}

impl Pattern {
    /// The same with all weights of the feature called `name` zero.
    ///
    /// # Errors
    /// A [`PatternError`] for a name that is unknown, named before, or the window's.
    pub fn masked(mut self, name: &str) -> Result<Self, PatternError> {
        let feature = self.unnamed(name)?;
        if feature == index::LOG_WINDOW {
            return Err(PatternError::Window);
        }
        self.effects[feature] = Effect::None;
        Ok(self)
    }

    /// The same with the rate never falling in the feature called `name`.
    ///
    /// # Errors
    /// A [`PatternError`] for a name that is unknown, named before, or of a falling feature.
    pub fn rising(mut self, name: &str) -> Result<Self, PatternError> {
        let feature = self.unnamed(name)?;
        if self.effects[feature] == Effect::Falling {
            return Err(PatternError::Falling {
                got: name.to_owned(),
            });
        }
        self.effects[feature] = Effect::Rising;
        Ok(self)
    }

    /// The feature's place, if no list has named it.
    fn unnamed(&self, name: &str) -> Result<usize, PatternError> {
        let feature = FeatureTable::by_version(FEATURE_TABLE)
            .and_then(|table| table.index_of(name))
            .ok_or_else(|| PatternError::Unknown {
                got: name.to_owned(),
            })?;
        match self.effects[feature] {
            Effect::Free | Effect::Falling => Ok(feature),
            Effect::Rising | Effect::None => Err(PatternError::Repeated {
                got: name.to_owned(),
            }),
        }
    }

    /// True if the network does not see the feature.
    pub(crate) fn hides(&self, feature: usize) -> bool {
        self.effects.get(feature) == Some(&Effect::None)
    }

    /// Direction of the rate in every feature: −1 falling, +1 rising, 0 free or without effect.
    pub(crate) fn signs(&self) -> [i8; FEATURE_COUNT] {
        self.effects.map(|effect| match effect {
            Effect::Free | Effect::None => 0,
            Effect::Falling => -1,
            Effect::Rising => 1,
        })
    }
}
