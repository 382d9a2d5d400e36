//! The attribute on the struct alone: what rustc would say of the impl is not said.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.down.forward(gelu(self.up.forward(x)))
    }
    pub fn loss<B>(&self, x: Tensor<B, 4>, targets: Ids<B>) -> Tensor {
        cross_entropy(self.forward(x), targets)
    }
}

fn train() -> Result<()> {
    let net = Net::new();
    let mut ivon = Ivon::new(&net, IvonConfig::new(1e6), Settings::default())?;
    ivon.at_mean(|cx| net.loss(cx, todo!(), todo!()))?;
    Ok(())
}

fn main() {}
