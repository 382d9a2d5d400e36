//! Checks of arguments, with messages that name the op, the argument and the shapes.

use crate::context::Context;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::tensor::Tensor;

/// Float tensors are of the type that the context computes in.
pub fn float(at: &str, cx: &Context, arguments: &[(&str, &Tensor)]) -> Result<()> {
    for (name, x) in arguments {
        if x.dtype() != cx.dtype() {
            let (found, expected) = (x.dtype(), cx.dtype());
            let advice = match (found, expected) {
                (DType::F32, DType::Bf16) => ": `cx.input(&x)?` gives it in that type",
                _ => "",
            };
            let message = format!("`{name}` holds {found:?} where the context computes in {expected:?}{advice}");
            return Err(Error::value(at, message));
        }
    }
    Ok(())
}

/// A tensor holds ids, or numbers of the type that the context computes in.
pub fn float_or_ids(at: &str, cx: &Context, (name, x): (&str, &Tensor)) -> Result<()> {
    if x.dtype() == DType::U32 { Ok(()) } else { float(at, cx, &[(name, x)]) }
}

/// A weight is of the type that the context computes in, or of bf16.
pub fn weight(at: &str, cx: &Context, (name, x): (&str, &Tensor)) -> Result<()> {
    if x.dtype() == DType::Bf16 { Ok(()) } else { float(at, cx, &[(name, x)]) }
}

/// Ids are of u32.
pub fn ids(at: &str, name: &str, x: &Tensor) -> Result<()> {
    if x.dtype() != DType::U32 {
        return Err(Error::value(at, format!("`{name}` holds {:?} where ids (u32) are expected", x.dtype())));
    }
    Ok(())
}

/// All ids are below `limit`, or the one that is ignored. Looked at where they lie in the CPU's memory: on a GPU also in a dry run, for a step
/// that is launched as a graph has no other.
///
/// # Errors
/// The first id that is not, and where.
pub fn ids_below(at: &str, cx: &Context, ids: &Tensor, limit: usize, ignored: Option<u32>) -> Result<()> {
    if cx.planning() && cx.cuda().is_none() {
        return Ok(());
    }
    let Some(ids) = ids.on_host::<u32>() else { return Ok(()) };
    match ids.iter().position(|id| *id as usize >= limit && Some(*id) != ignored) {
        Some(position) => Err(Error::Id { at: at.into(), id: ids[position], position, limit }),
        None => Ok(()),
    }
}

/// A tensor has this shape, because `because`, another argument, has its own.
pub fn shape(at: &str, (name, found): (&str, &Shape), expected: impl Into<Shape>, because: (&str, &Shape)) -> Result<()> {
    let expected = expected.into();
    if *found != expected {
        return Err(Error::shape(
            at,
            format!("`{name}` is {found} where {expected} is expected, because `{}` is {}", because.0, because.1),
        ));
    }
    Ok(())
}

/// The gradient that a backward pass is given has the shape of the op's result and the type that the context computes in. The gradient of a
/// number may have the type of its sums.
pub fn gradient(at: &str, cx: &Context, (name, d_y): (&str, &Tensor), expected: impl Into<Shape>) -> Result<()> {
    let expected = expected.into();
    if *d_y.shape() != expected {
        let message =
            format!("`{name}` is {}; expected {expected}, the shape of the result: pass the result's own gradient", d_y.shape());
        return Err(Error::shape(at, message));
    }
    if expected.rank() == 0 && d_y.dtype() == cx.dtype().sums() { Ok(()) } else { float(at, cx, &[(name, d_y)]) }
}

/// A tensor has at least this many dimensions.
pub fn rank(at: &str, (name, found): (&str, &Shape), least: usize) -> Result<()> {
    if found.rank() < least {
        let dimensions = if least == 1 { "dimension" } else { "dimensions" };
        return Err(Error::shape(at, format!("`{name}` is {found} where at least {least} {dimensions} are expected")));
    }
    Ok(())
}

/// A tensor has dimensions of these names, and no more.
pub fn dimensions(at: &str, (name, found): (&str, &Shape), names: &[&str]) -> Result<()> {
    if found.rank() != names.len() {
        return Err(Error::shape(at, format!("`{name}` is {found} where [{}] is expected", names.join(", "))));
    }
    Ok(())
}

/// An axis exists.
pub fn axis(at: &str, x: &Shape, axis: usize) -> Result<()> {
    if axis >= x.rank() {
        return Err(Error::shape(at, format!("there is no axis {axis} in `x`, which is {x}; axes count from 0")));
    }
    Ok(())
}

/// A number lies in the range in which the op makes sense.
pub fn number(at: &str, name: &str, value: f64, allowed: bool, range: &str) -> Result<()> {
    if !allowed {
        return Err(Error::value(at, format!("`{name}` is {value} where {range} is expected")));
    }
    Ok(())
}
