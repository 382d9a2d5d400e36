//! A model that a `macro_rules!` writes: variables of one name from different places stay apart, and an argument keeps its brackets.
use super::values;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

macro_rules! residual {
    ($name:ident, $x:ident, $other:expr, $layer:ident) => {
        #[variational]
        struct $name {
            up: Linear<4, 4>,
            layers: [Linear<4, 4>; 2],
        }

        #[variational]
        impl $name {
            fn forward<B>(&self, $x: Tensor<B, 4>) -> Tensor<B, 4> {
                let t = self.up.forward($x);
                t + $other
            }
            fn product<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
                let $x = self.up.forward(x);
                2.0 * ($other) - 2.0 * $other + x * $other
            }
            fn looped<B>(&self, $x: Tensor<B, 4>) -> Tensor<B, 4> {
                let mut t = $x * 0.0;
                let mut $x = $x;
                for $layer in &self.layers {
                    t = t + $layer.forward($x);
                    $x = $other;
                }
                t + $x
            }
            fn up<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
                self.up.forward(x)
            }
            fn both<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
                let mut sum = x * 0.0;
                let mut y = x;
                for layer in &self.layers {
                    sum = sum + layer.forward(y);
                    y = y + 1.0;
                }
                sum + y
            }
        }
    };
}
residual!(Net, t, t + 1.0, layer);
residual!(Other, x, x + 1.0, layer);

#[test]
fn variables_of_one_name_stay_apart() {
    let net = Net::new();
    let up = values::of(&net, |cx, x| net.up(cx, x));
    let right: Vec<f64> = up.iter().zip(values::ROW).map(|(up, x)| up + x + 1.0).collect();
    values::equal(&values::of(&net, |cx, x| net.forward(cx, x)), &right);
    let other = Other::new();
    values::equal(&values::of(&other, |cx, x| other.forward(cx, x)), &right);
    values::equal(&values::of(&net, |cx, x| net.looped(cx, x)), &values::of(&net, |cx, x| net.both(cx, x)));
}

#[test]
fn an_argument_keeps_its_brackets() {
    let net = Net::new();
    let up = values::of(&net, |cx, x| net.up(cx, x));
    let right: Vec<f64> = up.iter().zip(values::ROW).map(|(up, x)| x * (up + 1.0)).collect();
    values::equal(&values::of(&net, |cx, x| net.product(cx, x)), &right);
}

/// Of a pointwise function, whose body travels.
macro_rules! scaled {
    ($name:ident, $factor:expr) => {
        #[variational]
        fn $name<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
            let t = 2.0;
            x * $factor - t * $factor
        }
    };
}
scaled!(by_three, 1.0 + 2.0);

#[variational]
struct Scaled {
    gain: Parameter<4>,
}

#[variational]
impl Scaled {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        by_three(x) + 0.0 * self.gain
    }
}

#[test]
fn the_argument_of_a_function_that_a_macro_writes_keeps_its_brackets() {
    let model = Scaled::new();
    values::equal(&values::of(&model, |cx, x| model.forward(cx, x)), &values::each(|x| 3.0 * x - 6.0));
}
