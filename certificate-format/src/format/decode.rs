//! Payloads, one node at a time.

use super::{
    ALPHA_ONE, Certificate, FormatError, Layout, MAX_DEPTH, MAX_NODES, Node, RankGrid,
    SECTION_PAIR_TREE, SECTION_RANK_GRID, SECTION_REGION_TREE, Section, SectionView, TAG_CORNER,
    TAG_EMPTY, TAG_INTERVAL, TAG_PHASE_RELAXATION, TAG_PHASE_SPLIT, TAG_RELAXATION, TAG_SPLIT,
    Tree,
};
use crate::bytes::Reader;
use crate::claim::{Claim, ClaimKind};

/// What a node is; a relaxation's numbers are in the [`Witness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// [`Node::Relaxation`].
    Relaxation,
    /// [`Node::Split`].
    Split {
        /// The feature.
        feature: u8,
        /// The cut, in units of 2⁻¹⁶.
        cut: i32,
    },
    /// [`Node::PhaseSplit`].
    PhaseSplit {
        /// The neuron, over all hidden layers.
        neuron: u16,
    },
    /// [`Node::Corner`].
    Corner,
    /// [`Node::Empty`].
    Empty {
        /// The fact.
        index: u8,
    },
    /// [`Node::Interval`].
    Interval,
}

/// The numbers of the relaxation node read last; the room is used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// As in [`Node::Relaxation`].
    pub alpha: Vec<u8>,
    /// As in [`Node::Relaxation`].
    pub multipliers: Vec<(u8, u32)>,
    /// As in [`Node::Relaxation`].
    pub beta: Vec<u32>,
}

/// Reads the trees of a payload node by node, in constant memory.
#[derive(Clone, Debug)]
pub struct NodeReader<'a> {
    reader: Reader<'a>,
}

impl<'a> NodeReader<'a> {
    /// Starts at the beginning of a payload.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(payload),
        }
    }

    /// Reads one node.
    ///
    /// # Errors
    /// [`FormatError`] where the bytes are not one node in its only form.
    pub fn node(&mut self, witness: &mut Witness) -> Result<NodeKind, FormatError> {
        self.read_node(witness).map_err(|error| match error {
            FormatError::Truncated { needed, got } => FormatError::PayloadTruncated { needed, got },
            other => other,
        })
    }

    /// Accepts that the payload ends here.
    ///
    /// # Errors
    /// [`FormatError::PayloadTrailing`] where it does not.
    pub const fn finish(&self) -> Result<(), FormatError> {
        match self.reader.remaining() {
            0 => Ok(()),
            got => Err(FormatError::PayloadTrailing { got }),
        }
    }

    fn read_node(&mut self, witness: &mut Witness) -> Result<NodeKind, FormatError> {
        let reader = &mut self.reader;
        Ok(match reader.u8()? {
            tag @ (TAG_RELAXATION | TAG_PHASE_RELAXATION) => {
                read_alpha(reader, &mut witness.alpha)?;
                read_multipliers(reader, &mut witness.multipliers)?;
                witness.beta.clear();
                if tag == TAG_PHASE_RELAXATION {
                    read_beta(reader, &mut witness.beta)?;
                }
                NodeKind::Relaxation
            }
            TAG_PHASE_SPLIT => NodeKind::PhaseSplit {
                neuron: reader.u16()?,
            },
            TAG_SPLIT => NodeKind::Split {
                feature: reader.u8()?,
                cut: reader.i32()?,
            },
            TAG_CORNER => NodeKind::Corner,
            TAG_EMPTY => NodeKind::Empty {
                index: reader.u8()?,
            },
            TAG_INTERVAL => NodeKind::Interval,
            got => return Err(FormatError::Tag { got }),
        })
    }
}

fn read_alpha(reader: &mut Reader<'_>, alpha: &mut Vec<u8>) -> Result<(), FormatError> {
    alpha.clear();
    let count = usize::from(reader.u16()?);
    let codes = reader.slice(count.div_ceil(4))?;
    let mut padding = 0u8;
    for (four, &byte) in codes.iter().enumerate() {
        let mut rest = byte;
        for _ in four.saturating_mul(4)..count.min(four.saturating_add(1).saturating_mul(4)) {
            let neuron = alpha.len();
            alpha.push(match rest & 3 {
                0 => 0,
                1 => ALPHA_ONE,
                2 => u8::MAX,
                _ => return Err(FormatError::Alpha { neuron, got: 3 }),
            });
            rest >>= 2;
        }
        padding |= rest;
    }
    if padding != 0 {
        return Err(FormatError::Padding);
    }
    for (neuron, value) in alpha.iter_mut().enumerate() {
        if *value == u8::MAX {
            let got = reader.u8()?;
            if got == 0 || got >= ALPHA_ONE {
                return Err(FormatError::Alpha { neuron, got });
            }
            *value = got;
        }
    }
    Ok(())
}

fn read_multipliers(
    reader: &mut Reader<'_>,
    multipliers: &mut Vec<(u8, u32)>,
) -> Result<(), FormatError> {
    multipliers.clear();
    let mut previous = None;
    for _ in 0..reader.u8()? {
        let (index, multiplier) = (reader.u8()?, reader.u32()?);
        check_multiplier(previous, index, multiplier)?;
        previous = Some(index);
        multipliers.push((index, multiplier));
    }
    Ok(())
}

fn read_beta(reader: &mut Reader<'_>, beta: &mut Vec<u32>) -> Result<(), FormatError> {
    let count = reader.u16()?;
    if count == 0 {
        return Err(FormatError::NoBeta);
    }
    for _ in 0..count {
        beta.push(reader.u32()?);
    }
    Ok(())
}

pub(super) fn check_multiplier(
    previous: Option<u8>,
    index: u8,
    multiplier: u32,
) -> Result<(), FormatError> {
    if let Some(previous) = previous.filter(|&previous| previous >= index) {
        return Err(FormatError::MultiplierOrder {
            previous,
            got: index,
        });
    }
    if multiplier == 0 {
        return Err(FormatError::ZeroMultiplier { index });
    }
    Ok(())
}

impl<'a> SectionView<'a> {
    /// Checks that this is the section that proves `claim`, the `number`-th of its set.
    ///
    /// # Errors
    /// [`FormatError`] about the kind or the order.
    pub fn expect(&self, number: usize, claim: &Claim) -> Result<(), FormatError> {
        let expected = match claim.kind {
            ClaimKind::Point => SECTION_REGION_TREE,
            ClaimKind::Pair { .. } | ClaimKind::Difference { .. } => SECTION_PAIR_TREE,
        };
        self.expect_kind(number, expected)
    }

    /// Checks that this is the section of a closed-loop claim, the `number`-th of its set where the
    /// other claims are counted first, and reads it but for its ranks.
    ///
    /// # Errors
    /// [`FormatError`] about the kind, the order or the slices.
    pub fn expect_grid(&self, number: usize) -> Result<RankGrid<'a>, FormatError> {
        self.expect_kind(number, SECTION_RANK_GRID)?;
        RankGrid::read(self.payload)
    }

    fn expect_kind(&self, number: usize, expected: u8) -> Result<(), FormatError> {
        let name = match self.kind {
            SECTION_REGION_TREE | SECTION_PAIR_TREE | SECTION_RANK_GRID => None,
            4 => Some("table proof"),
            _ => Some("unknown"),
        };
        if let Some(name) = name {
            return Err(FormatError::UnsupportedSection {
                section: number,
                kind: self.kind,
                name,
            });
        }
        if usize::from(self.claim) != number {
            return Err(FormatError::SectionOrder {
                section: number,
                expected: number,
                got: usize::from(self.claim),
            });
        }
        if self.kind != expected {
            return Err(FormatError::SectionKind {
                section: number,
                expected,
                got: self.kind,
            });
        }
        Ok(())
    }
}

impl Layout<'_> {
    /// Checks that there is one section per claim, and no closed-loop claim: a check that walks the
    /// other claims would otherwise pass over those.
    ///
    /// # Errors
    /// [`FormatError::SectionCount`] or [`FormatError::LoopClaims`].
    pub const fn expect_sections(&self) -> Result<(), FormatError> {
        match self.claims.loops.len() {
            0 => self.expect_all_sections(),
            got => Err(FormatError::LoopClaims { got }),
        }
    }

    /// Checks that there is one section per claim, closed-loop claims included.
    ///
    /// # Errors
    /// [`FormatError::SectionCount`].
    pub const fn expect_all_sections(&self) -> Result<(), FormatError> {
        let expected = self.claims.count();
        if self.sections.len() == expected {
            return Ok(());
        }
        Err(FormatError::SectionCount {
            expected,
            got: self.sections.len(),
        })
    }
}

impl Certificate {
    /// Reads a whole file into memory. The checker does not: it streams. So the limits here are on
    /// what is kept: paths of [`MAX_DEPTH`], as in the checker, and [`MAX_NODES`] nodes over all
    /// trees, where the checker takes as many of each tree.
    ///
    /// # Errors
    /// [`FormatError`] for anything that [`Certificate::encode`] would not have written, or beyond
    /// the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let layout = Layout::read(bytes)?;
        layout.expect_all_sections()?;
        let mut sections = vec![];
        let mut room = MAX_NODES;
        let claims = layout.claims.claims.iter().map(Some);
        let loops = layout.claims.loops.iter().map(|_| None);
        let claims = claims.chain(loops).zip(&layout.sections);
        for (number, (claim, section)) in claims.enumerate() {
            let Some(claim) = claim else {
                sections.push(decode_grid(number, section)?);
                continue;
            };
            section.expect(number, claim)?;
            let mut reader = NodeReader::new(section.payload);
            let is_pair = claim.kind != ClaimKind::Point;
            let trees = if is_pair && section.payload.is_empty() {
                vec![]
            } else {
                let trees = claim.constraints.iter();
                trees
                    .map(|_| decode_tree(&mut reader, &mut room))
                    .collect::<Result<_, _>>()?
            };
            let claim = section.claim;
            sections.push(if is_pair {
                Section::PairTree { claim, trees }
            } else {
                Section::RegionTree { claim, trees }
            });
            reader.finish()?;
        }
        Ok(Self {
            model: layout.model,
            claims: layout.claims,
            sections,
        })
    }
}

/// Keeps the slices as bytes; their ranks are read once and dropped.
fn decode_grid(number: usize, section: &SectionView<'_>) -> Result<Section, FormatError> {
    let grid = section.expect_grid(number)?;
    let mut slices = vec![];
    for (slice, view) in grid.slices.iter().enumerate() {
        view.ranks()
            .map_err(|error| FormatError::Slice { slice, error })?;
        slices.push(view.bytes().to_vec());
    }
    let claim = section.claim;
    Ok(Section::RankGrid { claim, slices })
}

/// Reads the next tree, which may have up to `room` nodes; they are taken from it.
fn decode_tree(reader: &mut NodeReader<'_>, room: &mut u64) -> Result<Tree, FormatError> {
    let mut witness = Witness::default();
    let mut nodes = vec![];
    // Depths of the subtrees that are still to come.
    let mut open = vec![0usize];
    while let Some(depth) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(FormatError::TooDeep { limit: MAX_DEPTH });
        }
        let limit = MAX_NODES;
        let left = room.checked_sub(1);
        *room = left.ok_or(FormatError::TooManyNodes { limit })?;
        let (node, children) = match reader.node(&mut witness)? {
            NodeKind::Relaxation => {
                let node = Node::Relaxation {
                    alpha: witness.alpha.clone(),
                    multipliers: witness.multipliers.clone(),
                    beta: witness.beta.clone(),
                };
                (node, 0)
            }
            NodeKind::PhaseSplit { neuron } => (Node::PhaseSplit { neuron }, 2),
            NodeKind::Split { feature, cut } => (Node::Split { feature, cut }, 2),
            NodeKind::Corner => (Node::Corner, 1),
            NodeKind::Empty { index } => (Node::Empty { index }, 0),
            NodeKind::Interval => (Node::Interval, 0),
        };
        nodes.push(node);
        open.extend(core::iter::repeat_n(depth.saturating_add(1), children));
    }
    Ok(Tree { nodes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(payload: &[u8], trees: usize, mut room: u64) -> Result<u64, FormatError> {
        let mut reader = NodeReader::new(payload);
        for _ in 0..trees {
            decode_tree(&mut reader, &mut room)?;
        }
        Ok(room)
    }

    #[test]
    fn all_trees_together_have_no_more_nodes_than_there_is_room() {
        let tree = [TAG_CORNER, TAG_CORNER, TAG_INTERVAL];
        let two = [tree, tree].concat();
        assert_eq!(decode(&two, 2, 7), Ok(1));
        let limit = MAX_NODES;
        let full = Err(FormatError::TooManyNodes { limit });
        assert_eq!(decode(&two, 2, 5), full);
    }

    #[test]
    fn a_tree_is_read_as_deep_as_the_checker_walks_and_no_deeper() {
        let chain = |depth: usize| {
            let mut tree = [TAG_SPLIT, 0, 0, 0, 0, 0, TAG_INTERVAL].repeat(depth);
            tree.push(TAG_INTERVAL);
            tree
        };
        assert_eq!(decode(&chain(512), 1, 1025), Ok(0));
        let limit = 512;
        let deep = Err(FormatError::TooDeep { limit });
        assert_eq!(decode(&chain(513), 1, 2000), deep);
    }
}
