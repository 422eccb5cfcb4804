//! Other people's networks: `f32` programs, and properties about them.
//!
//! A network file becomes a [`network::FloatNetwork`], a property file a [`property::Property`]. What is
//! decided is about the `f32` evaluation: a real input of the region is rounded to the nearest `f32`
//! (so the box of an input is that of its rounded ends), the sums of a layer may be taken in any
//! order, and outputs are compared exactly. `Holds` covers all of that; `Violated` comes with an
//! input that was replayed in `f32`.

pub mod attack;
pub mod bound;
mod exact;
pub mod network;
pub mod nnet;
pub mod onnx;
pub mod property;
pub mod range;
pub mod replay;
pub mod rounding;
mod search;
pub mod verdict;
pub mod verify;
pub mod vnnlib;
