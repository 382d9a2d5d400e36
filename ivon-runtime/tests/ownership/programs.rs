//! Single programs that once reached undefined behaviour or lost a value.

use super::{Pair, caught, context};
use ivon_runtime::ops::{causal_attention, mse, reshape, softmax};
use ivon_runtime::prelude::*;
use ivon_runtime::{Adjoint, Buffer, Builder, Cache, Flat, Init, Layout, Options, Posterior, running_statistics};
use std::cell::RefCell;
use std::rc::Rc;

const SHARED: &str = "shared";
const HELD: &str = "still held";

fn message<T>(result: Result<T>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

/// Two tensors on the same memory cannot be written after `owner` is dropped; when one is left, it can.
fn two_then_one(mut a: Tensor, owner: impl Sized) {
    let b = a.clone();
    drop(owner);
    let seen: &[f32] = b.as_slice();
    let refused = caught(|| a.as_mut_slice::<f32>()[0] = 1.0).unwrap_err();
    assert!(refused.contains(SHARED), "{refused}");
    assert_eq!(seen, [0.0; 4]);
    drop(b);
    a.as_mut_slice::<f32>()[0] = 1.0;
    assert_eq!(a.to_f64(), [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_tensor_outlives_its_context_and_pool() {
    let cx = context();
    two_then_one(cx.zeros([4]).unwrap(), cx);
    let cx = context();
    let a = cx.zeros([4]).unwrap();
    cx.trim();
    two_then_one(a, cx);
}

#[test]
fn a_tensor_outlives_its_flat_buffer() {
    let model = Pair::new();
    let flat = Flat::zeros(&Layout::of(&model), DType::F32).unwrap();
    two_then_one(flat.tensor(&model.0[0]), flat);
    let (cx, flat) = (context(), Flat::zeros(&Layout::of(&model), DType::F32).unwrap());
    cx.set_gradient(Some(&flat));
    let gradient = cx.gradient(&model.0[0]).unwrap().into_option().unwrap();
    two_then_one(gradient, (flat, cx));
}

#[test]
fn a_tensor_of_a_planned_step_outlives_its_context() {
    let cx = context();
    let kept = RefCell::new(None);
    cx.planned("step", &[], |cx| {
        let x = cx.zeros([4])?;
        *kept.borrow_mut() = Some(x);
        Ok(())
    })
    .unwrap();
    two_then_one(kept.into_inner().unwrap(), cx);
}

#[test]
fn a_tensor_of_a_state_outlives_its_optimizer() {
    let model = Pair::new();
    let sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    let lent = sgd.context().sample(&model.0[0]).unwrap();
    let before = lent.to_f64();
    let mut clone = lent.clone();
    drop(sgd);
    assert!(caught(|| clone.as_mut_slice::<f32>()[0] = 1.0).is_err(), "weights are never written through a tensor");
    drop(clone);
    assert_eq!(lent.to_f64(), before);
}

#[test]
fn an_adjoint_in_another_context_leaves_a_clone_alone() {
    let (first, second) = (context(), context());
    let a = first.filled([4], 1.0).unwrap();
    let clone = a.clone();
    drop(first);
    let mut adjoint = Adjoint::of(a);
    adjoint.add(&second, second.filled([4], 2.0).unwrap()).unwrap();
    assert_eq!(clone.to_f64(), [1.0; 4]);
    assert_eq!(adjoint.into_option().unwrap().to_f64(), [3.0; 4]);
}

#[test]
fn a_flat_buffer_hands_out_nothing_beside_a_tensor_that_may_be_written() {
    let model = Pair::new();
    let flat = Flat::zeros(&Layout::of(&model), DType::F32).unwrap();
    let cx = context();
    cx.set_weights(&flat);
    let mut first = flat.tensor(&model.0[0]);
    let written = first.as_mut_slice::<f32>();
    assert!(caught(|| flat.tensor(&model.0[0])).unwrap_err().contains(HELD));
    assert!(message(cx.sample(&model.0[0])).contains(HELD));
    assert!(caught(|| flat.as_slice::<f32>().len()).unwrap_err().contains(HELD));
    // Another parameter has other memory.
    assert_eq!(cx.sample(&model.0[1]).unwrap().to_f64(), [0.0; 3]);
    written[0] = 1.0;
    drop(first);
    assert_eq!(flat.as_slice::<f32>()[0], 1.0);
}

#[test]
fn weights_may_be_read_in_many_ways_at_once() {
    let model = Pair::new();
    let sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    let (a, b) = (sgd.context().sample(&model.0[0]).unwrap(), sgd.context().sample(&model.0[0]).unwrap());
    let (posterior, mean) = (sgd.posterior(), sgd.state().mean());
    assert_eq!(a.as_slice::<f32>(), b.as_slice::<f32>());
    assert_eq!(posterior.mean("first").unwrap(), &mean[..4]);
}

// ---- planned steps ---------------------------------------------------------------------------------------------

/// A step with three tensors, of which the third reuses the memory of the first. The real run passes the first to `keep`.
fn leaky_step(cx: &Context, keep: &dyn Fn(Tensor), swallow: bool) -> Result<f64> {
    cx.planned("leaky", &[], |cx| {
        let first = cx.filled([64], 3.0)?;
        let second = cx.filled([64], 4.0)?;
        if cx.planning() {
            drop(first)
        } else {
            keep(first)
        }
        let third = cx.filled([64], 8.0);
        if third.is_err() && swallow {
            assert!(cx.filled([64], 8.0).is_err(), "the step is over");
            return Ok(4.0);
        }
        let third = third?;
        Ok(if cx.planning() { 0.0 } else { second.to_f64()[0] + 0.0 * third.to_f64()[0] })
    })
}

#[test]
fn memory_of_a_departed_run_is_not_given_out_while_a_tensor_lies_in_it() {
    let cx = context();
    let kept = RefCell::new(vec![]);
    let keep = |x: Tensor| kept.borrow_mut().push(x);
    assert!(message(leaky_step(&cx, &keep, false)).contains("had given that memory back"));
    assert_eq!(kept.borrow()[0].to_f64(), [3.0; 64]);
    // The run is removed, but its tensor still exists.
    for name in ["another", "leaky"] {
        let step = cx.planned(name, &[], |cx| cx.filled([64], 9.0)?.item().or(Ok(0.0)));
        assert!(message(step).contains(HELD));
        assert_eq!(kept.borrow()[0].to_f64(), [3.0; 64]);
    }
    kept.borrow_mut().clear();
    assert_eq!(leaky_step(&cx, &|x| drop(x), false).unwrap(), 4.0);
}

#[test]
fn a_forgotten_tensor_keeps_its_memory_for_ever() {
    let cx = context();
    let address = RefCell::new(0);
    let forget = |x: Tensor| {
        *address.borrow_mut() = x.as_slice::<f32>().as_ptr() as usize;
        std::mem::forget(x);
    };
    assert!(leaky_step(&cx, &forget, false).is_err());
    assert!(message(cx.planned("another", &[], |cx| cx.zeros([64]).map(drop))).contains(HELD));
    // The pool has other memory.
    let pooled = cx.zeros([64]).unwrap();
    assert_ne!(pooled.as_slice::<f32>().as_ptr() as usize, *address.borrow());
}

#[test]
fn a_step_that_swallows_a_failed_allocation_is_an_error() {
    let cx = context();
    let kept = RefCell::new(vec![]);
    let found = message(leaky_step(&cx, &|x| kept.borrow_mut().push(x), true));
    assert!(found.contains("had given that memory back"), "{found}");
    kept.borrow_mut().clear();
    // A size other than the planned one, and a size that no memory holds.
    for size in [7, 1 << 60] {
        let step = cx.planned("other size", &[], |cx| {
            let _ = cx.empty([if cx.planning() { 5 } else { size }]);
            assert!(cx.planning() || cx.empty([1]).is_err(), "the step is over");
            Ok(())
        });
        assert!(message(step).contains(if size == 7 { "allocation 0 asks for 28 bytes" } else { "more than this machine" }));
    }
    let planned = cx.planned("too large", &[], |cx| {
        let _ = cx.empty([1 << 60]);
        Ok(())
    });
    assert!(message(planned).contains("more than this machine can give"));
}

#[test]
fn a_plan_inside_a_planned_step_leaves_the_step_in_its_plan() {
    let cx = context();
    let kept = RefCell::new(vec![]);
    let step = |keep: bool| {
        cx.planned("outer", &[], |cx| {
            let outer = cx.planning();
            let plan = cx.plan(|cx| {
                assert!(cx.planning());
                cx.plan(|cx| cx.zeros([3]).map(drop))?;
                assert!(cx.planning());
                cx.zeros([5]).map(drop)
            })?;
            assert_eq!((plan.bytes, cx.planning()), (20, outer));
            let x = cx.filled([16], 2.0)?;
            if keep && !outer {
                kept.borrow_mut().push(x);
            }
            Ok(())
        })
    };
    step(false).unwrap();
    assert_eq!(cx.arena_bytes(), 64);
    step(true).unwrap();
    assert!(message(step(false)).contains(HELD), "the tensor lies in the arena");
    kept.borrow_mut().clear();
    step(false).unwrap();
}

#[test]
fn a_step_that_panics_leaves_the_plan() {
    let cx = context();
    assert!(caught(|| cx.planned("panics", &[], |cx| if cx.planning() { Ok(()) } else { panic!("now") })).is_err());
    assert!(!cx.planning());
    let pooled = cx.filled([4], 1.0).unwrap();
    cx.planned("next", &[], |cx| cx.zeros([4]).map(drop)).unwrap();
    assert_eq!(pooled.to_f64(), [1.0; 4]);
}

// ---- states and posteriors -------------------------------------------------------------------------------------

struct Normed {
    weight: Parameter,
    mean: Buffer,
}

impl Normed {
    fn new() -> Normed {
        let mut b = Builder::new();
        Normed { weight: b.parameter("weight", [4], Options::default()), mean: b.buffer("mean", [4], Init::Ones) }
    }
}

impl Model for Normed {
    const NAME: &'static str = "Normed";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        visit(&self.weight);
    }
    fn visit_buffers<'a>(&'a self, visit: &mut dyn FnMut(&'a Buffer)) {
        visit(&self.mean);
    }
}

#[test]
fn what_a_state_gives_out_to_be_written_is_closed_to_other_contexts() {
    let model = Normed::new();
    let mut sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    let second = context();
    second.set_running_statistics(sgd.posterior().running_statistics());
    second.set_gradient(Some(&Flat::zeros(&Layout::of(&model), DType::F32).unwrap()));
    second.set_training(true);
    sgd.restore(&mut |state| {
        let mut running = state.running_statistics_mut()?;
        running[0] = 5.0;
        assert!(message(second.running(&model.mean)).contains(HELD));
        assert!(message(second.update_running(&model.mean)).contains(HELD));
        Ok(())
    })
    .unwrap();
    let tensor = second.running(&model.mean).unwrap();
    assert_eq!(tensor.to_f64(), [5.0, 1.0, 1.0, 1.0]);
    let refused = message(sgd.restore(&mut |state| state.running_statistics_mut().map(drop)));
    assert!(refused.contains(HELD) && refused.contains("`mean`"), "{refused}");
    drop(tensor);
    let lent = sgd.context().sample(&model.weight).unwrap();
    let refused = message(sgd.restore(&mut |state| state.buffer_mut("mean").map(drop)));
    assert!(refused.contains(HELD) && refused.contains("`weight`"), "{refused}");
    drop(lent);
    sgd.restore(&mut |state| state.buffer_mut("mean").map(|mut mean| mean[0] = 7.0)).unwrap();
    assert_eq!(sgd.state().mean()[0], 7.0);
}

#[test]
fn a_posterior_copies_no_buffer_that_is_being_written() {
    let model = Normed::new();
    let layout = Layout::of(&model);
    let mean = vec![0.0; layout.padded()];
    let mut running = running_statistics(&model).unwrap();
    let posterior = || Posterior::point(&layout, &mean).unwrap();
    let before = posterior().with_running_statistics(&running);
    let mut values = running.as_mut_slice::<f32>();
    values[0] = 3.0;
    let refused = caught(|| before.into_owned()).err().unwrap();
    assert!(refused.contains(HELD), "{refused}");
    drop(values);
    let owned = posterior().with_running_statistics(&running).into_owned();
    running.as_mut_slice::<f32>()[0] = 4.0;
    assert_eq!(owned.running_statistics().unwrap().as_slice::<f32>()[0], 3.0);
    // A sample is not drawn into a buffer that is being read.
    let mut weights = Flat::zeros(&layout, DType::F32).unwrap();
    let cx = context();
    cx.set_weights(&weights);
    let lent = cx.sample(&model.weight).unwrap();
    assert!(message(owned.write(None, &mut weights)).contains("`weight`"));
    drop(lent);
    owned.write(None, &mut weights).unwrap();
}

// ---- gradients -------------------------------------------------------------------------------------------------

#[variational]
struct Line {
    slope: ivon_runtime::layers::Linear<2, 1>,
}

#[variational]
impl Line {
    fn loss<B>(&self, x: Tensor<B, 2>, y: Tensor<B, 1>) -> Tensor {
        mse(self.slope.forward(x), y)
    }
}

fn optimizers(model: &impl Model, settings: Settings) -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Sgd::new(model, SgdConfig::default(), settings.clone()).unwrap()),
        Box::new(AdamW::new(model, AdamWConfig::default(), settings.clone()).unwrap()),
        Box::new(Ivon::new(model, IvonConfig::new(1e6), settings).unwrap()),
    ]
}

#[test]
#[cfg_attr(miri, ignore = "products run on rayon's pool, whose pointers Miri cannot follow")]
fn a_gradient_that_would_be_lost_is_an_error_that_names_its_parameter() {
    let model = Line::new();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let y = Tensor::from_slice(&[1.0f32, 0.0], [2, 1]).unwrap();
    let weight = model.parameters().into_iter().find(|p| p.name() == "slope.weight").unwrap();
    for mut optimizer in optimizers(&model, Settings::default()) {
        let mut steps = vec![];
        // Held during a backward pass, then released.
        steps.push(message(optimizer.step(0.1, |cx| {
            let held = cx.gradient(weight)?;
            let loss = model.loss_gradient(cx, &x, &y);
            drop(held);
            loss
        })));
        // Held during a step.
        let kept = Rc::new(RefCell::new(None));
        steps.push(message(optimizer.step(0.1, |cx| {
            let loss = model.loss_gradient(cx, &x, &y)?;
            *kept.borrow_mut() = cx.gradient(weight)?.into_option();
            Ok(loss)
        })));
        steps.push(message(optimizer.step(0.1, |cx| model.loss_gradient(cx, &x, &y))));
        for message in steps {
            assert!(message.contains("slope.weight") && message.contains("to_f64"), "{}: {message}", optimizer.name());
        }
        kept.borrow_mut().take();
        let before = optimizer.state().mean().to_vec();
        optimizer.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap();
        assert_ne!(before, optimizer.state().mean());
    }
}

#[test]
fn a_clone_of_a_gradient_inside_of_a_pass_is_an_error() {
    let model = Pair::new();
    let mut sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    let found = message(sgd.step(0.1, |cx| {
        let mut adjoint = cx.gradient(&model.0[0])?;
        let held = adjoint.target(cx, [4])?.map(|(place, _)| place.clone());
        adjoint.add(cx, cx.filled([4], 1.0)?)?;
        drop(held);
        Ok(1.0)
    }));
    assert!(found.contains("the gradient of `first`") && found.contains("to_f64"), "{found}");
}

// ---- memory that is not there ----------------------------------------------------------------------------------

struct Huge(Parameter);

impl Huge {
    fn new(shape: &[usize]) -> Huge {
        let shape: [usize; 2] = shape.try_into().unwrap();
        Huge(Builder::new().parameter("huge", shape, Options::default()))
    }
}

impl Model for Huge {
    const NAME: &'static str = "Huge";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        visit(&self.0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where memory does")]
fn memory_that_is_not_there_is_an_error() {
    const REFUSED: &str = "more than this machine can give";
    // 4 PB; sizes that overflow in bytes, with padding, and in elements.
    for shape in [[1 << 30, 1 << 20], [1 << 32, 1 << 30], [usize::MAX, 1], [usize::MAX / 2, 3], [1 << 40, 1 << 40]] {
        let model = Huge::new(&shape);
        let layout = Layout::of(&model);
        let settings = Settings::default;
        for dtype in [DType::F32, DType::F64, DType::Bf16] {
            assert!(message(Flat::zeros(&layout, dtype)).contains(REFUSED), "{shape:?}");
        }
        assert!(message(Ivon::new(&model, IvonConfig::new(1e6), settings())).contains(REFUSED), "{shape:?}");
        assert!(message(AdamW::new(&model, AdamWConfig::default(), settings())).contains(REFUSED), "{shape:?}");
        assert!(message(Sgd::new(&model, SgdConfig::default(), settings())).contains(REFUSED), "{shape:?}");
        let cx = context();
        assert!(message(cx.zeros(shape)).contains(REFUSED));
        assert!(message(cx.planned("step", &[], |cx| cx.zeros(shape).map(drop))).contains(REFUSED));
    }
}

/// Queries, keys and values of `count` positions, for one head with two elements.
fn positions(seed: usize, count: usize) -> Tensor {
    let all: Vec<f32> = (0..count * 6).map(|i| ((seed * 100 + i) as f32 * 0.7).sin()).collect();
    Tensor::from_slice(&all, [1, count, 6]).unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "kernels run on rayon's pool")]
fn more_heads_than_columns_are_refused_without_overflow() {
    let (cx, qkv) = (context(), Tensor::from_slice(&[0.5f32; 6], [1, 1, 6]).unwrap());
    // 3 * heads overflows to 2, which divides 6.
    for heads in [usize::MAX / 3 + 1, usize::MAX, 7] {
        let cached = cx.cached(&mut Cache::new(4), |cx| causal_attention::forward(cx, heads, &qkv));
        for refused in [message(cached), message(causal_attention::forward(&cx, heads, &qkv))] {
            assert!(refused.contains("[B, T, 3 * HEADS * SIZE] is expected"), "{refused}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "kernels run on rayon's pool")]
fn a_panic_in_a_cached_pass_leaves_no_cache_behind() {
    let (cx, qkv, mut cache) = (context(), positions(1, 2), Cache::new(4));
    let alone = causal_attention::forward(&cx, 1, &qkv).unwrap().to_f64();
    cx.cached(&mut cache, |cx| causal_attention::forward(cx, 1, &qkv)).unwrap();
    assert!(caught(|| cx.cached(&mut cache, |_| -> Result<()> { panic!("in a pass") })).is_err());
    assert_eq!(causal_attention::forward(&cx, 1, &qkv).unwrap().to_f64(), alone);
    assert_eq!((cache.len(), cache.capacity()), (0, 4), "the cache is empty and of its size");
}

#[test]
#[cfg_attr(miri, ignore = "kernels run on rayon's pool")]
fn a_dry_run_leaves_a_cache_as_it_is() {
    let (cx, mut cache) = (context(), Cache::new(4));
    let step = |cx: &Context, cache: &mut Cache, qkv: &Tensor| cx.cached(cache, |cx| causal_attention::forward(cx, 1, qkv));
    let first = step(&cx, &mut cache, &positions(1, 2)).unwrap().to_f64();
    let held = RefCell::new(std::mem::replace(&mut cache, Cache::new(0)));
    cx.plan(|cx| step(cx, &mut held.borrow_mut(), &positions(1, 1))).unwrap();
    assert_eq!(held.borrow().len(), 2);
    let last = step(&cx, &mut held.borrow_mut(), &positions(2, 1)).unwrap().to_f64();
    // The same three positions in one call.
    let all = [positions(1, 2), positions(2, 1)].map(|t| t.as_slice::<f32>().to_vec()).concat();
    let whole = causal_attention::forward(&cx, 1, &Tensor::from_slice(&all, [1, 3, 6]).unwrap()).unwrap().to_f64();
    for (found, right) in first.iter().chain(&last).zip(&whole) {
        assert!((found - right).abs() < 1e-6, "{first:?} {last:?} {whole:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "kernels run on rayon's pool")]
fn a_contribution_of_another_size_than_the_sum_is_refused() {
    let (cx, y) = (context(), Tensor::from_slice(&[0.25f32; 4], [4]).unwrap());
    for wrong in [2, 6] {
        let mut d_x = Adjoint::of(cx.zeros([wrong]).unwrap());
        let (_, saved) = softmax::forward_saving(&cx, &y).unwrap();
        let refused = message(softmax::backward(&cx, saved, y.clone(), &mut d_x));
        assert!(refused.contains("[4]") && refused.contains(&format!("[{wrong}]")), "{refused}");
    }
}

#[test]
fn a_posterior_writes_into_weights_of_its_model_alone() {
    // Both layouts have 128 elements with padding.
    let model = |sizes: [usize; 2]| {
        let mut b = Builder::new();
        Pair(sizes.map(|size| b.parameter(if size > 50 { "large" } else { "small" }, [size], Options::default())).into())
    };
    let (ours, theirs) = (Layout::of(&model([1, 2])), Layout::of(&model([1, 60])));
    assert_eq!(ours.padded(), theirs.padded());
    let mean = vec![1.0; ours.padded()];
    let posterior = Posterior::point(&ours, &mean).unwrap();
    let refused = message(posterior.write(None, &mut Flat::zeros(&theirs, DType::F32).unwrap()));
    assert!(refused.contains("another model") && refused.contains("`large` [60]"), "{refused}");
}

#[test]
fn sizes_that_overflow_do_not_reshape() {
    let refused = message(reshape::forward(&context(), &positions(1, 1), &[(1 << 62) + 1, 4]));
    assert!(refused.contains("do not make"), "{refused}");
}
