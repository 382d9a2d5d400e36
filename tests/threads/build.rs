//! The files of the runtime that this crate includes use loom's primitives here.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=loom");
}
