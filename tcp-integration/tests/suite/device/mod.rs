//! The gate as a device: what passes it, what it refuses, and how much it holds.

mod certified;
mod driver;
mod hosts;
mod small_buffers;
mod storms;
mod table;
mod transfers;
