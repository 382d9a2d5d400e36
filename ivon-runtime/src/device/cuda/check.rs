//! Replays held against eager steps, to find a graph that does something else than the step that it is launched for.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::flat::Flat;

/// Runs a step as a graph and then, from the same gradient, running statistics and counters, kernel by kernel. Returns the loss and
/// leaves the gradient of the latter.
///
/// # Errors
/// Those of both; and if loss, gradient or running statistics are not equal to the bit.
pub(super) fn compared(
    cx: &Context,
    name: &str,
    replay: impl FnOnce() -> Result<f64>,
    eager: impl FnOnce() -> Result<f64>,
) -> Result<f64> {
    let (before, streams) = (Written::of(cx)?, cx.skip_streams(0));
    let found = replay()?;
    let found = (found, Written::of(cx)?);
    before.restore(cx)?;
    cx.set_streams(streams);
    let expected = eager()?;
    let expected = (expected, Written::of(cx)?);
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
    gradient: Option<Flat>,
    running: Option<Flat>,
}

impl Written {
    fn of(cx: &Context) -> Result<Written> {
        let [gradient, running] = cx.written().map(|flat| flat.map(|flat| flat.host_copy()).transpose());
        Ok(Written { gradient: gradient?, running: running? })
    }

    fn restore(&self, cx: &Context) -> Result<()> {
        for (flat, copy) in cx.written().iter().zip([&self.gradient, &self.running]) {
            if let (Some(flat), Some(copy)) = (flat, copy) {
                flat.upload_from(copy)?;
            }
        }
        Ok(())
    }
}

/// The first difference between two ends of a step, in words.
fn difference(found: &(f64, Written), expected: &(f64, Written)) -> Result<Option<String>> {
    if found.0.to_bits() != expected.0.to_bits() {
        return Ok(Some(format!("its loss is {}, and kernel by kernel {}", found.0, expected.0)));
    }
    let pairs =
        [("gradient", &found.1.gradient, &expected.1.gradient), ("running statistics", &found.1.running, &expected.1.running)];
    for (noun, found, expected) in pairs {
        let (Some(found), Some(expected)) = (found, expected) else { continue };
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
    Ok(None)
}
