//! Copies the directories of three ops out of the runtime and changes their paths, as a user does who starts an op from one of ours.

use std::path::Path;
use std::{env, fs};

/// An op that computes by itself and has a kernel for GPUs, one that shares the norms of rows, and a loss of pointwise expressions.
const OPS: [&str; 3] = ["softmax", "layer_norm", "mse"];

/// The runtime's own paths, and those by which other crates import the same items.
const PATHS: [(&str, &str); 12] = [
    ("crate::context::adjoint::", "ivon_runtime::"),
    ("crate::context::profile::", "ivon_runtime::profile::"),
    ("crate::context::", "ivon_runtime::"),
    ("crate::core::error::", "ivon_runtime::"),
    ("crate::core::shape::", "ivon_runtime::"),
    ("crate::core::dtype::", "ivon_runtime::"),
    ("crate::device::cpu::real::", "ivon_runtime::"),
    ("crate::device::cpu::parallel::", "ivon_runtime::ops::shared::"),
    ("crate::device::cuda::", "ivon_runtime::cuda::"),
    ("crate::tensor::", "ivon_runtime::"),
    ("crate::", "ivon_runtime::"),
    // Another op, from the file of this one.
    ("use super::{", "use ivon_runtime::ops::{"),
];

fn main() {
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ivon-runtime/src/ops");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("ops");
    let mut modules = String::new();
    for op in OPS {
        let (from, to) = (ops.join(op), out.join(op));
        println!("cargo::rerun-if-changed={}", from.display());
        fs::create_dir_all(&to).expect("the directory of the output can be made");
        for entry in fs::read_dir(&from).expect("the op has a directory") {
            let path = entry.expect("its files can be listed").path();
            let text = fs::read_to_string(&path).expect("its files are text");
            let name = path.file_name().expect("a file has a name");
            fs::write(to.join(name), outside(&text)).expect("the output can be written");
        }
        modules += &format!("#[path = {:?}]\npub mod {op};\n", to.join("mod.rs"));
    }
    fs::write(out.join("mod.rs"), modules).expect("the output can be written");
}

/// The text with the paths of another crate.
fn outside(text: &str) -> String {
    let mut text = text.replace("use super::pointwise", "use ivon_runtime::ops::pointwise");
    text = text.replace("use super::mean;", "use ivon_runtime::ops::mean;");
    PATHS.iter().fold(text, |text, (ours, theirs)| text.replace(ours, theirs))
}
