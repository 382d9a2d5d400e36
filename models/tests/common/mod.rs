//! The `ivon` command, as tests run it.

#![allow(dead_code)] // each test binary uses a part of it

use std::path::Path;
use std::process::{Command, Output};

/// The command with these arguments, to be run in a directory.
pub fn ivon(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

/// Writes IDX files of `training` and `validation` grey images of 28 × 28 pixels; the labels cycle through ten classes.
pub fn idx(folder: &Path, training: u32, validation: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for (part, count) in [("train", training), ("t10k", validation)] {
        let be = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mut images = be(&[0x803, count, 28, 28]);
        // Other images in each part.
        let first = training * 784 * u32::from(part == "t10k");
        images.extend((first..first + count * 784).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
        let mut labels = be(&[0x801, count]);
        labels.extend((0..count).map(|i| (i % 10) as u8));
        std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

/// The whole output of a command: standard output, then standard error.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command that must succeed; returns the last line of its standard output as JSON, or null.
pub fn succeeds(folder: &Path, arguments: &str) -> serde_json::Value {
    let output = ivon(folder, arguments).output().unwrap();
    assert!(output.status.success(), "ivon {arguments}\n{}", text(&output));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    out.lines().last().and_then(|l| serde_json::from_str(l).ok()).unwrap_or_default()
}

/// Runs a command that must fail with an error, not a panic; returns its output.
pub fn fails(folder: &Path, arguments: &str) -> String {
    let output = ivon(folder, arguments).output().unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "ivon {arguments}: {:?}\n{}", output.status, text(&output));
    text(&output)
}
