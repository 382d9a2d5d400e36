//! A name stands for what it stands for in Rust: a `let` makes a new variable until the end of its block.
use super::values;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
struct Pair {
    linear: Linear<4, 4>,
}

#[variational]
impl Pair {
    fn forward<B>(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let h = self.linear.forward(x);
        (h, relu(h))
    }
}

#[variational]
struct Net {
    blocks: [Linear<4, 4>; 3],
    pairs: [Pair; 3],
    inner: [Linear<4, 4>; 2],
}

#[variational]
impl Net {
    fn hidden<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = x;
        let mut y = x * 0.0;
        for block in &self.blocks {
            x = block.forward(x);
            let x = relu(x);
            y = y + x;
        }
        x + y
    }
    fn apart<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = x;
        let mut y = x * 0.0;
        for block in &self.blocks {
            x = block.forward(x);
            let z = relu(x);
            y = y + z;
        }
        x + y
    }

    fn tuple_hidden<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = x;
        let mut y = x * 0.0;
        for pair in &self.pairs {
            let (a, b) = pair.forward(x);
            x = a;
            let (x, _) = (b, a);
            y = y + x;
        }
        x + y
    }
    fn tuple_apart<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = x;
        let mut y = x * 0.0;
        for pair in &self.pairs {
            let (a, b) = pair.forward(x);
            x = a;
            y = y + b;
        }
        x + y
    }

    /// A `mut` variable of the loop's own, a loop in the loop, and a layer's name for a value.
    fn nested_hidden<B>(&self, mut x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (mut y, z) = (x * 0.5, x);
        for block in &self.blocks {
            y = block.forward(x) + y;
            let mut y = relu(y);
            for block in &self.inner {
                y = block.forward(y);
                let x = tanh(y);
                y = y + x;
            }
            x = x + 0.1 * y;
            let x = x * 3.0;
            y = x - y;
            let block = y + x;
            y = block;
        }
        x + y * z
    }
    fn nested_apart<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut a = x;
        let mut c = x * 0.5;
        for block in &self.blocks {
            c = block.forward(a) + c;
            let mut d = relu(c);
            for inner in &self.inner {
                d = inner.forward(d);
                d = d + tanh(d);
            }
            a = a + 0.1 * d;
        }
        a + c * x
    }
}

#[test]
fn a_let_in_a_loop_hides_what_the_loop_rebinds() {
    let net = Net::new();
    values::equal(&values::of(&net, |cx, x| net.hidden(cx, x)), &values::of(&net, |cx, x| net.apart(cx, x)));
}

#[test]
fn a_tuple_pattern_in_a_loop_hides_what_the_loop_rebinds() {
    let net = Net::new();
    values::equal(&values::of(&net, |cx, x| net.tuple_hidden(cx, x)), &values::of(&net, |cx, x| net.tuple_apart(cx, x)));
}

#[test]
fn a_loop_in_a_loop_has_variables_of_its_own() {
    let net = Net::new();
    values::equal(&values::of(&net, |cx, x| net.nested_hidden(cx, x)), &values::of(&net, |cx, x| net.nested_apart(cx, x)));
}
