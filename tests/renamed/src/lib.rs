//! A model in a crate of an older edition that has the runtime under another name. `gen` is no keyword here.

use bayes::{layers::Linear, ops::gelu, prelude::*};

/// Two layers.
#[variational]
pub struct Net<const WIDTH: usize> {
    gen: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Net<WIDTH> {
    /// x + down(gelu(gen(x)))
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        let gen = halved(gelu(self.gen.forward(x)));
        x + self.down.forward(gen)
    }
}

/// One half of it.
#[variational]
pub fn halved<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    x * 0.5
}

#[test]
fn parameters_have_the_names_of_the_fields() {
    let net = Net::<4>::new();
    let names: Vec<_> = net.parameters().iter().map(|p| p.name().to_string()).collect();
    assert_eq!(names, ["gen.weight", "gen.bias", "down.weight", "down.bias"]);
}
