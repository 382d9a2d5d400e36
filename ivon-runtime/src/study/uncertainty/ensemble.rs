//! One or several posteriors that predict together.

use crate::context::Context;
use crate::context::flat::Flat;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::Device;
use crate::posterior::Posterior;

/// Posteriors whose predictions are averaged with equal weights: one, a mixture (Multi-IVON), or points (a deep ensemble). Their models may differ as
/// long as they predict the same thing.
pub struct Ensemble<'a> {
    device: Device,
    dtype: DType,
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    posterior: Posterior<'a>,
    seed: u64,
    /// Each posterior has its own context, because a memory plan belongs to one model.
    cx: Context,
    weights: Flat,
}

impl<'a> Ensemble<'a> {
    /// Creates an empty ensemble that computes in `dtype`.
    pub fn new(device: Device, dtype: DType) -> Ensemble<'a> {
        Ensemble { device, dtype, members: vec![] }
    }

    /// One posterior on the CPU in f32, with the seed of its samples.
    ///
    /// # Errors
    /// As [`Ensemble::add`].
    pub fn of(posterior: Posterior<'a>, seed: u64) -> Result<Ensemble<'a>> {
        let mut ensemble = Ensemble::new(Device::Cpu, DType::F32);
        ensemble.add(posterior, seed)?;
        Ok(ensemble)
    }

    /// Adds a posterior. With the seed of the run, its samples are those that training evaluated at.
    ///
    /// # Errors
    /// If the device cannot be used.
    pub fn add(&mut self, posterior: Posterior<'a>, seed: u64) -> Result<()> {
        let cx = Context::new(self.device, self.dtype)?;
        cx.set_running_statistics(posterior.running_statistics());
        let weights = Flat::zeros(posterior.layout(), self.dtype)?;
        self.members.push(Member { posterior, seed, cx, weights });
        Ok(())
    }

    /// The number of posteriors.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// True if all are points, so that every sample is the mean.
    pub fn is_point(&self) -> bool {
        self.members.iter().all(|m| m.posterior.is_point())
    }

    /// Calls `visit` with every member's context and number, at its sample `k` or, for `None`, at its mean.
    ///
    /// # Errors
    /// Those of `visit`; if there is no member, or a tensor of weights is held from an earlier visit.
    pub fn visit(&mut self, sample: Option<u32>, mut visit: impl FnMut(&Context, usize) -> Result<()>) -> Result<()> {
        if self.members.is_empty() {
            return Err(Error::config("an ensemble of no posterior predicts nothing: add one"));
        }
        for (i, member) in self.members.iter_mut().enumerate() {
            member.posterior.write(sample.map(|k| (member.seed, k)), &mut member.weights)?;
            member.cx.set_weights(&member.weights);
            visit(&member.cx, i)?;
        }
        Ok(())
    }
}

/// 1, 4, 16, 64, ... up to `samples`, and `samples` itself.
pub fn growing(samples: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(4 * n)).take_while(|n| *n < samples).collect();
    counts.extend((samples > 0).then_some(samples));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_grow_by_fours_to_the_last() {
        assert_eq!([64, 1, 10, 0].map(growing), [vec![1, 4, 16, 64], vec![1], vec![1, 4, 10], vec![]]);
    }
}
