//! The annotated impl is the model's own.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

pub trait Forward {
    fn forward(&self);
}

#[variational]
impl Forward for Model {
    fn forward(&self) {}
}

fn main() {}
