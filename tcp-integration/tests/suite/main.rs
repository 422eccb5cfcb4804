//! Tests of the smoltcp adapter through its public face.
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tun;
#[cfg(test)]
mod device;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
#[path = "../../../fuzz/src/segment.rs"]
mod segment;
#[cfg(test)]
#[path = "../../../fuzz/src/tracker.rs"]
mod tracker;
#[cfg(test)]
#[path = "../../../fuzz/src/world.rs"]
mod world;
#[cfg(test)]
mod hostile;
