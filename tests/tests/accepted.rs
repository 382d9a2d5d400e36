//! What must compile: `ui/pass`.

#[path = "../ui/pass/crates.rs"]
mod crates;
#[path = "../ui/pass/scopes.rs"]
mod scopes;
