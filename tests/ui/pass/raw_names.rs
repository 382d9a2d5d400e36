//! Raw identifiers: names of parameters are without `r#`.
use super::values;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    r#type: Linear<4, 4>,
    #[parameter(init = ones)]
    r#move: Parameter<4>,
    r#gen: Parameter<4>,
    #[parameter(weight.init = zeros)]
    r#loop: [Linear<4, 4>; 2],
    #[setting(2)]
    pub r#in: usize,
    #[buffer(init = ones)]
    r#static: Buffer<4>,
    r#become: Buffer<4>,
}

#[variational]
impl Net {
    pub fn r#try<B>(&self, r#in: Tensor<B, 4>, r#as: f64) -> Tensor<B, 4> {
        let mut r#fn = self.r#type.forward(r#in) + self.r#move * r#as;
        for r#box in &self.r#loop {
            r#fn = r#fn + r#box.forward(r#fn);
        }
        let r#x = r#fn;
        x * self.r#in + self.r#gen
    }
    pub fn r#loss<B>(&self, x: Tensor<B, 4>) -> Tensor {
        self.r#try(x, 2.0).mean()
    }
    pub fn normal<B, H, W>(&self, x: Tensor<B, H, W, 4>) -> Tensor<B, H, W, 4> {
        ivon_runtime::ops::batch_norm(x, self.r#move, self.r#gen, self.r#static, self.r#become, 0.1, 1e-5)
    }
}

#[test]
fn names_of_parameters_are_plain() {
    let net = Net::new();
    let names: Vec<_> = net.parameters().iter().map(|p| p.name().to_string()).collect();
    let right = ["type.weight", "type.bias", "move", "gen", "loop.0.weight", "loop.0.bias", "loop.1.weight", "loop.1.bias"];
    assert_eq!(names, right);
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let layout = ivon_runtime::Layout::of(&net);
    cx.set_weights(&ivon_runtime::Flat::zeros(&layout, DType::F64).unwrap());
    let gradient = ivon_runtime::Flat::zeros(&layout, DType::F64).unwrap();
    cx.set_gradient(Some(&gradient));
    let x = Tensor::from_slice(&values::ROW, [1, 4]).unwrap();
    net.loss_gradient(&cx, &x).unwrap();
    assert!(net.try_saving(&cx, &x, 1.0).is_ok());
    assert!(gradient.as_slice::<f64>().iter().any(|g| *g != 0.0));
    assert!(!format!("{:?}", net.graph()).contains("r#"));
}

mod types {
    use ivon_runtime::{layers::Linear, prelude::*};

    #[variational]
    #[allow(non_camel_case_types)]
    pub struct r#struct {
        up: Linear<4, 4>,
    }

    #[variational]
    impl r#struct {
        pub fn r#forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            r#enum(self.up.forward(x))
        }
    }

    #[variational]
    pub fn r#enum<Rest: Dims>(r#match: Tensor<Rest>) -> Tensor<Rest> {
        r#match * 2.0
    }
}

#[test]
fn a_model_and_a_function_have_raw_names() {
    assert_eq!(types::r#struct::new().parameters()[0].name(), "up.weight");
}
