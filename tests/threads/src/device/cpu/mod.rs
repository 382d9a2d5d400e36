//! As `device::cpu` of the runtime.

#[allow(dead_code)] // the number of threads for a product
#[path = "../../../../../ivon-runtime/src/device/cpu/matmul/team.rs"]
pub(crate) mod team;
pub(crate) mod threads;
