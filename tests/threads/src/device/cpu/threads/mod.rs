//! As `ivon_runtime::threads`, with one team for each run of a test.

#[path = "../../../../../../ivon-runtime/src/device/cpu/threads/gate.rs"]
mod gate;
#[path = "../../../../../../ivon-runtime/src/device/cpu/threads/sync.rs"]
pub(crate) mod sync;
#[path = "../../../../../../ivon-runtime/src/device/cpu/threads/team.rs"]
mod team;

pub(crate) use gate::Gate;
pub(crate) use sync::AtomicUsize;
pub(crate) use team::Team;

loom::lazy_static! {
    pub(crate) static ref TEAM: Team = Team::new();
}

pub(crate) fn together(threads: usize, work: &(impl Fn() + Sync)) {
    if !TEAM.open(threads, work, |_, _| ()) {
        work();
    }
}

pub(crate) fn count() -> usize {
    2
}
