//! What a method of a trait takes in is one call of another of its methods; whose adjoint a method makes is a layer's own matter.
use ivon_runtime::prelude::*;

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;

    #[replaces(relu(self.backward(x)))]
    fn unknown_method<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;

    #[replaces(relu(x))]
    fn no_call<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;

    #[replaces(3.0 * self.itself(x))]
    fn itself<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;

    #[adjoint]
    fn made<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

fn main() {}
