//! `z = ⌊s / 2^s⌋`: the floor that ends every affine layer.

use crate::zonotope::Forms;

/// The concrete map.
pub const fn concrete(sum: i64, shift: u8) -> i64 {
    sum >> shift
}

/// Zonotopes: the floor takes e from 0 to `loss` off, so half of it is a constant and the other
/// half a new symbol per value; values that the floor cannot touch keep their form.
pub fn zonotope(forms: &mut Forms, loss: f64) {
    if loss == 0.0 {
        return;
    }
    for place in 0..forms.values() {
        forms.shift(place, -0.5 * loss);
        forms.add_symbol(place, 0.5 * loss);
    }
}
