//! Ops and an optimizer in a crate outside of the runtime; the ops are copied from ours with other paths.
//!
//! `cargo test -p ivon-outside` runs the tests of the copied ops here: gradients against central differences in f64, f32 against f64,
//! any number of threads.

pub mod lion;

#[allow(dead_code, unused_imports)]
mod ops {
    include!(concat!(env!("OUT_DIR"), "/ops/mod.rs"));
}
