//! Tests of the smoltcp adapter through its public face.
#[cfg(test)]
mod device;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod gate_keep_alive;
#[cfg(test)]
mod gate_naive;
#[cfg(test)]
mod gate_pacing;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod many_sockets;
#[cfg(test)]
mod never_more;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod raw;
#[cfg(test)]
#[path = "../../../fuzz/src/segment.rs"]
mod segment;
#[cfg(test)]
mod sim_controllers;
#[cfg(test)]
mod sim_embedded;
#[cfg(test)]
mod sim_replay;
#[cfg(test)]
mod sim_setup;
#[cfg(test)]
mod sim_transfers;
#[cfg(test)]
#[path = "../../../fuzz/src/tracker.rs"]
mod tracker;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tun;
#[cfg(test)]
#[path = "../../../fuzz/src/world.rs"]
mod world;
