//! GELU in its form with tanh and its slope: as kernels of their own, and for elements that a product has in the cache. Shared by the product before it and the one after it.

use crate::device::cpu::real::Real;
use crate::device::cpu::simd::set::Baseline;
use crate::device::cpu::simd::{Instructions, multiply_add};
use crate::ops::pointwise::Kernel;
use crate::versions;

/// The name of the function in adjoints.
pub(crate) const NAME: &str = "gelu_tanh";

/// v = 2 sqrt(2 / π) (h + 0.044715 h³) = h (A + B h²), of which gelu(h) = h σ(v) = h (1 + tanh(v / 2)) / 2.
const A: f64 = 1.5957691216057308;
const B: f64 = 0.07135481627260025;

#[inline(always)]
fn gelu<Set: Instructions, E: Real>(h: E) -> E {
    h * (h * multiply_add::<Set, E>(h * h, E::of(B), E::of(A))).sigmoid_beside_products::<Set>()
}

/// gelu'(h) = s + s (1 - s) h v' with s = σ(v) and v' = A + 3 B h².
#[inline(always)]
fn slope<Set: Instructions, E: Real>(h: E) -> E {
    let z = h * h;
    let s = (h * multiply_add::<Set, E>(z, E::of(B), E::of(A))).sigmoid_beside_products::<Set>();
    multiply_add::<Set, E>(s * h * multiply_add::<Set, E>(z, E::of(3.0 * B), E::of(A)), E::of(1.0) - s, s)
}

/// gelu(h).
pub struct Gelu;

impl Kernel<1, 0, 1> for Gelu {
    const NAME: &'static str = "gelu_tanh";
    const CUDA: &'static str = "y0 = x0 * (1.0f / (1.0f + expf(-(x0 * (1.5957692f + 0.071354816f * (x0 * x0))))));\n";
    const OPERATIONS: usize = 7;
    #[inline(always)]
    fn apply<E: Real>([h]: [E; 1], []: [E; 0]) -> [E; 1] {
        [gelu::<Baseline, E>(h)]
    }
}

/// d gelu'(h), of h and d.
pub struct Slope;

impl Kernel<2, 0, 1> for Slope {
    const NAME: &'static str = "gradient of gelu_tanh";
    const CUDA: &'static str = "const float z = x0 * x0;\n\
        const float s = 1.0f / (1.0f + expf(-(x0 * (1.5957692f + 0.071354816f * z))));\n\
        y0 = x1 * (s + s * (1.0f - s) * x0 * (1.5957692f + 0.21406445f * z));\n";
    const OPERATIONS: usize = 13;
    #[inline(always)]
    fn apply<E: Real>([h, d]: [E; 2], []: [E; 0]) -> [E; 1] {
        [d * slope::<Baseline, E>(h)]
    }
}

versions! {
    /// c = gelu(c). The old c goes to `kept`, unless that is empty.
    pub fn activate<{E: Real} {E}>(c: &mut [E], kept: &mut [E]) {
        if !kept.is_empty() {
            kept.copy_from_slice(c);
        }
        for c in c {
            *c = gelu::<Set, E>(*c);
        }
    }
}

versions! {
    /// c = c gelu'(h).
    pub fn multiply_by_slope<{E: Real} {E}>(c: &mut [E], h: &[E]) {
        for (c, h) in c.iter_mut().zip(h) {
            *c *= slope::<Set, E>(*h);
        }
    }
}
