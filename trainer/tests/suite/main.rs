//! Training as its users meet it: small runs, real simulations, real proofs.

#[cfg(test)]
mod certified;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod small;
