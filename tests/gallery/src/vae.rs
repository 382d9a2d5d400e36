//! A variational autoencoder (Kingma and Welling 2014): a Gaussian encoder, a Bernoulli decoder, the evidence lower bound.

use crate::{Batch, Example, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::softplus;
use ivon_runtime::prelude::*;

#[variational]
pub struct Vae<const PIXELS: usize, const HIDDEN: usize, const LATENT: usize> {
    encoder: Linear<PIXELS, HIDDEN>,
    mean: Linear<HIDDEN, LATENT>,
    log_variance: Linear<HIDDEN, LATENT>,
    decoder: Linear<LATENT, HIDDEN>,
    pixels: Linear<HIDDEN, PIXELS>,
}

#[variational]
impl<const PIXELS: usize, const HIDDEN: usize, const LATENT: usize> Vae<PIXELS, HIDDEN, LATENT> {
    /// The logits of the pixels of a code.
    pub fn decode<B>(&self, z: Tensor<B, LATENT>) -> Tensor<B, PIXELS> {
        self.pixels.forward(tanh(self.decoder.forward(z)))
    }

    /// The negative evidence lower bound per image, for pixels in [0, 1] and one draw of noise.
    pub fn loss<B>(&self, x: Tensor<B, PIXELS>, noise: Tensor<B, LATENT>) -> Tensor {
        let h = tanh(self.encoder.forward(x));
        let mean = self.mean.forward(h);
        let log_variance = self.log_variance.forward(h);
        let logits = self.decode(mean + exp(0.5 * log_variance) * noise);
        let reconstruction = (softplus(logits) - x * logits).sum(1);
        let divergence = 0.5 * (mean * mean + exp(log_variance) - log_variance - 1.0).sum(1);
        (reconstruction + divergence).mean()
    }
}

/// Eight images of 20 pixels.
pub fn example() -> impl Example {
    Batch::new(Vae::<20, 12, 3>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "pixels", [8, 20])?, &uniform(cx, "noise", [8, 3])?)
    })
}
