//! Arguments of kernels, and values that memory is filled with.

/// An argument in the form that the driver takes.
pub(crate) enum Value {
    Word(u32),
    Long(u64),
    Float(f32),
}

/// The value that memory is filled with.
#[derive(Clone, Copy)]
pub(crate) enum Fill {
    Half(u16),
    Word(u32),
}
