//! Lints that the user silences are silenced in generated code, and what is expected need not be found in it.
#![deny(warnings)]
use ivon_runtime::{layers::*, prelude::*};

#[deprecated(note = "use the other one")]
#[variational]
pub struct Old {
    up: Linear<4, 4>,
}
#[allow(deprecated)]
#[variational]
impl Old {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
}

#[variational]
#[allow(deprecated)]
pub struct Uses {
    old: Old,
    part: Part,
}
#[variational]
impl Uses {
    #[allow(deprecated)]
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.part.forward(self.old.forward(x))
    }
}
#[variational]
pub struct Part {
    up: Linear<4, 4>,
}
#[variational]
impl Part {
    #[deprecated]
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        halved(self.up.forward(x))
    }
    #[allow(deprecated)]
    pub fn again<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(x)
    }
}
#[variational]
#[allow(dead_code, non_snake_case)]
fn halved<Rest: Dims>(X: Tensor<Rest>) -> Tensor<Rest> {
    X * 0.5
}

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    #[must_use]
    #[expect(unused_variables)]
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = x;
        self.up.forward(x)
    }
}

#[test]
fn they_are_built() {
    assert_eq!(Uses::new().parameters().len() + Net::new().parameters().len(), 6);
}
