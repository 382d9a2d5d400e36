//! The values of the programs when rustc compiles them as ordinary Rust: rows of four numbers, and layers that are written out.

use std::marker::PhantomData;
use std::ops::{Add, Mul, Neg, Sub};

/// A row. `B` is there because signatures of models name it.
pub struct Tensor<B, const N: usize>(pub [f64; N], PhantomData<B>);

impl<B, const N: usize> Clone for Tensor<B, N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<B, const N: usize> Copy for Tensor<B, N> {}

impl<B, const N: usize> Tensor<B, N> {
    pub fn new(row: [f64; N]) -> Self {
        Tensor(row, PhantomData)
    }
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Tensor::new(self.0.map(f))
    }
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Tensor::new(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
    pub fn tanh(self) -> Self {
        self.map(f64::tanh)
    }
}

pub fn tanh<B, const N: usize>(x: Tensor<B, N>) -> Tensor<B, N> {
    x.tanh()
}
pub fn sin<B, const N: usize>(x: Tensor<B, N>) -> Tensor<B, N> {
    x.map(f64::sin)
}
pub fn sigmoid<B, const N: usize>(x: Tensor<B, N>) -> Tensor<B, N> {
    x.map(|x| 1.0 / (1.0 + (-x).exp()))
}

impl<B, const N: usize> Neg for Tensor<B, N> {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(|x| -x)
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $f:expr;)*) => { $(
        impl<B, const N: usize> $operator for Tensor<B, N> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.zip(other, $f)
            }
        }
        operators!(numbers $operator $method $f; f64 i32);
    )* };
    (numbers $operator:ident $method:ident $f:expr; $($number:ty)*) => { $(
        impl<B, const N: usize> $operator<$number> for Tensor<B, N> {
            type Output = Self;
            fn $method(self, other: $number) -> Self {
                self.map(|x| $f(x, other as f64))
            }
        }
        impl<B, const N: usize> $operator<Tensor<B, N>> for $number {
            type Output = Tensor<B, N>;
            fn $method(self, other: Tensor<B, N>) -> Tensor<B, N> {
                other.map(|x| $f(self as f64, x))
            }
        }
    )* };
}
operators! {
    Add add |a: f64, b: f64| a + b;
    Sub sub |a: f64, b: f64| a - b;
    Mul mul |a: f64, b: f64| a * b;
}

/// Operands of one number a row.
macro_rules! columns {
    ($($operator:ident $method:ident $f:expr;)*) => { $(
        impl<B> $operator<Tensor<B, 1>> for Tensor<B, 4> {
            type Output = Self;
            fn $method(self, other: Tensor<B, 1>) -> Self {
                self.map(|x| $f(x, other.0[0]))
            }
        }
        impl<B> $operator<Tensor<B, 4>> for Tensor<B, 1> {
            type Output = Tensor<B, 4>;
            fn $method(self, other: Tensor<B, 4>) -> Tensor<B, 4> {
                other.map(|x| $f(self.0[0], x))
            }
        }
    )* };
}
columns! {
    Add add |a: f64, b: f64| a + b;
    Sub sub |a: f64, b: f64| a - b;
    Mul mul |a: f64, b: f64| a * b;
}

impl<B, const N: usize> Tensor<B, N> {
    pub fn mean_keep(self, _axis: i32) -> Tensor<B, 1> {
        Tensor::new([self.0.iter().sum::<f64>() / N as f64])
    }
    pub fn max_keep(self, _axis: i32) -> Tensor<B, 1> {
        Tensor::new([self.0.into_iter().fold(f64::NEG_INFINITY, f64::max)])
    }
    pub fn logsumexp_keep(self, _axis: i32) -> Tensor<B, 1> {
        Tensor::new([self.0.iter().map(|x| x.exp()).sum::<f64>().ln()])
    }
    pub fn unsqueeze(self, _axis: i32) -> Self {
        self
    }
    pub fn squeeze(self, _axis: i32) -> Self {
        self
    }
}

pub fn max<B, const N: usize>(a: Tensor<B, N>, b: Tensor<B, N>) -> Tensor<B, N> {
    a.zip(b, f64::max)
}
pub fn gt<B, const N: usize>(a: Tensor<B, N>, b: Tensor<B, N>) -> Tensor<B, N> {
    a.zip(b, |a, b| f64::from(u8::from(a > b)))
}
pub fn select<B, const N: usize>(mask: Tensor<B, N>, a: Tensor<B, N>, b: Tensor<B, N>) -> Tensor<B, N> {
    Tensor::new(std::array::from_fn(|i| if mask.0[i] != 0.0 { a.0[i] } else { b.0[i] }))
}

/// x W^T + b
pub struct Linear {
    pub weight: [[f64; 4]; 4],
    pub bias: [f64; 4],
}

impl Linear {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let row = |i: usize| self.weight[i].iter().zip(x.0).map(|(w, x)| w * x).sum::<f64>() + self.bias[i];
        Tensor::new(std::array::from_fn(row))
    }
}

/// Two results.
pub struct Pair {
    pub linear: Linear,
}

impl Pair {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let h = self.linear.forward(x);
        (h, tanh(h))
    }
}
