//! Rule *cover*: the slices of a claim speak of every path of its family.

use crate::Reason;
use crate::closed_loop::{Buffer, PathFamily};

/// Accepts slices that cover the family's bandwidth-delay products and buffers without a gap.
///
/// # Soundness
/// Between neighbouring edges of bandwidth-delay products, ends included, the same slices speak of
/// all of them; they are followed from the shallowest buffer to the deepest, each from where one
/// before it ends.
pub(super) fn check(family: &PathFamily, slices: &[((i32, i32), Buffer)]) -> Result<(), Reason> {
    let (low, high) = family.log_bdp;
    let ends = slices.iter().flat_map(|&((low, high), _)| [low, high]);
    let mut edges: Vec<i32> = ends.chain([low, high]).collect();
    edges.retain(|edge| (low..=high).contains(edge));
    edges.sort_unstable();
    edges.dedup();
    // A family of one bandwidth-delay product is a strip of its own.
    let last = edges.last().copied().into_iter();
    let next = edges.iter().copied().skip(1).chain(last);
    for (&low, high) in edges.iter().zip(next) {
        let over = |&&((from, to), _): &&((i32, i32), Buffer)| from <= low && high <= to;
        let strip: Vec<Buffer> = slices.iter().filter(over).map(|slice| slice.1).collect();
        let reached = |buffer: Buffer| buffer.most.unwrap_or(u32::MAX);
        let end = reached(family.buffer);
        let mut buffer = family.buffer.least;
        let mut started = false;
        while !started || buffer < end {
            let from_here = strip.iter().filter(|slice| slice.least <= buffer);
            let furthest = from_here.map(|&slice| reached(slice)).max();
            let Some(to) = furthest.filter(|&to| to > buffer || !started && to == buffer) else {
                let log_bdp = (low, high);
                return Err(Reason::Gap { log_bdp, buffer });
            };
            (buffer, started) = (to, true);
        }
    }
    Ok(())
}
