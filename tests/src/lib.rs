//! Tests across the crates; see `tests/README.md`.
