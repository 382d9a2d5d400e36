//! Whole numbers mean what they mean in Rust.
use super::values;
use ivon_runtime::prelude::*;

const FIVE: usize = 5;
const HALF: f64 = 0.5;
mod constants {
    pub const SEVEN: usize = 7;
    pub const QUARTER: f64 = 0.25;
}

/// A function of numbers, whose body travels.
#[variational]
fn halved<Rest: Dims>(x: Tensor<Rest>, n: usize, a: f64) -> Tensor<Rest> {
    x * (n / 2) + a / 2
}

#[variational]
struct Net<const WIDTH: usize> {
    #[setting(5)]
    groups: usize,
    #[setting(5.0)]
    rate: f64,
    #[parameter(init = ones)]
    gain: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Net<WIDTH> {
    fn literals<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x * (5 / 2) + (1 / 2) + 7 / 2 * x + (-7) / 2 - (3 - 8) / 2 + max(5, 2) / 2 + self.gain * 0.0
    }
    fn floats<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x * (5.0 / 2.0) + 5 as f64 / 2 as f64 + 5f64 / 2.0 + self.gain * 0.0
    }
    fn constants<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x * (FIVE / 2)
            + constants::SEVEN / FIVE
            + HALF / 2
            + 2 * constants::QUARTER
            + (FIVE * 3) / 2
            + FIVE as f64 / 2.0
            + self.gain * 0.0
    }
    fn settings<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x / (self.groups / 2) + self.rate / 2 + self.gain * 0.0
    }
    fn arguments<B>(&self, x: Tensor<B, WIDTH>, n: usize, a: f64) -> Tensor<B, WIDTH> {
        let half = n / 2;
        x * half + a / 2 + (n - 1) / 3 + (WIDTH + 1) / 2 + (B + WIDTH) / 2 + self.gain * 0.0
    }
    fn travelled<B>(&self, x: Tensor<B, WIDTH>, n: usize) -> Tensor<B, WIDTH> {
        halved(x, n, 5) + halved(x, 9 / 2, 1.0) + self.gain * 0.0
    }
    fn difference<B>(&self, x: Tensor<B, WIDTH>, n: usize) -> Tensor<B, WIDTH> {
        x * (n - 5) + self.gain * 0.0
    }
    fn quotient<B>(&self, x: Tensor<B, WIDTH>, n: usize) -> Tensor<B, WIDTH> {
        x * (7 / (n / 2)) + self.gain * 0.0
    }
}

#[test]
fn a_division_of_whole_numbers_is_rounded_towards_zero() {
    let net = Net::<4>::new();
    let half = |n: i64| (n / 2) as f64;
    values::equal(
        &values::of(&net, |cx, x| net.literals(cx, x)),
        &values::each(|x| x * half(5) + half(1) + half(7) * x + half(-7) - half(3 - 8) + half(5)),
    );
    values::equal(&values::of(&net, |cx, x| net.floats(cx, x)), &values::each(|x| x * 2.5 + 2.5 + 2.5));
    values::equal(&values::of(&net, |cx, x| net.constants(cx, x)), &values::each(|x| x * 2.0 + 1.0 + 0.25 + 0.5 + 7.0 + 2.5));
    values::equal(&values::of(&net, |cx, x| net.settings(cx, x)), &values::each(|x| x / 2.0 + 2.5));
    values::equal(&values::of(&net, |cx, x| net.arguments(cx, x, 9, 5.0)), &values::each(|x| x * 4.0 + 2.5 + 2.0 + 2.0 + 2.0));
    values::equal(&values::of(&net, |cx, x| net.travelled(cx, x, 7)), &values::each(|x| x * 3.0 + 2.5 + x * 2.0 + 0.5));
}

/// In Rust both panic.
#[test]
fn a_usize_below_zero_and_a_division_by_zero_are_errors() {
    let net = Net::<4>::new();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    cx.set_weights(&ivon_runtime::Flat::zeros(&ivon_runtime::Layout::of(&net), DType::F64).unwrap());
    let x = Tensor::from_slice(&values::ROW, [1, 4]).unwrap();
    let below = net.difference(&cx, &x, 4).unwrap_err().to_string();
    assert!(below.contains("`n - 5` is 4 - 5"), "{below}");
    let zero = net.quotient(&cx, &x, 1).unwrap_err().to_string();
    assert!(zero.contains("`7 / (n / 2)` is 7 / 0"), "{zero}");
    assert!(net.difference(&cx, &x, 5).is_ok() && net.quotient(&cx, &x, 2).is_ok());
}
