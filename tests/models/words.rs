//! Names that mean something in CUDA C++, or in the code around a kernel: to a person they are names like any other.

use ivon_runtime::prelude::*;

#[variational]
pub struct Words<const WIDTH: usize> {
    template: Parameter<WIDTH>,
    float: Parameter<WIDTH>,
    number_0: Parameter<WIDTH>,
    s0: Parameter<WIDTH>,
    x1: Parameter<WIDTH>,
    #[setting(0.5)]
    namespace: f64,
    #[setting(2.0)]
    number_1: f64,
}

#[variational]
impl<const WIDTH: usize> Words<WIDTH> {
    pub fn forward<B>(&self, int: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        let double = int * self.template + self.float * self.namespace;
        let register = (double * self.number_1).tanh() - self.number_0;
        let y0 = relu(register * self.s0) + max(self.x1 - 1e39, -3.0);
        y0 * int
    }
}
