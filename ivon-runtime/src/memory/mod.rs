//! Memory of a step: blocks, the pool that recycles them, and the plan that packs them into one arena.

mod arena;
mod block;
mod ghost;
mod key;
mod plan;
mod pool;
pub(crate) mod room;

pub(crate) use arena::{Arena, Run};
pub(crate) use block::{ALIGNMENT, Block, Handle, MOST_BYTES, Reading, Writing};
pub(crate) use ghost::{Failure, Ghost, Recorder};
pub use key::StepKey;
pub use plan::{Lifetime, Plan};
pub(crate) use pool::Pool;
