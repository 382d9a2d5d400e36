//! As `device` of the runtime.

pub(crate) mod cpu;
