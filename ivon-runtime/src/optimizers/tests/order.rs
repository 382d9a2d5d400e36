//! The same bits, whatever the threads, the instruction set, an interruption or an evaluation in between.

use super::*;
use crate::core::dtype::DType;

fn config() -> IvonConfig {
    IvonConfig { beta2: 0.99, ..IvonConfig::new(1e4) }
}

/// The bits after a few steps on a model of several chunks, with one and with several samples.
fn run() -> Vec<u32> {
    let model = Bowl::new(2000);
    let mut all = vec![];
    for (samples, estimate) in [(1, HessianEstimate::Price), (2, HessianEstimate::Price), (2, HessianEstimate::GradSq)] {
        let settings = Settings { seed: 5, grad_clip: Some(10.0), ..Settings::default() };
        let mut ivon = Ivon::new(&model, IvonConfig { samples, estimate, ..config() }, settings.clone()).unwrap();
        for _ in 0..3 {
            ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
        }
        all.extend(bits(&ivon));
        let statistics = ivon.statistics().unwrap();
        all.push(statistics.sigma_mean.to_bits() as u32);
    }
    let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    let mut sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    for _ in 0..3 {
        adamw.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
        sgd.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    }
    all.extend(bits(&adamw));
    all.extend(bits(&sgd));
    all
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    let one = on(1);
    assert!(one == on(2));
    assert!(one == on(3));
}

/// FNV-1a
fn hash(bits: &[u32]) -> u64 {
    bits.iter().fold(0xcbf29ce484222325, |h, b| (h ^ *b as u64).wrapping_mul(0x100000001b3))
}

#[test]
fn the_instruction_set_does_not_change_a_bit() {
    let own = format!("bits {:x}", hash(&run()));
    println!("{own}");
    if std::env::var_os("IVON_SIMD").is_some() {
        return;
    }
    // The level is chosen once in a process, so each one needs a process of its own: this very test, which prints its bits.
    for level in ["baseline", "avx2", "avx512"] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "optimizers::tests::order::the_instruction_set_does_not_change_a_bit";
        let output = child.env("IVON_SIMD", level).args(["--exact", name, "--nocapture"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&own), "{level}: {own} is expected\n{text}");
    }
}

#[test]
fn a_restored_state_goes_on_as_if_nothing_had_happened() {
    let model = Bowl::new(3);
    let new = |seed| Ivon::new(&model, config(), Settings { seed, ..Settings::default() }).unwrap();
    let step = |ivon: &mut Ivon| {
        ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    };
    let mut straight = new(7);
    (0..3).for_each(|_| step(&mut straight));
    let (seed, done) = (straight.state().seed(), straight.state().step());
    let kept: Vec<(&str, Vec<f32>)> = straight.state().buffers().map(|(name, values)| (name, values.to_vec())).collect();
    (0..3).for_each(|_| step(&mut straight));

    let mut resumed = new(12345);
    step(&mut resumed);
    let load = &mut |state: &mut State| {
        state.set_seed(seed);
        state.set_step(done);
        kept.iter().try_for_each(|(name, values)| state.buffer_mut(name).map(|mut b| b.copy_from_slice(values)))
    };
    resumed.restore(load).unwrap();
    (0..3).for_each(|_| step(&mut resumed));
    assert!(bits(&straight) == bits(&resumed));
}

#[test]
fn an_evaluation_in_between_changes_nothing() {
    let model = Bowl::new(3);
    for dtype in [DType::F32, DType::F64] {
        let new = || Ivon::new(&model, config(), Settings { dtype, ..Settings::default() }).unwrap();
        let weights = |ivon: &mut Ivon| ivon.context().sample(&model.parameters[0]).unwrap().to_f64();
        let (mut plain, mut looked) = (new(), new());
        for _ in 0..3 {
            plain.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
            looked.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
            let before = weights(&mut looked);
            let mean = looked.at_mean(|cx| Ok(cx.sample(&model.parameters[0])?.to_f64())).unwrap();
            let expected: Vec<f64> = looked.posterior().mean("weight").unwrap().iter().map(|x| *x as f64).collect();
            assert_eq!(mean, expected);
            let first = looked.at_sample(0, |cx| Ok(cx.sample(&model.parameters[0])?.to_f64())).unwrap();
            let second = looked.at_sample(1, |cx| Ok(cx.sample(&model.parameters[0])?.to_f64())).unwrap();
            assert!(first != second && first != before && first != mean);
            let fails = looked.at_sample(2, |_| Err::<(), _>(Error::config("stop")));
            assert_eq!(fails, Err(Error::config("stop")));
            let panics = std::panic::AssertUnwindSafe(|| looked.at_sample(3, |_| -> Result<()> { panic!("on purpose") }));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert_eq!(looked.at_mean(|cx| Ok(cx.sample(&model.parameters[0])?.to_f64())).unwrap(), mean);
            assert_eq!(weights(&mut looked), before);
        }
        let state = |ivon: &Ivon| ivon.state().buffers().map(|(_, b)| b.to_vec()).collect::<Vec<_>>();
        assert!(state(&plain) == state(&looked));
    }
}

#[test]
fn a_step_that_fails_or_panics_can_be_tried_again() {
    let model = Bowl::new(3);
    for samples in [1, 3] {
        let new = || Ivon::new(&model, IvonConfig { samples, ..config() }, Settings::default()).unwrap();
        let (mut plain, mut stopped) = (new(), new());
        for _ in 0..2 {
            plain.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
            let mut calls = 0;
            let fails = stopped.step(0.1, |cx| {
                model.gradient(cx, 1.0)?;
                calls += 1;
                if calls == samples { Err(Error::config("stop")) } else { Ok(1.0) }
            });
            assert_eq!(fails, Err(Error::config("stop")));
            let panics = std::panic::AssertUnwindSafe(|| {
                stopped.step(0.1, |cx| {
                    model.gradient(cx, 1.0)?;
                    panic!("on purpose")
                })
            });
            assert!(std::panic::catch_unwind(panics).is_err());
            stopped.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
        }
        assert!(bits(&plain) == bits(&stopped));
    }
}

#[test]
fn micro_batches_give_the_update_of_the_whole_batch() {
    let model = Bowl::new(3);
    let new = |micro_batches| Ivon::new(&model, config(), Settings { micro_batches, ..Settings::default() }).unwrap();
    let (mut whole, mut parts) = (new(1), new(4));
    for _ in 0..3 {
        let a = whole.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
        let b = parts.step_in_parts(0.1, &mut |cx, i| model.gradient(cx, [0.5, 1.5, 0.8, 1.2][i])).unwrap();
        assert!((a - b).abs() < 1e-5 * a);
    }
    for (a, b) in whole.state().mean().iter().zip(&*parts.state().mean()) {
        assert!((a - b).abs() < 1e-5);
    }
    let refused = parts.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap_err().to_string();
    assert!(refused.contains("step_in_parts"), "{refused}");
}

#[test]
fn f64_and_f32_compute_agree() {
    let model = Bowl::new(3);
    let run = |dtype| {
        let mut ivon =
            Ivon::new(&model, IvonConfig { samples: 2, ..config() }, Settings { dtype, ..Settings::default() }).unwrap();
        let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings { dtype, ..Settings::default() }).unwrap();
        for _ in 0..3 {
            ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
            adamw.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
        }
        [ivon.state().unpadded("mean"), adamw.state().unpadded("mean")].concat()
    };
    for (a, b) in run(DType::F32).iter().zip(run(DType::F64)) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}
