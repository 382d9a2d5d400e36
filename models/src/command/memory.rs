//! Memory of the machine, and peak memory of this process.

use ivon_runtime::{Error, Result};

/// State and gradient in f32 of the optimizer that needs least (sgd), in bytes.
const BYTES_PER_PARAMETER: u64 = 12;

/// The most memory that this process has held so far, in bytes; `None` where the system does not tell.
pub fn peak() -> Option<u64> {
    line("/proc/self/status", "VmHWM:")
}

fn total() -> Option<u64> {
    line("/proc/meminfo", "MemTotal:")
}

/// Bytes of memory that this process can still take; `None` where the system does not tell.
pub fn available() -> Option<u64> {
    let free = line("/proc/meminfo", "MemAvailable:")?;
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    // The limits of a container and of a shell (`ulimit -v`).
    let of_group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let space = limits.lines().find_map(|line| line.strip_prefix("Max address space")?.split_whitespace().next()?.parse().ok());
    let of_process = space.zip(line("/proc/self/status", "VmSize:"));
    let left = [of_group, of_process].into_iter().flatten().map(|(most, used): (u64, u64)| most.saturating_sub(used));
    Some(left.fold(free, u64::min))
}

/// The value of a line such as `VmHWM:   1234 kB`, in bytes.
fn line(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(key))?;
    Some(1024 * value.split_whitespace().next()?.parse::<u64>().ok()?)
}

/// Refuses what alone takes more than the machine has: `count` of `what`, at so many bytes each.
///
/// # Errors
/// If they do not fit: how much they would take, how much there is, and `advice`.
pub fn check((count, what): (usize, &str), bytes: u64, advice: &str) -> Result<()> {
    let needed = count as f64 * bytes as f64;
    match total() {
        Some(total) if needed > total as f64 => {
            let gib = |bytes: f64| bytes / f64::from(1 << 30);
            Err(Error::config(format!(
                "{count} {what} need {:.1} GiB alone, and this machine has {:.1} GiB: {advice}",
                gib(needed),
                gib(total as f64)
            )))
        }
        _ => Ok(()),
    }
}

/// [`check`] of state and gradient of a language model that is to be trained.
///
/// # Errors
/// If they do not fit.
pub fn check_training(parameters: usize) -> Result<()> {
    let advice = "choose a smaller --preset, or fewer --layers or less --width";
    check((parameters, "parameters"), BYTES_PER_PARAMETER, advice)
}

/// [`check`] of the images of a micro-batch, `size` rows and columns of so many channels.
///
/// # Errors
/// If they do not fit.
pub fn check_pictures(rows: usize, size: usize, channels: usize) -> Result<()> {
    let what = format!("pictures of {size} x {size} x {channels} at once");
    let bytes = (size as u64).saturating_pow(2).saturating_mul(4 * channels as u64);
    check((rows, &what), bytes, "use a smaller --size or --batch, or more --micro-batches")
}
