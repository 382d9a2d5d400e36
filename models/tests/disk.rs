//! Disks that are full and directories that cannot be written: an error that names the file, and nothing that was written before is lost.
//!
//! The file systems are mounted in a namespace of their own. Where that is not allowed, as in some containers, the tests say so and end.
#![cfg(target_os = "linux")]

mod common;

use common::{succeeds, text};
use std::path::Path;
use std::process::{Command, Output};

const TINY: &str = "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --eval-tokens 64 --eval-samples 1 --eval-every 0 \
                    --warmup 1 --threads 1";

/// Runs a script with this file system mounted at `disk`, where `$IVON` is the command; `None` where nothing can be mounted.
fn mounted(folder: &Path, options: &str, script: &str) -> Option<Output> {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script]).current_dir(folder).env("IVON", env!("CARGO_BIN_EXE_ivon"));
        command.output()
    };
    std::fs::create_dir_all(folder.join("disk")).unwrap();
    let mount = format!("mount -t tmpfs -o {options} none disk");
    if !shell(&mount).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return None;
    }
    Some(shell(&format!("{mount} && {script}")).unwrap())
}

#[test]
fn a_full_disk_ends_a_run_with_an_error_and_its_last_checkpoint_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let train = format!("$IVON {TINY} --steps 400 --checkpoint-every 1 --keep 1000 --out disk/run");
    // Room again: all but the last two checkpoints go.
    let script = format!(
        "{train}; echo status $?; ls -d disk/run/checkpoints/step-* | head -n -2 | xargs rm -r; df disk >&2; \
         $IVON train gpt2 --resume disk/run --steps 410 --checkpoint-every 100 --keep 1; echo status $?"
    );
    let Some(output) = mounted(folder.path(), "size=2m", &script) else { return };
    let told = text(&output);
    assert!(told.contains("status 1") && told.contains("status 0"), "{told}");
    let error = told.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("disk/run") && error.contains("cannot be written") && error.contains("No space left"), "{error}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn every_command_that_writes_names_what_it_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 2 --out g1"));
    succeeds(folder.path(), &format!("{TINY} --steps 2 --seed 2 --out g2"));
    let images = "train lenet --train-examples 8 --eval-examples 4 --batch 4 --steps 1 --size 28 --eval-samples 0 --threads 1";
    succeeds(folder.path(), &format!("{images} --out images"));
    std::fs::write(folder.path().join("a.txt"), "All work and no play. ".repeat(10)).unwrap();
    for (line, path) in [
        (&*format!("{TINY} --steps 2 --out disk/run"), "disk/run"),
        ("train gpt2 --resume disk/g1 --steps 4", "disk/g1"),
        ("evaluate images --samples 1 --out disk/e", "disk/e"),
        ("evaluate disk/images --samples 1", "disk/images"),
        ("merge g1 g2 --out disk/merged", "disk/merged"),
        ("prepare a.txt --tokenizer bytes --out disk/a.bin", "disk/a.bin"),
        ("import g1 --out disk/w.safetensors", "disk/w.safetensors"),
        ("export g1 --out disk/e", "disk/e"),
        ("inspect g1 --graph disk/g.svg", "disk/g.svg"),
    ] {
        let script = format!("cp -r g1 images disk && mount -o remount,ro none disk && $IVON {line}; echo status $?");
        let Some(output) = mounted(folder.path(), "size=4m", &script) else { return };
        let told = text(&output);
        assert!(told.contains("status 1") && !told.contains("panicked"), "{line}: {told}");
        let error = told.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{line}: {told}"));
        assert!(error.contains(path) && error.contains("Read-only file system"), "{line}: {error}");
    }
}
