//! After the first step, a step of an optimizer allocates nothing.
//!
//! Rayon itself may: for work that comes from outside its pool, and when a thread steals for the first time. So the steps run
//! inside a pool of one thread.

use ivon_runtime::optimizers::SamplePer;
use ivon_runtime::{Builder, Options, prelude::*};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Pair(Vec<Parameter>);

impl Model for Pair {
    const NAME: &'static str = "Pair";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        self.0.iter().for_each(visit);
    }
}

fn model() -> Pair {
    let mut b = Builder::new();
    Pair(vec![b.parameter("weight", [700, 100], Options::default()), b.parameter("bias", [100], Options::default())])
}

/// Adds 1 to every gradient.
fn gradient(model: &Pair, cx: &Context) -> Result<f64> {
    for p in &model.0 {
        let weights = cx.sample(p)?;
        let mut adjoint = cx.gradient(p)?;
        let Some((target, _)) = adjoint.target(cx, *p.shape())? else { continue };
        target.as_mut_slice::<f32>().iter_mut().zip(weights.as_slice::<f32>()).for_each(|(g, w)| *g += w);
    }
    Ok(1.0)
}

/// Allocations of ten steps after the first.
fn allocations(mut optimizer: impl Optimizer, model: &Pair) -> usize {
    let mut step = || optimizer.step_in_parts(1e-3, &mut |cx, _| gradient(model, cx)).unwrap();
    step();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..10).for_each(|_| {
        step();
    });
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_step_allocates_nothing() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| {
        let model = model();
        let clipped = Settings { grad_clip: Some(1.0), micro_batches: 2, ..Settings::default() };
        let single = Ivon::new(&model, IvonConfig::default(), Settings::default()).unwrap();
        assert_eq!(allocations(single, &model), 0, "IVON");
        let several = IvonConfig { sample_per: SamplePer::MicroBatch, ..IvonConfig::default() };
        assert_eq!(allocations(Ivon::new(&model, several, clipped.clone()).unwrap(), &model), 0, "IVON with two samples");
        assert_eq!(allocations(AdamW::new(&model, AdamWConfig::default(), clipped).unwrap(), &model), 0, "AdamW");
        assert_eq!(allocations(Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap(), &model), 0, "SGD");
    });
}
