//! Exit codes.

use std::process::ExitCode;

use crate::interrupt::Interrupted;
use crate::model::Refused;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done, and every claim asked about was accepted.
    Accepted,
    /// Something was rejected, violated or left undecided.
    Rejected,
    /// Wrong usage, or input or output failed.
    Failed,
    /// Everything was proven, but a signature that was asked for is missing or bad.
    Unsigned,
    /// What was checked holds, but only a part was asked for, so nothing is proven.
    Partial,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The code of an error that ended a command.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        if error
            .chain()
            .any(<dyn std::error::Error>::is::<Interrupted>)
        {
            Self::Interrupted
        } else if error.chain().any(<dyn std::error::Error>::is::<Refused>) {
            Self::Rejected
        } else {
            Self::Failed
        }
    }

    /// [`Exit::Accepted`] or [`Exit::Rejected`].
    pub(crate) const fn accepted_if(accepted: bool) -> Self {
        if accepted {
            Self::Accepted
        } else {
            Self::Rejected
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Accepted => 0,
            Exit::Rejected => 1,
            Exit::Failed => 2,
            Exit::Unsigned => 3,
            Exit::Partial => 4,
            Exit::Interrupted => 130,
        })
    }
}
