//! The trait of a layer holds signatures over its own dimensions.
use ivon_runtime::prelude::*;

pub const DEPTH: usize = 4;

#[variational]
pub trait Keeps<T, const WIDTH: usize = 4>: Clone {
    const DEPTH: usize;
    type Other;
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x
    }
    fn deep<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, DEPTH>;
    fn wide<B>(&self, x: Option<Tensor<B, WIDTH>>) -> Tensor<B, WIDTH>;
}

fn main() {}
