//! Rule *interval*: plain interval propagation.

use super::clamp::Above;
use super::region::{Place, Shown};
use super::rejection::Reason;
use super::target::Target;

/// Checks an interval leaf: the constraint holds at every integer point of the box.
pub(super) fn check(place: &Place<'_>, target: &Target<'_>) -> Result<Shown, Reason> {
    let outputs = place.program.intervals(&place.input).pop();
    let outputs = outputs.unwrap_or_default();
    let most = |head, sign| Above::clamp(outputs.get(head), sign).most;
    target.accept(target.reached(&place.input, most)?)
}
