//! The noise of the posterior: Philox4x32-10 and Box-Muller, never stored.
