//! From a certificate in memory to its bytes.

use tautline_core::policy::Digest;

use super::{
    ALPHA_ONE, Certificate, FormatError, MAGIC, MAX_FILE, Node, RankGrid, SECTION_PAIR_TREE,
    SECTION_RANK_GRID, SECTION_REGION_TREE, Section, TAG_CORNER, TAG_EMPTY, TAG_INTERVAL,
    TAG_PHASE_RELAXATION, TAG_PHASE_SPLIT, TAG_RELAXATION, TAG_SPLIT, Tree, VERSION,
};

impl Certificate {
    /// The bytes of the file.
    ///
    /// # Errors
    /// [`FormatError`] where the value has no encoding; the limits of decoding on depth and nodes
    /// are not asked.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let claims = self.claims.encode()?;
        let mut out = vec![];
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend(self.model.as_bytes());
        out.extend(Digest::of(&claims).as_bytes());
        out.extend(length_u32("claims", claims.len())?);
        out.extend(claims);
        out.extend(length_u16("sections", self.sections.len())?);
        for section in &self.sections {
            encode_section(&mut out, section)?;
        }
        let digest = Digest::of(&out);
        out.extend(digest.as_bytes());
        if out.len() > MAX_FILE {
            return Err(FormatError::TooLarge {
                limit: MAX_FILE,
                got: out.len(),
            });
        }
        Ok(out)
    }
}

impl Tree {
    /// Appends the tree's bytes.
    ///
    /// # Errors
    /// [`FormatError`] where the nodes are not one complete tree or a node cannot be written.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.check_shape()?;
        self.nodes
            .iter()
            .try_for_each(|node| encode_node(out, node))
    }

    /// Checks that the nodes are exactly one tree in pre-order.
    fn check_shape(&self) -> Result<(), FormatError> {
        let mut open = 1usize;
        for (number, node) in self.nodes.iter().enumerate() {
            if open == 0 {
                return Err(FormatError::Shape {
                    expected: number,
                    got: self.nodes.len(),
                });
            }
            open = match node {
                Node::Split { .. } | Node::PhaseSplit { .. } => open.saturating_add(1),
                Node::Corner => open,
                Node::Relaxation { .. } | Node::Empty { .. } | Node::Interval => {
                    open.saturating_sub(1)
                }
            };
        }
        if open == 0 {
            return Ok(());
        }
        Err(FormatError::Shape {
            expected: self.nodes.len().saturating_add(open),
            got: self.nodes.len(),
        })
    }
}

fn encode_section(out: &mut Vec<u8>, section: &Section) -> Result<(), FormatError> {
    let (kind, claim, payload) = match section {
        Section::RegionTree { claim, trees } => (SECTION_REGION_TREE, claim, encode_trees(trees)?),
        Section::PairTree { claim, trees } => (SECTION_PAIR_TREE, claim, encode_trees(trees)?),
        Section::RankGrid { claim, slices } => {
            (SECTION_RANK_GRID, claim, RankGrid::payload(slices)?)
        }
    };
    out.push(kind);
    out.extend(claim.to_le_bytes());
    out.extend(length_u32("payload", payload.len())?);
    out.extend(payload);
    Ok(())
}

fn encode_trees(trees: &[Tree]) -> Result<Vec<u8>, FormatError> {
    let mut payload = vec![];
    for tree in trees {
        tree.encode_into(&mut payload)?;
    }
    Ok(payload)
}

fn encode_node(out: &mut Vec<u8>, node: &Node) -> Result<(), FormatError> {
    match node {
        Node::Relaxation {
            alpha,
            multipliers,
            beta,
        } => {
            out.push(if beta.is_empty() {
                TAG_RELAXATION
            } else {
                TAG_PHASE_RELAXATION
            });
            encode_alpha(out, alpha)?;
            encode_multipliers(out, multipliers)?;
            if !beta.is_empty() {
                out.extend(length_u16("beta", beta.len())?);
                out.extend(beta.iter().flat_map(|beta| beta.to_le_bytes()));
            }
        }
        Node::PhaseSplit { neuron } => {
            out.push(TAG_PHASE_SPLIT);
            out.extend(neuron.to_le_bytes());
        }
        Node::Split { feature, cut } => {
            out.extend([TAG_SPLIT, *feature]);
            out.extend(cut.to_le_bytes());
        }
        Node::Corner => out.push(TAG_CORNER),
        Node::Empty { index } => out.extend([TAG_EMPTY, *index]),
        Node::Interval => out.push(TAG_INTERVAL),
    }
    Ok(())
}

/// Two bits per neuron (0: zero, 1: one, 2: a byte follows), lowest bits first, then the bytes.
fn encode_alpha(out: &mut Vec<u8>, alpha: &[u8]) -> Result<(), FormatError> {
    out.extend(length_u16("alpha", alpha.len())?);
    for four in alpha.chunks(4) {
        let codes = four.iter().rev().fold(0u8, |codes, &alpha| {
            let code = match alpha {
                0 => 0,
                ALPHA_ONE => 1,
                _ => 2,
            };
            (codes << 2) | code
        });
        out.push(codes);
    }
    for (neuron, &value) in alpha.iter().enumerate() {
        if value > ALPHA_ONE {
            return Err(FormatError::Alpha { neuron, got: value });
        }
        if value != 0 && value != ALPHA_ONE {
            out.push(value);
        }
    }
    Ok(())
}

fn encode_multipliers(out: &mut Vec<u8>, multipliers: &[(u8, u32)]) -> Result<(), FormatError> {
    let too_many = |_| FormatError::TooMany {
        field: "multipliers",
        limit: usize::from(u8::MAX),
        got: multipliers.len(),
    };
    out.push(u8::try_from(multipliers.len()).map_err(too_many)?);
    let mut previous = None;
    for &(index, multiplier) in multipliers {
        super::decode::check_multiplier(previous, index, multiplier)?;
        previous = Some(index);
        out.push(index);
        out.extend(multiplier.to_le_bytes());
    }
    Ok(())
}

fn length_u16(field: &'static str, got: usize) -> Result<[u8; 2], FormatError> {
    let limit = usize::from(u16::MAX);
    let length = u16::try_from(got).map_err(|_| FormatError::TooMany { field, limit, got })?;
    Ok(length.to_le_bytes())
}

pub(super) fn length_u32(field: &'static str, got: usize) -> Result<[u8; 4], FormatError> {
    let limit = MAX_FILE;
    let length = u32::try_from(got).map_err(|_| FormatError::TooMany { field, limit, got })?;
    Ok(length.to_le_bytes())
}
