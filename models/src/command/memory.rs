//! What the machine has, and what this process took.

use ivon_runtime::{Error, Result};

/// State and gradient in f32 of the optimizer that needs least (sgd), in bytes.
pub const BYTES_PER_PARAMETER: u64 = 12;

/// The most memory that this process has held so far, in bytes; `None` where the system does not tell.
pub fn peak() -> Option<u64> {
    line("/proc/self/status", "VmHWM:")
}

fn total() -> Option<u64> {
    line("/proc/meminfo", "MemTotal:")
}

/// The value of a line such as `VmHWM:   1234 kB`, in bytes.
fn line(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(key))?;
    Some(1024 * value.split_whitespace().next()?.parse::<u64>().ok()?)
}

/// Refuses a model whose buffers alone are more than the machine has, at this many bytes a parameter.
///
/// # Errors
/// If they do not fit: how much they would take, and how much there is.
pub fn check(parameters: usize, bytes_per_parameter: u64) -> Result<()> {
    let parameters = parameters as u64;
    let needed = parameters * bytes_per_parameter;
    match total() {
        Some(total) if needed > total => {
            let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
            Err(Error::config(format!(
                "{parameters} parameters need {:.1} GiB for their buffers alone, and this machine has {:.1} GiB: choose a smaller --preset, or \
                 fewer --layers or less --width",
                gib(needed),
                gib(total)
            )))
        }
        _ => Ok(()),
    }
}
