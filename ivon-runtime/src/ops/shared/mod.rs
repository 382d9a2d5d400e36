//! The items that ops share: checks of arguments, dispatch over element types, cutting work, sums of rows, and families of ops that differ in
//! little. An op of another crate uses the same items.

pub(crate) mod along;
pub(crate) mod attend;
pub(crate) mod axes;
pub(crate) mod channels;
pub mod check;
pub mod columns;
pub(crate) mod entropy;
pub(crate) mod extreme;
pub(crate) mod gelu_along;
pub mod normalize;
pub(crate) mod patterns;
pub(crate) mod pool;
pub mod reduce;
pub mod specification;
pub(crate) mod strips;
pub(crate) mod window;

pub use crate::context::elementwise;
pub use crate::device::cpu::parallel::{CHUNK, pieces, pieces2, rows_a_task};
pub use axes::Axes;
#[doc(hidden)]
pub use half::bf16;

/// Runs generic code with the element type that a [`DType`](crate::core::dtype::DType) of floats stands for: `with_real!(cx.dtype(), E => f::<E>())`.
#[macro_export]
#[doc(hidden)]
macro_rules! __with_real {
    ($dtype:expr, $E:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F64 => {
                type $E = f64;
                $body
            }
            _ => {
                type $E = f32;
                $body
            }
        }
    };
}
#[doc(inline)]
pub use __with_real as with_real;

/// [`with_real`] for an op with a `Weight`: `with_weight!(cx.dtype(), weight.dtype(), E, W => f::<E, W>())`.
#[macro_export]
#[doc(hidden)]
macro_rules! __with_weight {
    ($dtype:expr, $weight:expr, $E:ident, $W:ident => $body:expr) => {
        match ($dtype, $weight) {
            ($crate::DType::F64, $crate::DType::Bf16) => {
                type $E = f64;
                type $W = $crate::ops::shared::bf16;
                $body
            }
            ($crate::DType::F64, _) => {
                type $E = f64;
                type $W = f64;
                $body
            }
            (_, $crate::DType::Bf16) => {
                type $E = f32;
                type $W = $crate::ops::shared::bf16;
                $body
            }
            _ => {
                type $E = f32;
                type $W = f32;
                $body
            }
        }
    };
}
#[doc(inline)]
pub use __with_weight as with_weight;
