//! Which envelopes say what the guard has to watch for, decided when a program is built.

use core::fmt::Debug;

use super::{LoopAssumptions, Watch};
use sealed::Sealed;

/// What an envelope can say of what closed-loop claims assume about the path.
///
/// The type decides what a program links and stores: nothing with [`NoAssumptions`], the watch with
/// [`LoopAssumptions`], and room for it with an `Option` of them, where loading decides.
///
/// # Soundness
/// Whatever [`PathAssumptions::get`] returns, [`PathAssumptions::watch`] watches for. The trait is
/// sealed, so no type holds assumptions without a watch.
pub trait PathAssumptions: Sealed + Copy + Debug + Send + Sync + 'static {
    /// What a controller keeps of the watch.
    type Watch: Watching;

    /// The assumptions, if there are any.
    fn get(self) -> Option<LoopAssumptions>;

    /// The watch over them at the start of a connection.
    fn watch(self) -> Self::Watch;
}

/// A watch, or the place of one.
pub trait Watching: Sealed + Clone + Debug + Send + Sync + 'static {
    /// The watch, if there is one.
    fn get(&self) -> Option<&Watch>;

    /// The same, to show it what happens.
    fn get_mut(&mut self) -> Option<&mut Watch>;
}

/// There are no closed-loop claims, hence nothing that they assume and nothing to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAssumptions;

impl PathAssumptions for NoAssumptions {
    type Watch = Self;

    fn get(self) -> Option<LoopAssumptions> {
        None
    }

    fn watch(self) -> Self::Watch {
        self
    }
}

impl Watching for NoAssumptions {
    fn get(&self) -> Option<&Watch> {
        None
    }

    fn get_mut(&mut self) -> Option<&mut Watch> {
        None
    }
}

impl PathAssumptions for LoopAssumptions {
    type Watch = Watch;

    fn get(self) -> Option<LoopAssumptions> {
        Some(self)
    }

    fn watch(self) -> Self::Watch {
        Watch::new(self)
    }
}

impl Watching for Watch {
    fn get(&self) -> Option<&Watch> {
        Some(self)
    }

    fn get_mut(&mut self) -> Option<&mut Watch> {
        Some(self)
    }
}

impl PathAssumptions for Option<LoopAssumptions> {
    type Watch = Option<Watch>;

    fn get(self) -> Option<LoopAssumptions> {
        self
    }

    fn watch(self) -> Self::Watch {
        self.map(Watch::new)
    }
}

impl Watching for Option<Watch> {
    fn get(&self) -> Option<&Watch> {
        self.as_ref()
    }

    fn get_mut(&mut self) -> Option<&mut Watch> {
        self.as_mut()
    }
}

mod sealed {
    use super::{LoopAssumptions, NoAssumptions, Watch};

    #[expect(
        unnameable_types,
        reason = "what has no name outside cannot be implemented there"
    )]
    pub trait Sealed {}

    impl Sealed for NoAssumptions {}
    impl Sealed for LoopAssumptions {}
    impl Sealed for Option<LoopAssumptions> {}
    impl Sealed for Watch {}
    impl Sealed for Option<Watch> {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Q16;

    const ASSUMED: LoopAssumptions = LoopAssumptions {
        jitter: Q16::from_units(3277),
        log_bdp: (Q16::from_units(4 << 16), Q16::from_units(6 << 16)),
        buffer: (Q16::ONE, None),
        start: (Q16::NEG_ONE, Q16::ONE),
        log_window: (Q16::from_units(3 << 16), Q16::from_units(7 << 16)),
    };

    fn check<A: PathAssumptions>(assumptions: A, expected: Option<LoopAssumptions>) {
        assert_eq!(assumptions.get(), expected);
        let mut watch = assumptions.watch();
        assert_eq!(watch.get().is_some(), expected.is_some());
        assert_eq!(watch.get_mut().is_some(), expected.is_some());
    }

    #[test]
    fn whatever_is_assumed_is_watched() {
        check(NoAssumptions, None);
        check(ASSUMED, Some(ASSUMED));
        check(Some(ASSUMED), Some(ASSUMED));
        check(None::<LoopAssumptions>, None);
    }

    #[test]
    fn no_assumptions_take_no_room() {
        assert_eq!(size_of::<NoAssumptions>(), 0);
        assert_eq!(
            size_of::<<NoAssumptions as PathAssumptions>::Watch>(),
            0,
            "nor does the watch over them"
        );
    }
}
