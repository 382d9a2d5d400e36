//! Checks how much memory the machine has left.
//!
//! Linux grants more memory than it has: a large allocation succeeds, and the process is killed when it touches the pages. So
//! large requests are compared with the available memory first.

use super::Block;
use crate::core::error::Result;

/// Smaller requests, in bytes, are not checked.
const LARGE: usize = 1 << 28;

/// Refuses a request for more memory than the machine has left.
///
/// # Errors
/// If there is not enough memory, as far as the system reports it.
pub(crate) fn check(bytes: usize) -> Result<()> {
    if bytes >= LARGE && available().is_some_and(|available| bytes > available) { Err(Block::too_large(bytes)) } else { Ok(()) }
}

/// Free memory and swap of the machine in bytes, or the limit of the control group if that is less.
fn available() -> Option<usize> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = in_meminfo(&read("/proc/meminfo")?)?;
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit| machine.min(limit)))
}

fn in_meminfo(text: &str) -> Option<usize> {
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<usize>().ok()
    };
    Some(kibibytes("MemAvailable")?.saturating_add(kibibytes("SwapFree").unwrap_or(0)).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_swap_add_up() {
        let text = "MemTotal:       24689764 kB\nMemFree:        18130000 kB\nMemAvailable:   1000 kB\nSwapTotal: 30 kB\nSwapFree:    24 kB\n";
        assert_eq!(in_meminfo(text), Some(1024 * 1024));
        assert_eq!(in_meminfo("MemTotal: 24 kB"), None);
    }

    #[test]
    fn more_than_any_machine_has_is_refused() {
        assert!(check(1 << 10).is_ok());
        if available().is_some() {
            assert!(check(1 << 50).unwrap_err().to_string().contains("more than this machine can give"));
        }
    }
}
