//! Inspection of models and runs: the graph of a model as a drawing, the profile of a step as tables.
//!
//! It imports from the layers; no layer imports from here.

pub mod graph;
pub mod profile;
