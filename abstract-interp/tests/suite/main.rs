//! What the prover promises, over random models, boxes and claims.

#[cfg(test)]
mod checker;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod models;
#[cfg(test)]
mod pinned;
#[cfg(test)]
mod search;
#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tightness;
