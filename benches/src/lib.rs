//! An empty library: the benches are the targets in `benches/`, run by `cargo bench`.
