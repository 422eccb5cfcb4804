//! Tests of the smoltcp adapter through its public face.
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tun;
