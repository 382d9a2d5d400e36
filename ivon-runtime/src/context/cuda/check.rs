//! Compares replayed graphs with eager steps, to find a graph that differs from the step for which it is launched.

use crate::context::flat::Flat;
use crate::context::{AfterBackward, Context};
use crate::core::error::{Error, Result};

/// Runs a step as a graph and then, from the same state, kernel by kernel. Keeps the results of the eager step and returns its
/// loss. `finish` is the update, if it is a part of the step.
///
/// # Errors
/// Those of both steps. If the loss or any memory that later steps read differs in a bit.
pub(super) fn compared(
    cx: &Context,
    name: &str,
    finish: Option<&dyn AfterBackward>,
    replay: impl FnOnce() -> Result<f64>,
    eager: impl FnOnce() -> Result<f64>,
) -> Result<f64> {
    let (before, streams) = (Written::of(cx, finish)?, cx.skip_streams(0));
    let found = replay()?;
    let found = (found, Written::of(cx, finish)?);
    before.restore(cx, finish)?;
    cx.set_streams(streams);
    let expected = eager()?;
    let expected = (expected, Written::of(cx, finish)?);
    match difference(&found, &expected)? {
        None => Ok(expected.0),
        Some(difference) => {
            let message = format!(
                "the graph of this step does not do what the step does: {difference}. This is a defect, please report it; \
                 `set_graphs(false)` runs steps kernel by kernel"
            );
            Err(Error::value(name, message))
        }
    }
}

/// Copies of the memory that a step writes and later steps read.
struct Written {
    buffers: Vec<(&'static str, Flat)>,
    status: Option<[u8; 16]>,
}

/// The buffers themselves, each with its name.
fn written(cx: &Context, finish: Option<&dyn AfterBackward>) -> Vec<(&'static str, Flat)> {
    let of_passes = cx.written().map(|(name, flat)| flat.map(|flat| (name, flat)));
    of_passes.into_iter().flatten().chain(finish.into_iter().flat_map(AfterBackward::written)).collect()
}

impl Written {
    fn of(cx: &Context, finish: Option<&dyn AfterBackward>) -> Result<Written> {
        let copy = |(name, flat): (_, Flat)| Ok((name, flat.host_copy()?));
        let buffers = written(cx, finish).into_iter().map(copy).collect::<Result<_>>()?;
        Ok(Written { buffers, status: finish.map(AfterBackward::status).transpose()? })
    }

    fn restore(&self, cx: &Context, finish: Option<&dyn AfterBackward>) -> Result<()> {
        for ((_, flat), (_, copy)) in written(cx, finish).iter().zip(&self.buffers) {
            flat.upload_from(copy)?;
        }
        match (finish, &self.status) {
            (Some(finish), Some(status)) => finish.set_status(status),
            _ => Ok(()),
        }
    }
}

/// Describes the first difference between the results of two steps.
fn difference(found: &(f64, Written), expected: &(f64, Written)) -> Result<Option<String>> {
    if found.0.to_bits() != expected.0.to_bits() {
        return Ok(Some(format!("its loss is {}, and kernel by kernel {}", found.0, expected.0)));
    }
    for ((noun, found), (_, expected)) in found.1.buffers.iter().zip(&expected.1.buffers) {
        for entry in expected.layout().entries() {
            let [found, expected] = [found, expected].map(|flat| flat.tensor(&entry.parameter));
            if found.host_bytes() == expected.host_bytes() {
                continue;
            }
            let (found, expected) = (found.to_f32()?, expected.to_f32()?);
            let at = found.iter().zip(expected.iter()).position(|(a, b)| a.to_bits() != b.to_bits()).unwrap_or(0);
            let name = entry.parameter.name();
            let numbers = found
                .iter()
                .zip(expected.iter())
                .nth(at)
                .map_or(String::new(), |(a, b)| format!(" {a}, and kernel by kernel {b}"));
            return Ok(Some(format!("the {noun} of `{name}` has at element {at}{numbers}")));
        }
    }
    let status = |end: &(f64, Written)| end.1.status;
    Ok((status(found) != status(expected)).then(|| "what its update found of the loss, the gradient's norm and the state".into()))
}
