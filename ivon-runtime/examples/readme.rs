//! The code of the README.

use ivon_runtime::{layers::Linear, ops::gelu, prelude::*};

#[variational]
pub struct Mlp<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Mlp<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.down.forward(gelu(self.up.forward(x)))
    }
}

use ivon_runtime::ops::cross_entropy;

#[variational]
struct Classifier {
    embed: Linear<2, 16>,
    blocks: [Mlp<16>; 2],
    head: Linear<16, 2>,
}

#[variational]
impl Classifier {
    fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let mut h = self.embed.forward(x);
        for block in &self.blocks {
            h = block.forward(h);
        }
        self.head.forward(h)
    }
    fn loss<B>(&self, x: Tensor<B, 2>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(x), labels)
    }
}

fn main() -> Result<()> {
    let model = Classifier::new();
    let config = IvonConfig::new(1000.0).hess_init(0.1);
    let mut ivon = Ivon::new(&model, config, Settings::default())?;
    let x = Tensor::from_slice(&[0.0f32, 0.1, 1.0, 0.9, 0.1, 1.0, 0.9, 0.0], [4, 2])?;
    let labels = Tensor::from_slice(&[0u32, 0, 1, 1], [4])?;
    for _ in 0..300 {
        ivon.step(0.1, |cx| model.loss_gradient(cx, &x, &labels))?;
    }
    println!("loss at the mean: {:.3}", ivon.at_mean(|cx| model.loss(cx, &x, &labels)?.item())?);
    let average = ivon.posterior().predict(16, 0, |cx| model.forward(cx, &x))?;
    println!("averaged over 16 samples: {:?}", average.log_probabilities().map(f64::exp).collect::<Vec<_>>());
    Ok(())
}
