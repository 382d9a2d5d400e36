//! The numbers 0, 1, 2, ..

use crate::context::Context;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::patterns;
use crate::ops::shared::patterns::Pattern;
use crate::tensor::Tensor;

/// y\[i\] = i, for `n` values of i.
///
/// # Errors
/// If the type that the context computes in does not hold each of these numbers: f32 holds them up to 2²⁴, bf16 up to 2⁸.
pub fn forward(cx: &Context, n: usize) -> Result<Tensor> {
    let most = match cx.dtype() {
        DType::Bf16 => 1 << 8,
        DType::F32 => 1 << 24,
        _ => 1 << 53,
    };
    if n > most + 1 {
        let message = format!("{n} numbers are asked for, and {:?} holds whole numbers up to {most}", cx.dtype());
        return Err(Error::value("arange", message));
    }
    patterns::make("arange", cx, None, (Shape::new(&[n]), n), Pattern::Count)
}
