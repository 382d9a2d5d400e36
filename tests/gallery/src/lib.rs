//! Well-known architectures, one file each: the annotated model as its paper has it, and a small instance with a batch.
//!
//! `tests/pytorch.rs` compares the loss and every gradient of each instance with PyTorch's in f64, and trains it for some steps.

pub mod alibi;
pub mod bert;
pub mod convnext;
pub mod crf_tagger;
pub mod ctc;
pub mod densenet;
pub mod dlrm;
pub mod gcn;
pub mod gru;
pub mod heteroscedastic;
pub mod inception;
pub mod info_nce;
pub mod llama;
pub mod lora;
pub mod lstm;
pub mod mixture_of_experts;
pub mod mlp_mixer;
pub mod mobilenet_v2;
pub mod t5;
pub mod unet;
pub mod vae;
pub mod vit;
pub mod wavenet;

use ivon_runtime::prelude::*;
use ivon_runtime::{Entry, Flat, Layout, running_statistics};

/// The loss of a batch, and the gradient of every learned parameter by name.
pub type Gradients = (f64, Vec<(String, Vec<f64>)>);

/// A model with a batch: all that is needed to check its gradients and to train it.
pub trait Example {
    /// The loss of the batch and the gradient of every learned parameter by name, at weights that [`uniform_values`] gives, in f64.
    ///
    /// # Errors
    /// Those of the model.
    fn gradients(&self) -> Result<Gradients>;

    /// The loss of the batch at the initial mean, and after so many steps of IVON.
    ///
    /// # Errors
    /// Those of the model and of the optimizer.
    fn train(&self, steps: usize) -> Result<(f64, f64)>;
}

/// Pairs a model with the gradient of its loss on a batch.
pub struct Batch<M, G> {
    model: M,
    gradient: G,
    lr: f64,
}

impl<M: Model, G: Fn(&M, &Context) -> Result<f64>> Batch<M, G> {
    /// `gradient` calls the generated `.._gradient` method of the model and returns the loss.
    pub fn new(model: M, gradient: G) -> Self {
        Batch { model, gradient, lr: 0.3 }
    }

    /// Trains from this learning rate instead of 0.3.
    #[must_use]
    pub fn from(self, lr: f64) -> Self {
        Batch { lr, ..self }
    }
}

impl<M: Model, G: Fn(&M, &Context) -> Result<f64>> Example for Batch<M, G> {
    fn gradients(&self) -> Result<Gradients> {
        let cx = Context::new(Device::Cpu, DType::F64)?;
        let layout = Layout::of(&self.model);
        let weights = Flat::zeros_in(&cx, &layout, DType::F64)?;
        for entry in layout.entries() {
            let values = initial_values(entry.parameter.name(), entry.parameter.shape());
            weights.tensor(&entry.parameter).as_mut_slice().copy_from_slice(&values);
        }
        let gradient = Flat::zeros_in(&cx, &layout, DType::F64)?;
        cx.set_training(true);
        cx.set_weights(&weights);
        cx.set_gradient(Some(&gradient));
        cx.set_running_statistics(Some(&running_statistics(&self.model)?));
        let loss = (self.gradient)(&self.model, &cx)?;
        let learned = layout.entries().iter().filter(|entry| !entry.parameter.frozen());
        let named = |entry: &Entry| (entry.parameter.name().into(), gradient.tensor(&entry.parameter).to_f64());
        Ok((loss, learned.map(named).collect()))
    }

    fn train(&self, steps: usize) -> Result<(f64, f64)> {
        let config = IvonConfig::new(1e5).hess_init(0.1);
        let mut ivon = Ivon::new(&self.model, config, Settings::default())?;
        let mut losses = vec![];
        let schedule = Schedule::cosine(self.lr, 0.0, 0, steps);
        for step in 0..steps {
            losses.push(ivon.step(schedule.at(step), |cx| (self.gradient)(&self.model, cx))?);
        }
        Ok((losses[0], losses[steps - 1]))
    }
}

/// The weights that [`Example::gradients`] uses: gains near 1, and others of a size that keeps activations near 1.
pub fn initial_values(name: &str, shape: &Shape) -> Vec<f64> {
    let fan: usize = shape[1..].iter().product();
    let last = name.rsplit('.').next();
    uniform_values(name, shape.elements())
        .map(|u| if last == Some("gain") { 1.0 + 0.2 * u } else { u * 1.5 / (fan as f64).sqrt() })
        .collect()
}

/// Numbers between -1 and 1 that depend on a name alone, so that another program can make the same ones.
pub fn uniform_values(name: &str, count: usize) -> impl Iterator<Item = f64> {
    bits(name, count).map(|bits| (bits >> 11) as f64 * (-53f64).exp2() * 2.0 - 1.0)
}

/// A tensor of these numbers, in the type that the context computes in.
///
/// # Errors
/// If there is no memory.
pub fn tensor(cx: &Context, values: &[f32], shape: impl Into<Shape>) -> Result<Tensor> {
    match cx.dtype() {
        DType::F64 => Tensor::from_slice(&values.iter().copied().map(f64::from).collect::<Vec<f64>>(), shape),
        _ => Tensor::from_slice(values, shape),
    }
}

/// A tensor of [`uniform_values`].
///
/// # Errors
/// If there is no memory.
pub fn uniform(cx: &Context, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    let values = uniform_values(name, shape.elements());
    match cx.dtype() {
        DType::F64 => Tensor::from_slice(&values.collect::<Vec<f64>>(), shape),
        _ => Tensor::from_slice(&values.map(|x| x as f32).collect::<Vec<f32>>(), shape),
    }
}

/// Ids below `below` that depend on a name alone.
///
/// # Errors
/// If there is no memory.
pub fn ids(name: &str, below: u64, shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    let values: Vec<u32> = bits(name, shape.elements()).map(|bits| (bits % below) as u32).collect();
    Tensor::from_slice(&values, shape)
}

/// SplitMix64 from the FNV-1a hash of a name.
fn bits(name: &str, count: usize) -> impl Iterator<Item = u64> {
    let hash = |h: u64, byte: u8| (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    (1..=count as u64).map(move |i| {
        let mut z = start.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
