//! GELU in its form with tanh and its slope: as kernels of their own, and for elements that a product has in the cache.

use crate::ops::pointwise::Kernel;
use crate::{Real, versions};

/// gelu(h) = h σ(2 u) with u = sqrt(2 / π) (h + 0.044715 h³), which is h (1 + tanh u) / 2.
pub struct Gelu;

impl Kernel<1, 0, 1> for Gelu {
    const NAME: &'static str = "gelu_tanh";
    const CUDA: &'static str = "y0 = x0 * (1.0f / (1.0f + expf(-(1.5957692f * (x0 + 0.044715f * x0 * x0 * x0)))));\n";
    const OPERATIONS: usize = 7;
    #[inline(always)]
    fn apply<E: Real>([h]: [E; 1], []: [E; 0]) -> [E; 1] {
        [h * (E::of(1.5957691216057308) * (h + E::of(0.044715) * h * h * h)).sigmoid()]
    }
}

/// d gelu'(h), of h and d: with s = σ(v) and v = 2 u, gelu' = s + s (1 - s) h v'. As the derivative of [`Gelu`] that the compiler writes, in half the operations.
pub struct Slope;

impl Kernel<2, 0, 1> for Slope {
    const NAME: &'static str = "gradient of gelu_tanh";
    const CUDA: &'static str = "const float z = x0 * x0;\n\
        const float s = 1.0f / (1.0f + expf(-(x0 * (1.5957692f + 0.071354816f * z))));\n\
        y0 = x1 * (s + s * (1.0f - s) * x0 * (1.5957692f + 0.21406445f * z));\n";
    const OPERATIONS: usize = 13;
    #[inline(always)]
    fn apply<E: Real>([h, d]: [E; 2], []: [E; 0]) -> [E; 1] {
        let z = h * h;
        let s = (h * (E::of(1.5957691216057308) + E::of(0.07135481627260025) * z)).sigmoid();
        [d * (s + s * (E::of(1.0) - s) * h * (E::of(1.5957691216057308) + E::of(0.21406444881780076) * z))]
    }
}

versions! {
    /// c = gelu(c). The old c goes to `kept`, unless that is empty.
    pub fn activate<{E: Real} {E}>(c: &mut [E], kept: &mut [E]) {
        if !kept.is_empty() {
            kept.copy_from_slice(c);
        }
        for c in c {
            [*c] = Gelu::apply([*c], []);
        }
    }
}

versions! {
    /// c = c gelu'(h).
    pub fn multiply_by_slope<{E: Real} {E}>(c: &mut [E], h: &[E]) {
        for (c, h) in c.iter_mut().zip(h) {
            [*c] = Slope::apply([*h, *c], []);
        }
    }
}
