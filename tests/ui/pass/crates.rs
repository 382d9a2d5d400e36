//! Models of another crate, flags with defaults, settings, and an op of one's own.
use ivon_runtime::prelude::*;
use ivon_tests::mlp::Mlp as Perceptron;
use ivon_tests::pointwise::{Gate, swish};

/// An op by hand: a module with the three functions, and its signature beside it.
mod ops {
    pub mod double {
        use ivon_runtime::{Adjoint, Context, Result, Tensor, ops::sum};

        pub struct Saved;

        pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
            let _ = sum::backward; // ops of the runtime are functions like these
            let mut adjoint = Adjoint::of(x.clone());
            adjoint.add(cx, x.clone())?;
            adjoint.into_sum("twice")
        }

        pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
            Ok((forward(cx, x)?, Saved))
        }

        pub fn backward(cx: &Context, _: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
            d_x.add(cx, d_y.clone())?;
            d_x.add(cx, d_y)
        }
    }
    ivon_runtime::signature! {
        pub fn double<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest>;
    }
}
use ops::double;

#[variational]
pub struct Model<const WIDTH: usize, const GATED: bool = true> {
    mlp: Perceptron<WIDTH>,
    gate: Gate<WIDTH>,
    #[parameter(when = GATED, frozen)]
    shift: Option<Parameter<WIDTH>>,
    weight: Parameter<WIDTH, WIDTH>,
    #[setting(2)]
    pub power: usize,
}

#[variational]
impl<const WIDTH: usize, const GATED: bool> Model<WIDTH, GATED> {
    pub fn loss<B, T>(&self, x: Tensor<B, T, WIDTH>, mask: Tensor<T, WIDTH>) -> Tensor {
        let y = double(self.gate.forward(self.mlp.forward(x), mask));
        ivon_runtime::ops::linear(swish(y, 1.5) * self.power, self.weight, self.shift).mean()
    }
}

#[test]
fn it_runs() -> Result<()> {
    let mut model = Model::<4, false>::new();
    model.power = 3;
    let cx = Context::new(Device::Cpu, DType::F64)?;
    let layout = ivon_runtime::Layout::of(&model);
    cx.set_weights(&ivon_runtime::Flat::zeros(&layout, DType::F64).unwrap());
    let (x, mask) = (cx.filled([2, 3, 4], 0.5)?, cx.filled([3, 4], 1.0)?);
    assert_eq!(model.loss(&cx, &x, &mask)?.item()?, 0.0);
    assert!(Model::build(4, true)?.parameters().len() == model.parameters().len() + 1);
    Ok(())
}
