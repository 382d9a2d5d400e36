//! The runtime's thread team under loom: its own source, with loom's primitives in place of the standard library's.
//!
//! loom runs a test again and again, each time with another order of the threads' steps and other values that a load may see, until none is left
//! (up to a number of preemptions). It reports a data race on the job, a wake-up that is lost (all threads wait), and assertions that fail.

#![cfg(test)]

mod device;
mod model;
