//! Tests of the smoltcp adapter through its public face.
