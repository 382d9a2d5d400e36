//! `#[cfg]` and `#[cfg_attr]` mean what they mean elsewhere, wherever they stand; other attributes reach generated code.
use super::values;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
struct Net {
    #[cfg_attr(all(), parameter(frozen))]
    up: Linear<4, 4>,
    #[cfg(any())]
    absent: Linear<4, 4>,
    #[cfg(not(any()))]
    present: Linear<4, 4>,
}

#[variational]
impl Net {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let h = self.up.forward(x);
        #[cfg(any())]
        let h = h * 100.0;
        #[cfg(not(any()))]
        let h = h + 1.0;
        #[cfg(any())]
        let h = self.absent.forward(h);
        h
    }
    #[cfg(any())]
    fn twice<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(x) * 2.0
    }
    #[cfg(not(any()))]
    fn twice<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(x) + self.forward(x)
    }
    #[cfg(any())]
    fn probe<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.nothing.forward(x)
    }
    fn last<B>(&self, x: Tensor<B, 4>, #[cfg(any())] y: Tensor<B, 4>) -> Tensor<B, 4> {
        self.present.forward(x)
    }
}

impl Net {
    fn probe(&self) -> usize {
        1
    }
}

#[variational]
#[cfg(any())]
struct Absent {
    up: Nothing<4>,
}

#[variational]
#[cfg(any())]
impl Absent {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
}

#[variational]
fn shifted<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    #[cfg(any())]
    let x = x * 100.0;
    x + 1.0
}

#[variational]
trait Layer {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4>;
    #[cfg(any())]
    fn absent<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4>;
}

#[variational]
impl Layer for Net {}

#[variational]
struct Around<L: Layer> {
    inner: L,
}

#[variational]
impl<L: Layer> Around<L> {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        shifted(self.inner.forward(x))
    }
}

#[test]
fn what_rustc_leaves_out_is_left_out() {
    let net = Net::new();
    let names: Vec<_> = net.parameters().iter().map(|p| p.name().to_string()).collect();
    assert_eq!(names, ["up.weight", "up.bias", "present.weight", "present.bias"]);
    assert!(net.parameters()[0].frozen() && !net.parameters()[2].frozen());
    assert_eq!(net.probe(), 1);
    let once = values::of(&net, |cx, x| net.forward(cx, x));
    let up = values::of(&net, |cx, x| net.up.forward(cx, x));
    values::equal(&once, &up.iter().map(|up| up + 1.0).collect::<Vec<_>>());
    values::equal(&values::of(&net, |cx, x| net.twice(cx, x)), &once.iter().map(|y| 2.0 * y).collect::<Vec<_>>());
    assert_eq!(values::of(&net, |cx, x| net.last(cx, x)).len(), 4);
    let around = Around::<Net>::new();
    values::equal(&values::of(&around, |cx, x| around.forward(cx, x)), &once.iter().map(|y| y + 1.0).collect::<Vec<_>>());
}

mod silenced {
    #![forbid(unused_attributes)]
    #![deny(deprecated)]
    use ivon_runtime::{layers::Linear, prelude::*};

    #[variational]
    pub struct Old {
        up: Linear<4, 4>,
    }

    #[variational]
    impl Old {
        #[deprecated]
        pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            self.up.forward(x)
        }
    }

    #[variational]
    pub struct Whole {
        old: Old,
    }

    #[variational]
    #[allow(clippy::needless_return)]
    impl Whole {
        #[allow(deprecated)]
        pub fn outer<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            return self.old.forward(x);
        }
        pub fn inner<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            /// rustfmt and rustdoc read the source.
            #[rustfmt::skip]
            #[allow(deprecated, unused_doc_comments)]
            let y = self.old.forward(x);
            y + 1.0
        }
        #[expect(deprecated)]
        pub fn expected<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            self.old.forward(x)
        }
    }
}

#[test]
fn a_lint_is_silenced_where_the_source_says_so() {
    assert_eq!(silenced::Whole::new().parameters().len(), 2);
}
