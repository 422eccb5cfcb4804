//! Rejections are made in one way.

pub use tautline_certificate_format::rejection::{Reason, Rejection, Rule, Step};

use super::exact::Overflow;

/// What makes a rejection of a reason, at a step and by a rule.
pub(crate) fn at<R: Into<Reason>>(step: Step, rule: Rule) -> impl Fn(R) -> Rejection + Copy {
    move |reason| Rejection {
        step,
        rule,
        reason: Box::new(reason.into()),
    }
}

impl From<Overflow> for Reason {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}
