//! Memory of a step: blocks, the pool that recycles them, and the plan that packs them into one arena.

mod arena;
mod block;
mod key;
mod plan;
mod pool;

pub(crate) use arena::{Arena, Recorder, Run};
pub(crate) use block::{ALIGNMENT, Block, MOST_BYTES};
pub use key::StepKey;
pub use plan::{Lifetime, Plan};
pub(crate) use pool::Pool;
