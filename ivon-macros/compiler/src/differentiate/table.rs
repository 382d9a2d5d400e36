//! The adjoints of elementwise steps, one formula each.

use crate::expression::Node::*;
use crate::expression::{Graph, NodeId};
use crate::intrinsics::Intrinsic;

/// Returns the contributions of a step `y` to the adjoints of its operands, given its own adjoint `d`.
pub fn contributions(g: &mut Graph, y: NodeId, d: NodeId) -> Vec<(NodeId, NodeId)> {
    match g.node(y) {
        Input(_) | Number(_) | Constant(_) | Gate(..) | Share(..) => vec![],
        // y = [a > b] and its like are constants almost everywhere.
        Greater(a, b) | AtLeast(a, b) | Equal(a, b) => [a, b].into_iter().map(|x| (x, g.constant(0.0))).collect(),
        // y = -x: d_x = -d
        Negate(x) => vec![(x, g.negate(d))],
        // y = a + b: d_a = d, d_b = d
        Add(a, b) => vec![(a, d), (b, d)],
        // y = a - b: d_a = d, d_b = -d
        Subtract(a, b) => vec![(a, d), (b, g.negate(d))],
        // y = a b: d_a = d b, d_b = d a
        Multiply(a, b) => vec![(a, g.times(d, b)), (b, g.times(d, a))],
        // y = a / b: d_a = d / b, d_b = -(d / b) y
        Divide(a, b) => {
            let d_a = g.over(d, b);
            let product = g.times(d_a, y);
            vec![(a, d_a), (b, g.negate(product))]
        }
        // y = a where m is not 0, else b: d_a = d there, d_b = d elsewhere
        Select(m, a, b) => {
            let zero = g.constant(0.0);
            let (d_a, d_b) = (g.add(Select(m, d, zero)), g.add(Select(m, zero, d)));
            vec![(m, zero), (a, d_a), (b, d_b)]
        }
        // y = max(a, b): d_a = d where a > b, d / 2 where a = b
        Max(a, b) => vec![(a, g.add(Share(a, b, d))), (b, g.add(Share(b, a, d)))],
        // y = min(a, b): d_a = d where b > a, d / 2 where a = b
        Min(a, b) => vec![(a, g.add(Share(b, a, d))), (b, g.add(Share(a, b, d)))],
        // y = x^p: d_x = d p x^(p - 1), and 0 for p = 0 at x = 0 too, where x^(-1) would be infinite: the exponent is p - [|p| > 0]
        Power(x, p) => {
            let less = match g.node(p) {
                Constant(p) => g.constant(p - f64::from(p != 0.0)),
                _ => {
                    let (zero, size) = (g.constant(0.0), g.call(Intrinsic::Abs, p));
                    let one = g.add(Greater(size, zero));
                    g.minus(p, one)
                }
            };
            let power = g.add(Power(x, less));
            let slope = g.times(p, power);
            vec![(x, g.times(d, slope))]
        }
        Call(f, x) => {
            let one = g.constant(1.0);
            let d_x = match f {
                // e^x: d y
                Intrinsic::Exp => g.times(d, y),
                // ln x: d / x
                Intrinsic::Ln => g.over(d, x),
                // sqrt x: d / (2 y)
                Intrinsic::Sqrt => {
                    let two = g.constant(2.0);
                    let twice = g.times(two, y);
                    g.over(d, twice)
                }
                // tanh x: d (1 - y^2)
                Intrinsic::Tanh => {
                    let square = g.times(y, y);
                    let slope = g.minus(one, square);
                    g.times(d, slope)
                }
                // sigmoid x: d y (1 - y)
                Intrinsic::Sigmoid => {
                    let rest = g.minus(one, y);
                    let slope = g.times(y, rest);
                    g.times(d, slope)
                }
                // erf x: d 2 / sqrt(pi) e^(-x^2)
                Intrinsic::Erf => {
                    let square = g.times(x, x);
                    let exponent = g.negate(square);
                    let bell = g.call(Intrinsic::Exp, exponent);
                    let c = g.constant(std::f64::consts::FRAC_2_SQRT_PI);
                    let slope = g.times(c, bell);
                    g.times(d, slope)
                }
                // sin x: d cos x
                Intrinsic::Sin => {
                    let slope = g.call(Intrinsic::Cos, x);
                    g.times(d, slope)
                }
                // cos x: -d sin x
                Intrinsic::Cos => {
                    let slope = g.call(Intrinsic::Sin, x);
                    let product = g.times(d, slope);
                    g.negate(product)
                }
                // |x|: d ([x > 0] - [0 > x])
                Intrinsic::Abs => {
                    let zero = g.constant(0.0);
                    let (up, down) = (g.add(Greater(x, zero)), g.add(Greater(zero, x)));
                    let sign = g.minus(up, down);
                    g.times(d, sign)
                }
                // relu x: d where x > 0
                Intrinsic::Relu => g.add(Gate(x, d)),
                // These are other nodes: see `Graph::call` and `fuse`.
                Intrinsic::IsPositive | Intrinsic::Max | Intrinsic::Min | Intrinsic::Powf | Intrinsic::Select => return vec![],
                Intrinsic::Gt | Intrinsic::Ge | Intrinsic::Lt | Intrinsic::Le | Intrinsic::Eq | Intrinsic::Ne => return vec![],
            };
            vec![(x, d_x)]
        }
    }
}
