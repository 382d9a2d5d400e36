//! Every construct of the model language: generated gradients, of parameters and of arguments, against central differences in f64.

#[macro_use]
mod check;

mod adjoints;
mod arithmetic;
mod branches;
mod broadcast;
mod dimensions;
mod loops;
mod masks;
mod models;
mod parameters;
mod pictures;
mod reductions;
mod sequences;
mod shapes;
mod values;
