use super::Linear;
use crate::ops::grouped_attention;
use crate::variational;

/// Multi-head attention (Vaswani et al. 2017): projections to queries, keys and values, attention per head, and a projection of its output.
///
/// `KV_HEADS` heads of keys and values serve `HEADS` heads of queries (grouped-query attention, Ainslie et al. 2023); both are equal in the
/// original. With `CAUSAL` a position sees no later one. `dropout` is the rate for the weights in training, `window` the distance
/// below which positions see each other (0 for all); both are settings.
#[variational]
#[derive(Clone, Debug)]
pub struct MultiHeadAttention<
    const WIDTH: usize,
    const HEADS: usize,
    const KV_HEADS: usize,
    const CAUSAL: bool = false,
    const BIAS: bool = true,
> {
    query: Linear<WIDTH, WIDTH, BIAS>,
    key: Linear<WIDTH, { WIDTH / HEADS * KV_HEADS }, BIAS>,
    value: Linear<WIDTH, { WIDTH / HEADS * KV_HEADS }, BIAS>,
    out: Linear<WIDTH, WIDTH, BIAS>,
    /// Rate of dropout of the weights, 0.
    #[setting(0.0)]
    pub dropout: f64,
    /// The distance below which positions see each other, 0 for all.
    #[setting(0)]
    pub window: usize,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize, const CAUSAL: bool = false, const BIAS: bool = true>
    MultiHeadAttention<WIDTH, HEADS, KV_HEADS, CAUSAL, BIAS>
{
    /// Self-attention: `[B, T, WIDTH]` to the same shape.
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.cross(x, x)
    }

    /// Self-attention over padded sequences. `mask` is 0 at padding, for example `length_mask::<T>(lengths)`.
    pub fn forward_masked<B, T>(&self, x: Tensor<B, T, WIDTH>, mask: Tensor<B, T>) -> Tensor<B, T, WIDTH> {
        self.cross_masked(x, x, mask)
    }

    /// Attention of `x` to `memory`: `[B, T, WIDTH]` and `[B, S, WIDTH]` to `[B, T, WIDTH]`.
    pub fn cross<B, T, S>(&self, x: Tensor<B, T, WIDTH>, memory: Tensor<B, S, WIDTH>) -> Tensor<B, T, WIDTH> {
        let q = self.query.forward(x);
        let k = self.key.forward(memory);
        let v = self.value.forward(memory);
        self.out.forward(grouped_attention::<HEADS, KV_HEADS>(q, k, v, None, None, None, None, CAUSAL, self.window, self.dropout))
    }

    /// [`cross`](Self::cross) to padded sequences. `mask` is 0 at padding.
    pub fn cross_masked<B, T, S>(
        &self,
        x: Tensor<B, T, WIDTH>,
        memory: Tensor<B, S, WIDTH>,
        mask: Tensor<B, S>,
    ) -> Tensor<B, T, WIDTH> {
        let q = self.query.forward(x);
        let k = self.key.forward(memory);
        let v = self.value.forward(memory);
        self.out.forward(grouped_attention::<HEADS, KV_HEADS>(q, k, v, None, None, mask, None, CAUSAL, self.window, self.dropout))
    }
}
