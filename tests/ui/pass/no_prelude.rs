//! A module without the prelude, with types of its own by the prelude's names.
#![no_implicit_prelude]
#![allow(non_camel_case_types, dead_code)]
use super::lints::Same;
use ::ivon_runtime::{
    layers::Linear,
    ops::{gelu, linear},
    prelude::*,
    variational,
};

pub struct Option;
pub struct Some;
pub struct Vec;
pub struct Box;
pub struct String;
pub struct f64;
pub struct bool;
pub struct str;
pub struct u64;
pub trait Clone {}
pub trait Default {}
pub trait Iterator {}
pub fn drop() {}
pub mod std {}
pub mod core {}
pub mod ivon {}

#[variational]
pub struct Net<L: Same, const WIDTH: usize> {
    ups: [Linear<WIDTH, WIDTH>; 2],
    same: L<WIDTH>,
    #[parameter(init = constant(1.0), weight_decay = 0.0)]
    bias: Parameter<WIDTH>,
    weight: Parameter<WIDTH, { 2 * WIDTH - WIDTH }>,
    #[setting(2)]
    count: usize,
}

#[variational]
impl<L: Same, const WIDTH: usize> Net<L, WIDTH> {
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        let mut y = gelu(x);
        for up in &self.ups {
            y = up.forward(y) + tanh(y * y);
        }
        let z = self.same.forward(y) + self.bias * self.count;
        concat([z.reshape([B * WIDTH]), (x * x).reshape([B * WIDTH])], 0).mean() + linear(x, self.weight, None).mean()
    }
}

#[test]
fn it_computes() {
    let net = Net::<Linear, 4>::new();
    let value = super::values::of(&net, |cx, x| net.loss(cx, x));
    ::std::assert!(value[0].is_finite());
}
