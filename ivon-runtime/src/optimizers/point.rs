//! Optimizers without a posterior: the weights are the mean.

use super::driver::{Driver, Settings, check_lr};
use super::gpu::{Finish, Gpu, Moving};
use super::{Gradient, Optimizer, Tracer, Warning, Weights};
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::context::flat::{Flat, Layout};
use crate::context::profile::{Cost, Phase};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::optimizers::state::{State, on_matrices, weight_decays};
use crate::posterior::Posterior;
use crate::posterior::pass;
use crate::tensor::parameter::Model;
use half::bf16;
use serde::Serialize;
use serde_json::{Map, Value};
use std::rc::Rc;

/// An update rule without a posterior, for [`Point`]. Rules of other crates implement it too:
///
/// ```
/// use ivon_runtime::optimizers::{Rule, Step};
/// use ivon_runtime::{Flat, Result};
///
/// /// mean = mean - lr · g
/// #[derive(serde::Serialize)]
/// struct Descent;
///
/// impl Rule for Descent {
///     const NAME: &'static str = "descent";
///     const BUFFERS: &'static [&'static str] = &[];
///     const OPERATIONS: usize = 2;
///
///     fn update(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool {
///         let lr = step.lr as f32;
///         step.elementwise(buffers, gradient, |_decay, [mean], g| *mean -= lr * g)
///     }
/// }
/// ```
pub trait Rule: Serialize {
    /// Its name in logs.
    const NAME: &'static str;
    /// The names of its buffers beside the mean. Checkpoints hold them by these names.
    const BUFFERS: &'static [&'static str];
    /// Operations of an update, for each element.
    const OPERATIONS: usize;
    /// Weight decay of tensors of two or more dimensions.
    fn weight_decay(&self) -> f64 {
        0.0
    }
    /// Refuses hyper-parameters that make no sense.
    ///
    /// # Errors
    /// Which one, and what is allowed.
    fn check(&self) -> Result<()> {
        Ok(())
    }
    /// One pass over memory: takes the gradient in and zeroes it. `buffers` are the mean and then [`Rule::BUFFERS`], f32. Returns
    /// true if every mean stayed finite. [`Step::elementwise`] is such a pass.
    fn update(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool;
    /// The kernel of the same pass on a GPU, and its last arguments: numbers that are the same in every step. A rule without one
    /// trains on the CPU.
    #[doc(hidden)]
    fn on_gpu(&self) -> Option<(&'static str, Vec<Number>)> {
        None
    }
    /// The numbers that change from step to step: the learning rate over the debiasing of the momentum, and the debiasing factor of the variance.
    #[doc(hidden)]
    fn debiased(&self, _number: u32, lr: f64) -> [f64; 2] {
        [lr, 1.0]
    }
}

/// A number that a kernel of a [`Rule`] takes.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum Number {
    Word(u32),
    Float(f32),
}

impl From<Number> for Arg<'static> {
    fn from(number: Number) -> Self {
        match number {
            Number::Word(x) => Arg::U32(x),
            Number::Float(x) => Arg::F32(x),
        }
    }
}

/// The numbers of one update of a [`Rule`].
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The step, counted from 1.
    pub number: u32,
    /// The learning rate.
    pub lr: f64,
    /// The factor by which clipping multiplies the gradient.
    pub scale: f32,
    /// The places of the parameters in the buffers.
    pub layout: &'a Layout,
    /// Weight decay of each parameter.
    pub decays: &'a [f64],
    /// The type of the weights that the model computes with.
    pub dtype: DType,
}

impl Step<'_> {
    /// Calls `rule` for every element that is not frozen, on all threads, with the weight decay of its parameter, its place in each of
    /// the N `buffers` and its gradient after clipping; then zeroes the gradient. Returns true if every mean stayed finite.
    ///
    /// The result does not depend on the number of threads.
    ///
    /// # Panics
    /// If there are not N buffers: the mean and those that the rule names.
    pub fn elementwise<const N: usize>(
        &self,
        buffers: &mut [(&'static str, Flat)],
        gradient: &mut Flat,
        rule: impl Fn(f32, [&mut f32; N], f32) + Sync,
    ) -> bool {
        match self.dtype {
            DType::F64 => self.each::<f64, N>(buffers, gradient, rule),
            _ => self.each::<f32, N>(buffers, gradient, rule),
        }
    }

    fn each<E: pass::Compute, const N: usize>(
        &self,
        buffers: &mut [(&'static str, Flat)],
        gradient: &mut Flat,
        rule: impl Fn(f32, [&mut f32; N], f32) + Sync,
    ) -> bool {
        let found = buffers.len();
        let Ok(buffers) = <&mut [_; N]>::try_from(buffers) else { panic!("a rule of {N} buffers was given {found}") };
        let mut state = buffers.each_mut().map(|(_, flat)| flat.as_mut_slice::<f32>());
        let state = state.each_mut().map(|values| &mut **values);
        pass::update_parts(self.layout, (state, &mut *gradient.as_mut_slice::<E>()), |i, _, (mut state, gradient)| {
            let decay = self.decays[i] as f32;
            let mut good = true;
            for (k, g) in gradient.iter_mut().enumerate() {
                rule(decay, state.each_mut().map(|values| &mut values[k]), g.f32() * self.scale);
                *g = E::of(0.0);
                good &= state.first().is_none_or(|mean| mean[k].is_finite());
            }
            good
        })
    }
}

/// An optimizer whose posterior is a point.
pub struct Point<R> {
    driver: Driver,
    rule: R,
    decays: Vec<f64>,
}

impl<R: Rule> Point<R> {
    /// An optimizer for a model, with its weights at their start.
    ///
    /// # Errors
    /// If the configuration makes no sense: which key, what is allowed.
    pub fn new(model: &impl Model, config: R, settings: Settings) -> Result<Self> {
        config.check()?;
        let names: Vec<_> = R::BUFFERS.to_vec();
        let driver = Driver::new(model, settings, &names, false)?;
        let decays = weight_decays(driver.state.layout(), on_matrices(config.weight_decay()));
        let mut point = Point { driver, rule: config, decays };
        if let Some(gpu) = &point.driver.state.gpu {
            if point.rule.on_gpu().is_none() {
                return Err(Error::config(format!("`{}` has no kernel for a GPU: train with Device::Cpu", R::NAME)));
            }
            gpu.set_decays(point.driver.state.layout(), &point.decays, |_| 1.0)?;
        }
        point.prepare()?;
        Ok(point)
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &R {
        &self.rule
    }

    /// If the weights have their own buffer (f64, bf16), copies the mean into it.
    fn copy_mean(&mut self) -> Result<()> {
        if let Some(gpu) = &self.driver.state.gpu {
            let own = self.driver.state.own_weights;
            return if own { gpu.draw(&self.driver.cx, &self.driver.state.weights, None, 0.0) } else { Ok(()) };
        }
        let own = self.driver.state.own_weights;
        let cx = &self.driver.cx;
        let (buffers, weights, _) = self.driver.state.parts_mut();
        if own {
            let _op = cx.op("copy of the mean", || Cost::default().moves(buffers[0].1.bytes() + weights.bytes()));
            let mean = buffers[0].1.as_slice::<f32>();
            match weights.dtype() {
                DType::Bf16 => pass::convert::<bf16>(&mean, weights),
                _ => pass::convert::<f64>(&mean, weights),
            }
        }
        Ok(())
    }

    /// Clipping and update on a GPU: what is asked for once the gradient is there. Tells the GPU the numbers of the step.
    fn finish_on_gpu(&self, gpu: &Rc<Gpu>, lr: f64) -> Result<Rc<Finish>> {
        let state = &self.driver.state;
        let [rate, debias] = self.rule.debiased(state.step() + 1, lr).map(|x| x as f32);
        gpu.set_moving(Moving { lr: lr as f32, rate, debias, ..Moving::default() })?;
        let Some((kernel, numbers)) = self.rule.on_gpu() else {
            return Err(Error::config(format!("`{}` has no kernel for a GPU", R::NAME)));
        };
        let (weights, gradient) = (state.own_weights.then(|| state.weights.share()), state.gradient.share());
        let (largest, several) = (self.driver.settings.grad_clip, self.driver.settings.micro_batches > 1);
        Ok(Rc::new(Finish::new(gpu, state.written_by_update(gpu), several.then(|| gradient.share()), move |gpu, cx| {
            if several {
                gpu.correct(cx, &gradient)?;
            }
            if let Some(largest) = largest {
                gpu.clip(cx, &gradient, largest)?;
            }
            gpu.point(cx, kernel, weights.as_ref(), &gradient, numbers.iter().map(|number| Arg::from(*number)))
        })))
    }

    /// The fault of an element, if there is one.
    fn out_of_range(&self, element: usize) -> Option<String> {
        let mean = self.driver.state.mean()[element];
        (!mean.is_finite()).then(|| format!("the weight is {mean}"))
    }

    fn prepare(&mut self) -> Result<()> {
        self.driver.state.check_free()?;
        if !self.driver.ready {
            self.driver.rewind()?;
            self.driver.state.catch_up()?;
            self.driver.zero_gradient()?;
            self.copy_mean()?;
            self.driver.cx.set_weights(&self.driver.state.weights);
            self.driver.ready = true;
        }
        Ok(())
    }
}

impl<R: Rule> Optimizer for Point<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn hyperparameters(&self) -> Map<String, Value> {
        self.driver.describe(&self.rule)
    }

    fn context(&self) -> &Context {
        &self.driver.cx
    }

    fn state(&self) -> &State {
        &self.driver.state
    }

    fn restore(&mut self, load: &mut dyn FnMut(&mut State) -> Result<()>) -> Result<()> {
        self.prepare()?;
        self.driver.ready = false;
        load(&mut self.driver.state)?;
        self.prepare()
    }

    fn micro_batches(&self) -> usize {
        self.driver.settings.micro_batches
    }

    fn step_in_parts(&mut self, lr: f64, gradient: &mut Gradient) -> Result<f64> {
        check_lr(lr)?;
        self.prepare()?;
        self.driver.begin()?;
        let gpu = self.driver.state.gpu.clone();
        let finish = gpu.as_ref().map(|gpu| self.finish_on_gpu(gpu, lr)).transpose()?;
        let loss = self.driver.gradient(0, 0, self.driver.settings.micro_batches, &finish, gradient);
        let Ok(loss) = loss else {
            // If that fails too, the first error says more, and the next step tries it.
            let _ = self.prepare();
            return loss;
        };
        self.driver.check_last_update(|_, element| self.out_of_range(element))?;
        self.driver.state.check_free()?;
        let _phase = self.driver.cx.phase(Phase::Update);
        if let (Some(gpu), Some(finish)) = (gpu, finish) {
            self.driver.trace_sample(0, None, None)?;
            let op = self.driver.cx.op(R::NAME, || self.driver.state.cost_of_update(R::OPERATIONS));
            self.driver.finish_on_gpu(&finish)?;
            drop(op);
            gpu.watch_status()?;
            self.driver.finish(lr, loss)?;
            return Ok(loss);
        }
        let scale = self.driver.clip_scale()?;
        self.driver.trace_sample(0, None, Some(scale))?;
        let update = self.driver.cx.op(R::NAME, || self.driver.state.cost_of_update(R::OPERATIONS));
        let (layout, dtype) = (self.driver.state.layout().clone(), self.driver.settings.dtype);
        let number = self.driver.state.step() + 1;
        let step = Step { number, lr, scale, layout: &layout, decays: &self.decays, dtype };
        let (buffers, _, gradient) = self.driver.state.parts_mut();
        if !self.rule.update(step, buffers, gradient) {
            return Err(self.driver.diagnose(|_, element| self.out_of_range(element)));
        }
        drop(update);
        self.copy_mean()?;
        self.driver.finish(lr, loss)?;
        Ok(loss)
    }

    fn evaluate(&mut self, _: Weights, pass: &mut dyn FnMut(&Context) -> Result<()>) -> Result<()> {
        self.driver.check_last_update(|_, element| self.out_of_range(element))?;
        self.prepare()?;
        self.driver.observe(false, pass)
    }

    fn posterior(&self) -> Posterior<'_> {
        let state = &self.driver.state;
        Posterior::of_state(state.layout(), state.mean(), None).with_running_statistics(state.running_copy())
    }

    fn take_warning(&mut self) -> Option<Warning> {
        self.driver.take_warning()
    }

    fn trace(&mut self, tracer: Option<Box<dyn Tracer>>) {
        self.driver.tracer = tracer;
    }
}
