//! GPT-2 as a whole: size, names, causality, gradients.

use super::*;
use crate::weights::{Table, Values};
use ivon_runtime::{Flat, Layout};

const SMALLEST: Dimensions = Dimensions { layers: 2, width: 8, heads: 2, context: 6, vocab: 11, bias: true };

/// A model with weights that are nowhere at their start, in f64.
fn model(dimensions: Dimensions) -> (Gpt2, Context, Flat) {
    let model = Gpt2::of(&dimensions).unwrap();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let layout = Layout::of(&model);
    let mut weights = Flat::zeros(&layout, DType::F64);
    let scramble = |i: usize| ((i as f64 * 0.7548776662).fract() - 0.5) * 0.6;
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = scramble(i + 1));
    cx.set_weights(&weights);
    (model, cx, weights)
}

fn ids(ids: &[u32], shape: [usize; 2]) -> Tensor {
    Tensor::from_slice(ids, shape).unwrap()
}

#[test]
fn the_published_sizes_have_their_published_numbers_of_parameters() {
    let count = |name: &str| Preset::named(name).unwrap().dimensions.parameters();
    assert_eq!(["small", "medium", "large", "xl"].map(count), [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]);
}

#[test]
fn the_model_has_the_parameters_that_its_dimensions_say() {
    for bias in [true, false] {
        let dimensions = Dimensions { bias, ..SMALLEST };
        assert_eq!(Layout::of(&Gpt2::of(&dimensions).unwrap()).elements(), dimensions.parameters());
    }
}

#[test]
fn wrong_dimensions_are_errors() {
    let error = |dimensions: Dimensions| Gpt2::of(&dimensions).err().unwrap().to_string();
    let message = error(Dimensions { heads: 3, ..SMALLEST });
    assert_eq!(message, "3 heads do not divide width 8 evenly; 2 would");
    assert!(error(Dimensions { layers: 0, ..SMALLEST }).contains("--layers is 0"));
    assert!(error(Dimensions { width: 1 << 40, ..SMALLEST }).contains("more than any memory"));
    let message = Preset::named("tiney").unwrap_err().to_string();
    assert!(message.contains("`tiney`") && message.contains("tiny (2 layers") && message.contains("xl"), "{message}");
}

#[test]
fn a_position_sees_only_what_came_before() {
    let (model, cx, _weights) = model(SMALLEST);
    let logits = |last| model.forward(&cx, &ids(&[1, 2, 3, 4, last], [1, 5])).unwrap().to_f64();
    let (a, b) = (logits(5), logits(6));
    assert_eq!(a[..4 * 11], b[..4 * 11]);
    assert_ne!(a[4 * 11..], b[4 * 11..]);
}

#[test]
fn the_gradient_is_that_of_central_differences() {
    let (model, cx, mut weights) = model(SMALLEST);
    let (x, y) = (ids(&[1, 2, 3, 4, 10, 0], [2, 3]), ids(&[2, 3, 4, 0, 0, 9], [2, 3]));
    let gradient = Flat::zeros(weights.layout(), DType::F64);
    cx.set_gradient(Some(&gradient));
    model.loss_gradient(&cx, &x, &y).unwrap();
    cx.set_gradient(None);
    let layout = weights.layout().clone();
    for entry in layout.entries() {
        // A few elements of every parameter.
        for i in entry.range().step_by(1 + entry.range().len() / 5) {
            let (start, step) = (weights.as_slice::<f64>()[i], 1e-5);
            let mut at = |value: f64| {
                weights.as_mut_slice::<f64>()[i] = value;
                model.loss(&cx, &x, &y).unwrap().item().unwrap()
            };
            let numeric = (at(start + step) - at(start - step)) / (2.0 * step);
            at(start);
            let exact = gradient.as_slice::<f64>()[i];
            assert!(
                (numeric - exact).abs() < 1e-8,
                "{}[{}]: {numeric} against {exact}",
                entry.parameter.name(),
                i - entry.offset
            );
        }
    }
}

#[test]
fn hugging_face_names_and_layouts_survive_the_round_trip() {
    let (model, _cx, weights) = model(SMALLEST);
    let ours: Vec<Vec<f64>> = model.parameters().iter().map(|p| weights.tensor(p).to_f64()).collect();
    let table = export(model.parameters().into_iter().zip(ours.clone())).unwrap();
    assert_eq!(table["transformer.h.1.attn.c_attn.weight"].shape, [8, 24]);
    assert_eq!(table["transformer.h.0.mlp.c_proj.weight"].shape, [32, 8]);
    assert_eq!(table["transformer.wpe.weight"].shape, [6, 8]);
    assert_eq!(table.len(), model.parameters().len());
    assert_eq!(import(&model.parameters(), &table).unwrap(), ours);

    // Old files: no prefix, masks along, the tied head written out.
    let mut old: Table = table.iter().map(|(name, v)| (name.replace("transformer.", ""), v.clone())).collect();
    old.insert("h.0.attn.bias".into(), Values { shape: vec![1, 1, 6, 6], data: vec![1.0; 36] });
    old.insert("h.0.attn.masked_bias".into(), Values { shape: vec![], data: vec![-1e4] });
    old.insert("lm_head.weight".into(), table["transformer.wte.weight"].clone());
    assert_eq!(import(&model.parameters(), &old).unwrap(), ours);
}

#[test]
fn all_that_is_wrong_with_a_file_is_listed() {
    let (model, _cx, weights) = model(SMALLEST);
    let mut table = export(model.parameters().into_iter().map(|p| (p, weights.tensor(p).to_f64()))).unwrap();
    table.remove("transformer.h.0.ln_1.bias");
    table.remove("transformer.wpe.weight");
    table.insert("transformer.ln_f.weight".into(), Values { shape: vec![9], data: vec![0.0; 9] });
    table.insert("transformer.extra".into(), Values { shape: vec![2], data: vec![0.0; 2] });
    table.insert("lm_head.weight".into(), Values { shape: vec![11, 8], data: vec![0.0; 88] });
    let error = import(&model.parameters(), &table).unwrap_err().to_string();
    for wanted in [
        "missing: transformer.h.0.ln_1.bias [8]",
        "missing: transformer.wpe.weight [6, 8]",
        "wrong shape: transformer.ln_f.weight is [9], expected [8]",
        "unexpected: extra [2]",
        "lm_head.weight differs from transformer.wte.weight",
    ] {
        assert!(error.contains(wanted), "{wanted} is not in {error}");
    }
}
