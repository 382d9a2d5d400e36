use crate::ops::dropout;
use crate::variational;

/// Sets elements to zero with probability `rate` in training and scales the others by 1 / (1 - rate) (Srivastava et al. 2014).
#[variational]
#[derive(Clone, Debug)]
pub struct Dropout {
    /// In [0, 1); 0 by default, which drops nothing.
    #[setting(0.0)]
    pub rate: f64,
}

#[variational]
impl Dropout {
    /// The same shape.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest>) -> Tensor<Rest> {
        dropout(x, self.rate)
    }
}
