//! Steps whose update is a part of the graph of their backward pass, on the emulated GPU.

#[path = "shared/compare.rs"]
mod compare;
#[path = "shared/language.rs"]
mod language;

use compare::look_for_the_emulator;
use ivon_emulator::load;
use ivon_runtime::prelude::*;
use language::{Language, Line, batch, model};
use std::cell::Cell;

fn settings() -> Settings {
    Settings::default().seed(3).device(Device::Cuda(0))
}

fn ivon_config() -> IvonConfig {
    IvonConfig::new(1e3).hess_init(0.5).beta2(0.99).weight_decay(1e-3)
}

/// An optimizer of each kind: IVON, also with several samples, micro-batches and clipping; AdamW; SGD.
fn of_each_kind(model: &impl Model) -> [Box<dyn Optimizer>; 4] {
    let clipped = settings().grad_clip(Some(0.3));
    let several = ivon_config().samples(2);
    let parts = clipped.clone().micro_batches(2);
    [
        Box::new(Ivon::new(model, ivon_config(), settings()).unwrap()),
        Box::new(Ivon::new(model, several, parts).unwrap()),
        Box::new(AdamW::new(model, AdamWConfig::default(), clipped.clone()).unwrap()),
        Box::new(Sgd::new(model, SgdConfig::default(), clipped).unwrap()),
    ]
}

/// Takes steps up to this one, each with another learning rate; the losses.
fn train(model: &Language, optimizer: &mut dyn Optimizer, to: usize) -> Vec<f64> {
    let first = optimizer.state().step() as usize;
    let step = |step: usize| {
        let gradient = &mut |cx: &Context, part: usize| {
            let (ids, targets) = batch(10 * step + part);
            model.loss_gradient(cx, &ids, &targets)
        };
        optimizer.step_in_parts(0.1 / (1 + step) as f64, gradient).unwrap()
    };
    (first..to).map(step).collect()
}

fn bits(optimizer: &dyn Optimizer) -> Vec<u32> {
    optimizer.state().buffers().flat_map(|(_, values)| values.to_vec()).map(f32::to_bits).collect()
}

#[test]
fn it_is_the_update_beside_the_graph() {
    if !look_for_the_emulator() {
        return;
    }
    let model = model(0.2);
    let run = |in_graph: bool, graphs: bool| {
        of_each_kind(&model).map(|mut optimizer| {
            optimizer.context().set_update_in_graph(in_graph);
            optimizer.context().set_graphs(graphs);
            (optimizer.name(), train(&model, optimizer.as_mut(), 7), bits(optimizer.as_ref()))
        })
    };
    let expected = run(false, false);
    for (in_graph, graphs) in [(false, true), (true, false), (true, true)] {
        for (found, expected) in run(in_graph, graphs).iter().zip(&expected) {
            let (name, losses, bits) = expected;
            assert_eq!(found.1, *losses, "{name}");
            assert!(found.2 == *bits, "{name} has other bits: update in the graph {in_graph}, graphs {graphs}");
        }
    }
}

#[test]
fn the_check_of_graphs_covers_it() {
    if !look_for_the_emulator() {
        return;
    }
    let model = model(0.2);
    let run = |check: bool| {
        of_each_kind(&model).map(|mut optimizer| {
            optimizer.context().set_update_in_graph(true);
            optimizer.context().set_check_graphs(check);
            (train(&model, optimizer.as_mut(), 7), bits(optimizer.as_ref()), optimizer.context().graphs() > 0)
        })
    };
    assert!(run(true) == run(false), "the check changes a step");

    // A backward pass that does something else than its dry run, seen in the state alone: the update zeroes the gradient.
    let model = Line::build(4).unwrap();
    let (x, y) = (Tensor::from_slice(&[0.5f32; 12], [3, 4]).unwrap(), Tensor::from_slice(&[1.0f32, 0.0, -1.0], [3, 1]).unwrap());
    let run = |check: bool| {
        let mut sgd = Sgd::new(&model, SgdConfig::default(), settings()).unwrap();
        sgd.context().set_update_in_graph(true);
        sgd.context().set_check_graphs(check);
        let passes = Cell::new(0);
        let gradient = |cx: &Context| {
            cx.differentiated(
                "hides its factor",
                &[&x, &y],
                |cx| model.loss_saving(cx, &x, &y),
                |cx, saved, _| {
                    passes.set(passes.get() + usize::from(!cx.planning()));
                    let d_loss = cx.filled([], if passes.get() > 6 && !cx.planning() { 2.0 } else { 1.0 })?;
                    model.loss_backward(cx, saved, d_loss, &mut Adjoint::skip(), &mut Adjoint::skip())
                },
            )
        };
        (0..12).try_for_each(|_| sgd.step(0.1, gradient).map(drop))
    };
    run(false).unwrap();
    let error = run(true).unwrap_err().to_string();
    for part in ["hides its factor", "the mean of `line.", "kernel by kernel"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn nothing_is_launched_beside_the_graphs() {
    // A real GPU does not count.
    let Some(emulator) = load().filter(|_| look_for_the_emulator()) else { return };
    let model = model(0.2);
    for mut optimizer in of_each_kind(&model) {
        let name = optimizer.name();
        optimizer.context().set_update_in_graph(true);
        train(&model, optimizer.as_mut(), 7);
        let graphs = optimizer.context().graphs();
        let before = emulator.counts().1;
        train(&model, optimizer.as_mut(), 10);
        assert_eq!(emulator.counts().1, before, "{name} launches kernels");
        assert_eq!(optimizer.context().graphs(), graphs, "{name}: what changes from step to step is captured anew");
    }
}

#[test]
fn a_loss_that_is_no_number_stops_it() {
    if !look_for_the_emulator() {
        return;
    }
    let model = Line::build(4).unwrap();
    let gradient = |optimizer: &mut dyn Optimizer, spoilt: bool| {
        let x: Vec<f32> = (0..12).map(|i| if spoilt && i == 7 { f32::NAN } else { i as f32 / 12.0 }).collect();
        let (x, y) = (Tensor::from_slice(&x, [3, 4]).unwrap(), Tensor::from_slice(&[1.0f32, 0.0, -1.0], [3, 1]).unwrap());
        optimizer.step_in_parts(0.1, &mut |cx, _| model.loss_gradient(cx, &x, &y))
    };
    for (mut optimizer, mut undisturbed) in of_each_kind(&model).into_iter().zip(of_each_kind(&model)) {
        let name = optimizer.name();
        for optimizer in [&mut optimizer, &mut undisturbed] {
            optimizer.context().set_update_in_graph(true);
            (0..6).for_each(|_| assert!(gradient(optimizer.as_mut(), false).is_ok()));
        }
        let error = gradient(optimizer.as_mut(), true).unwrap_err().to_string();
        assert!(error.contains("the loss is NaN"), "{name}: {error}");
        assert!(bits(optimizer.as_ref()) == bits(undisturbed.as_ref()), "{name} has moved");
        for optimizer in [&mut optimizer, &mut undisturbed] {
            (0..3).for_each(|_| assert!(gradient(optimizer.as_mut(), false).is_ok()));
        }
        assert!(bits(optimizer.as_ref()) == bits(undisturbed.as_ref()), "{name} does not go on as before");
    }
}

#[test]
fn a_second_gradient_is_refused() {
    if !look_for_the_emulator() {
        return;
    }
    let model = model(0.2);
    let mut ivon = Ivon::new(&model, ivon_config(), settings()).unwrap();
    let twice = |ivon: &mut Ivon| {
        let (ids, targets) = batch(0);
        ivon.step(0.1, |cx| Ok(model.loss_gradient(cx, &ids, &targets)? + model.loss_gradient(cx, &ids, &targets)?))
    };
    twice(&mut ivon).unwrap();
    ivon.context().set_update_in_graph(true);
    let error = twice(&mut ivon).unwrap_err().to_string();
    assert!(error.contains("a second gradient"), "{error}");
}
