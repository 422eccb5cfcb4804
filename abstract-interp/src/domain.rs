//! What every abstract domain can do.

/// A network as layers, each an affine map followed by an activation.
pub trait Layered {
    /// How many layers.
    fn layer_count(&self) -> usize;
    /// How many values a layer yields.
    fn outputs(&self, layer: usize) -> usize;
}

/// A domain as a machine that follows a network operator by operator.
///
/// Its state stands for a set γ of concrete value vectors; buffers are kept between runs, so that
/// a run allocates nothing once warm.
///
/// # Soundness
/// If the concrete values before an operator are in γ, those after it are in the new γ.
pub trait AbstractDomain<N> {
    /// Encloses one value.
    type Bound;
    /// Starts with all points of a box.
    fn enter(&mut self, network: &N, input: &[Self::Bound]);
    /// The affine map of a layer, rescaled where the program rescales.
    fn affine(&mut self, network: &N, layer: usize);
    /// What follows that map. In the integer program: ReLU after hidden layers, the heads' clamp to
    /// [−1, 1] after the output layer.
    fn activation(&mut self, network: &N, layer: usize);
    /// Enclosures of the current values; places beyond them are meaningless.
    fn bounds(&self) -> &[Self::Bound];
}

/// Runs the whole network in a domain and returns the enclosures of its outputs.
pub fn propagate<'d, N: Layered, D: AbstractDomain<N>>(
    network: &N,
    input: &[D::Bound],
    domain: &'d mut D,
) -> &'d [D::Bound] {
    domain.enter(network, input);
    let mut outputs = input.len();
    for layer in 0..network.layer_count() {
        domain.affine(network, layer);
        domain.activation(network, layer);
        outputs = network.outputs(layer);
    }
    &domain.bounds()[..outputs]
}
