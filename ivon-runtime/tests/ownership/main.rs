//! Ownership of memory, seen from outside. No sequence of safe calls makes a mutable slice overlap anything else that is alive.
//! Memory without an owner stays alive until its last tensor is dropped. Miri runs these tests if it is installed
//! (`scripts/miri.sh`).

mod programs;
mod random;

use ivon_runtime::{Builder, Context, DType, Device, Model, Options, Parameter};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A model of two parameters, of 4 and 3 elements.
struct Pair(Vec<Parameter>);

impl Pair {
    fn new() -> Pair {
        let mut b = Builder::new();
        Pair(vec![b.parameter("first", [4], Options::default()), b.parameter("second", [3], Options::default())])
    }
}

impl Model for Pair {
    const NAME: &'static str = "Pair";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        self.0.iter().for_each(visit);
    }
}

fn context() -> Context {
    Context::new(Device::Cpu, DType::F32).unwrap()
}

/// The result of `call`, or the message of its panic.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast::<&str>().map_or(String::new(), |message| message.to_string()),
    })
}
