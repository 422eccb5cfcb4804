//! The phases of training.

mod clone;
mod evolve;
mod repair;
