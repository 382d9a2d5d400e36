//! A wrong model, a model that uses it, and a program that uses both: one error.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Inner<const WIDTH: usize> {
    up: Linear<WIDTH, { 2 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> Inner<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.upp.forward(x)
    }

    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        let y = self.forward(x);
        (y * y).mean()
    }
}

#[variational]
pub struct Outer<const WIDTH: usize> {
    inner: Inner<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Outer<WIDTH> {
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        self.inner.loss(x)
    }
}

fn main() -> Result<()> {
    let cx = Context::new(Device::Cpu, DType::F32)?;
    let x = Tensor::from_slice(&[0.0f32; 8], [1, 8])?;
    let (inner, outer) = (Inner::<8>::new(), Outer::<8>::new());
    inner.forward(&cx, &x)?;
    outer.loss(&cx, &x)?;
    outer.loss_gradient(&cx, &x)?;
    println!("{}", inner.parameters().len() + outer.parameters().len());
    Ok(())
}
