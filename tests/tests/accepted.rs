//! Models that must compile: `ui/pass`.

#[path = "../ui/pass/conditions.rs"]
mod conditions;
#[allow(dead_code)] // an op has all its functions
#[path = "../ui/pass/crates.rs"]
mod crates;
#[path = "../ui/pass/deprecated.rs"]
pub mod deprecated;
#[path = "../ui/pass/hygiene.rs"]
mod hygiene;
#[path = "../ui/pass/integers.rs"]
mod integers;
#[path = "../ui/pass/lints.rs"]
pub mod lints;
#[path = "../ui/pass/no_prelude.rs"]
pub mod no_prelude;
#[path = "../ui/pass/own_functions.rs"]
mod own_functions;
#[path = "../ui/pass/raw_names.rs"]
mod raw_names;
#[path = "../ui/pass/scopes.rs"]
mod scopes;
#[path = "../ui/pass/shadowing.rs"]
mod shadowing;
#[allow(clippy::duplicate_mod, dead_code)] // that is what it is about
#[path = "../ui/pass/twice.rs"]
mod twice;
#[path = "../ui/pass/values.rs"]
mod values;
