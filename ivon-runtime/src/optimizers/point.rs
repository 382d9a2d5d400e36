//! Optimizers without a posterior: the weights are the mean.

use super::driver::{Driver, Settings, check_lr};
use super::gpu::{Finish, Gpu, Moving};
use super::{Gradient, Optimizer, Tracer, Weights};
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::context::flat::{Flat, Layout};
use crate::context::profile::{Cost, Phase};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::optimizers::state::{State, weight_decays};
use crate::posterior::Posterior;
use crate::posterior::pass;
use crate::tensor::parameter::Model;
use half::bf16;
use serde::Serialize;
use serde_json::{Map, Value};
use std::rc::Rc;

/// An update rule without a posterior.
pub trait Rule: Serialize {
    /// Its name in logs.
    const NAME: &'static str;
    /// Its buffers beside the mean.
    const BUFFERS: &'static [&'static str];
    /// Operations of an update, for each element.
    const OPERATIONS: usize;
    /// Weight decay of tensors of two or more dimensions.
    fn weight_decay(&self) -> f64;
    /// Refuses hyper-parameters that make no sense.
    ///
    /// # Errors
    /// Which one, and what is allowed.
    fn check(&self) -> Result<()>;
    /// One pass over memory: takes the gradient in and zeroes it. Whether every mean stayed finite.
    #[doc(hidden)]
    fn update(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool;
    /// The kernel of the same pass on a GPU, and its last arguments: numbers that are the same in every step.
    #[doc(hidden)]
    fn on_gpu(&self) -> (&'static str, Vec<Number>);
    /// What changes from step to step: the learning rate over the debiasing of the momentum, and the debiasing factor of the variance.
    #[doc(hidden)]
    fn debiased(&self, number: u32, lr: f64) -> [f64; 2];
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

/// What a [`Rule`] needs to know of a step.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Counted from 1.
    pub number: u32,
    pub lr: f64,
    /// What clipping multiplies the gradient with.
    pub scale: f32,
    pub layout: &'a Layout,
    /// Weight decay of each parameter.
    pub decays: &'a [f64],
    pub dtype: DType,
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
        let decays = weight_decays(driver.state.layout(), config.weight_decay());
        let mut point = Point { driver, rule: config, decays };
        if let Some(gpu) = &point.driver.state.gpu {
            gpu.set_decays(point.driver.state.layout(), &point.decays, |_| 1.0)?;
        }
        point.prepare()?;
        Ok(point)
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &R {
        &self.rule
    }

    /// Where the weights have a buffer of their own (f64, bf16), copies the mean there.
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
        let (kernel, numbers) = self.rule.on_gpu();
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

    /// What is wrong with an element, if anything.
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
            self.driver.finish(lr)?;
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
        self.driver.finish(lr)?;
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

    fn take_warning(&mut self) -> Option<String> {
        self.driver.take_warning()
    }

    fn trace(&mut self, tracer: Option<Box<dyn Tracer>>) {
        self.driver.tracer = tracer;
    }
}
