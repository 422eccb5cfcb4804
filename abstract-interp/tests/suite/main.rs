//! What the prover promises, over random models, boxes and claims.

#[cfg(test)]
mod checker;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod float_nets;
#[cfg(test)]
mod float_search;
#[cfg(test)]
mod float_soundness;
#[cfg(test)]
mod float_tightness;
#[cfg(test)]
mod models;
#[cfg(test)]
mod onnx_bytes;
#[cfg(test)]
mod opinions;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod pinned;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod search;
#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tightness;
#[cfg(test)]
mod vnncomp;
