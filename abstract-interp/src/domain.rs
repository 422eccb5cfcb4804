//! What every abstract domain can do.

use crate::interval::Interval;
use crate::network::Network;

/// A domain as a machine that follows the network operator by operator.
///
/// Its state stands for a set γ of concrete value vectors; buffers are kept between runs, so that
/// a run allocates nothing once warm.
///
/// # Soundness
/// If the concrete values before an operator are in γ, those after it are in the new γ.
pub trait AbstractDomain {
    /// Starts with all integer points of a box.
    fn enter(&mut self, network: &Network, input: &[Interval]);
    /// Affine map and floor of a layer; the output layer reads the features too if it skips.
    fn affine(&mut self, network: &Network, layer: usize);
    /// ReLU after hidden layer `layer`.
    fn relu(&mut self, network: &Network, layer: usize);
    /// The heads' clamp to [−1, 1].
    fn clamp(&mut self, network: &Network);
    /// Interval enclosures of the current values; places beyond them are meaningless.
    fn bounds(&self) -> &[Interval];
}

/// Runs the whole network in a domain and returns the enclosures of the heads.
pub fn propagate<'d, D: AbstractDomain>(
    network: &Network,
    input: &[Interval],
    domain: &'d mut D,
) -> &'d [Interval] {
    domain.enter(network, input);
    for layer in 0..network.hidden_count() {
        domain.affine(network, layer);
        domain.relu(network, layer);
    }
    domain.affine(network, network.hidden_count());
    domain.clamp(network);
    &domain.bounds()[..network.heads().len()]
}
