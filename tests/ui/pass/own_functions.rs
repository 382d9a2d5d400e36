//! A name that the language has, too: the user's own function or method is what is called.
use super::values;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

mod mine {
    use ivon_runtime::prelude::*;

    /// Not the hyperbolic tangent.
    #[variational]
    pub fn tanh<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
        10.0 * x
    }

    #[variational]
    pub fn tenfold<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
        self::tanh(x) + 1.0
    }

    pub const SCALE: f64 = 3.0;

    /// Its body reads a constant of this module.
    #[variational]
    pub fn scaled<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
        x * SCALE
    }

    #[variational]
    pub struct Act {
        #[parameter(init = ones)]
        gain: Parameter<4>,
    }

    #[variational]
    impl Act {
        pub fn relu<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            x * 7.0 + self.gain * 0.0
        }
        pub fn sum<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            x * 5.0 + self.gain * 0.0
        }
        pub fn max<B>(&self, x: Tensor<B, 4>, y: Tensor<B, 4>) -> Tensor<B, 4> {
            x + y + self.gain * 0.0
        }
    }
}
use mine::tanh;
use mine::tenfold as relu;
use mine::{Act, scaled};

/// Of this module, not of `mine`.
const SCALE: f64 = 100.0;

#[variational]
fn exp<Rest: Dims>(x: Tensor<Rest>, y: Tensor<Rest>) -> Tensor<Rest> {
    x - y
}

#[variational]
struct Net {
    act: Act,
    acts: [Act; 2],
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    fn functions<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        tanh(x) + relu(x) + exp(x, 2.0 * x) + x.tanh() + SCALE * x
    }
    fn methods<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut y = self.act.relu(x) + self.act.sum(x) + self.act.max(x, x);
        for act in &self.acts {
            y = act.max(act.sum(y), x.relu());
        }
        y
    }
    fn sigmoid<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    fn own<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.sigmoid(x)
    }
    fn travelled<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        scaled(x) + self.up.forward(x) * 0.0
    }
}

#[test]
fn a_function_of_the_users_own_is_called() {
    let net = Net::new();
    values::equal(
        &values::of(&net, |cx, x| net.functions(cx, x)),
        &values::each(|x| 10.0 * x + 10.0 * x + 1.0 - x + x.tanh() + 100.0 * x),
    );
    values::equal(&values::of(&net, |cx, x| net.own(cx, x)), &values::of(&net, |cx, x| net.up.forward(cx, x)));
}

#[test]
fn a_method_of_a_layer_is_called() {
    let net = Net::new();
    let right = values::each(|x| {
        let y = 7.0 * x + 5.0 * x + 2.0 * x;
        5.0 * (5.0 * y + x.max(0.0)) + x.max(0.0)
    });
    values::equal(&values::of(&net, |cx, x| net.methods(cx, x)), &right);
}

/// The body of a function was compiled where it was called, and read a constant there.
#[test]
fn a_function_reads_the_constants_of_its_own_module() {
    let net = Net::new();
    values::equal(&values::of(&net, |cx, x| net.travelled(cx, x)), &values::each(|x| 3.0 * x));
}
