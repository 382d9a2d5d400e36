//! Random forward passes, each compiled twice from the same text: as a model, and by rustc as ordinary Rust. The values are equal, and the gradients are those
//! of central differences of the latter.

mod generator;
mod reference;

use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout};

/// The text as an annotated impl and as an impl of plain Rust.
macro_rules! both {
    ($($item:tt)*) => {
        #[allow(dead_code)]
        mod model {
            use ivon_runtime::{layers::Linear, prelude::*};

            #[variational]
            pub struct Pair {
                linear: Linear<4, 4>,
            }
            #[variational]
            impl Pair {
                pub fn forward<B>(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
                    let h = self.linear.forward(x);
                    (h, tanh(h))
                }
            }
            #[variational]
            pub struct Net {
                up: Linear<4, 4>,
                blocks: [Linear<4, 4>; 3],
                inner: [Linear<4, 4>; 2],
                pairs: [Pair; 2],
                more: [Linear<4, 4>; 3],
                #[parameter(when = true)]
                present: Option<Linear<4, 4>>,
                #[parameter(when = false)]
                absent: Option<Linear<4, 4>>,
                #[setting(true)]
                flag: bool,
                #[setting(false)]
                other: bool,
            }
            #[variational]
            $($item)*
        }
        #[allow(unused, clippy::all)]
        mod rust {
            use super::reference::*;

            pub struct Net {
                pub up: Linear,
                pub blocks: [Linear; 3],
                pub inner: [Linear; 2],
                pub pairs: [Pair; 2],
                pub more: [Linear; 3],
                pub present: Option<Linear>,
                pub absent: Option<Linear>,
                pub flag: bool,
                pub other: bool,
            }
            $($item)*
        }
    };
}

macro_rules! programs {
    ($($program:ident $saving:ident $backward:ident)*) => {
        #[test]
        fn programs_compute_what_rust_computes() {
            let setup = setup();
            $(
                let rust = |x: [f64; 4]| setup.rust.$program::<()>(reference::Tensor::new(x)).0;
                let (cx, net) = (&setup.cx, &setup.net);
                let found = net.$program(cx, &setup.x).unwrap().to_f64();
                equal(concat!(stringify!($program), ": values"), &found, &rust(ROW));
                let (_, saved) = net.$saving(cx, &setup.x).unwrap();
                let mut gradient = Adjoint::new();
                net.$backward(cx, saved, cx.filled([1, 4], 1.0).unwrap(), &mut gradient).unwrap();
                equal(concat!(stringify!($program), ": gradient"), &gradient.into_sum("x").unwrap().to_f64(), &slopes(rust));
            )*
        }
    };
}

/// Numbers whose products and sums seldom meet: where two operands of `max` are equal, central differences are of no use.
const ROW: [f64; 4] = [0.93, -0.47, 0.71, 0.28];

struct Setup {
    cx: Context,
    _weights: Flat,
    net: model::Net,
    rust: rust::Net,
    x: Tensor,
}

/// Both nets with the same weights.
fn setup() -> Setup {
    let net = model::Net::new();
    let layout = Layout::of(&net);
    let weight = |i: usize| 0.6 * (i as f64 * 0.7).sin();
    let mut weights = Flat::zeros(&layout, DType::F64).unwrap();
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = weight(i));
    let linear = |name: &str| {
        let of = |part: &str| {
            let name = format!("{name}.{part}");
            layout.entries().iter().find(|e| e.parameter.name() == name).map_or(0, |e| e.offset)
        };
        let (weights, bias) = (of("weight"), of("bias"));
        reference::Linear {
            weight: std::array::from_fn(|r| std::array::from_fn(|c| weight(weights + 4 * r + c))),
            bias: std::array::from_fn(|c| weight(bias + c)),
        }
    };
    let rust = rust::Net {
        up: linear("up"),
        blocks: std::array::from_fn(|i| linear(&format!("blocks.{i}"))),
        inner: std::array::from_fn(|i| linear(&format!("inner.{i}"))),
        pairs: std::array::from_fn(|i| reference::Pair { linear: linear(&format!("pairs.{i}.linear")) }),
        more: std::array::from_fn(|i| linear(&format!("more.{i}"))),
        present: Some(linear("present")),
        absent: None,
        flag: true,
        other: false,
    };
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    cx.set_weights(&weights);
    let x = Tensor::from_slice(&ROW, [1, 4]).unwrap();
    Setup { cx, _weights: weights, net, rust, x }
}

/// The derivative of the sum by each number.
fn slopes(f: impl Fn([f64; 4]) -> [f64; 4]) -> Vec<f64> {
    let at = |i: usize, h: f64| {
        let mut x = ROW;
        x[i] += h;
        f(x).iter().sum::<f64>()
    };
    (0..4).map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5).collect()
}

#[track_caller]
fn equal(what: &str, found: &[f64], right: &[f64]) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    assert!(found.len() == right.len() && found.iter().zip(right).all(close), "{what}: {found:?}, but Rust has {right:?}");
}

/// `WRITE_PROGRAMS=1` writes them anew.
#[test]
fn the_programs_are_those_of_the_generator() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/seeded.rs");
    let programs = generator::programs();
    if std::env::var_os("WRITE_PROGRAMS").is_some() {
        std::fs::write(path, &programs).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == programs, "`seeded.rs` is not what `generator.rs` writes");
}

include!("seeded.rs");
