//! GPT-2 as a whole: size, names, causality, gradients.

use super::*;
use crate::data::Tokenizer;
use crate::weights::{Table, Values};
use ivon_runtime::checkpoint::Notes;
use ivon_runtime::{Flat, Layout, Posterior, run};

const SMALLEST: Dimensions = Dimensions { layers: 2, width: 8, heads: 2, context: 6, vocab: 11, bias: true };

/// A model with weights that are nowhere at their start, in f64.
fn model(dimensions: Dimensions) -> (Gpt2, Context, Flat) {
    let model = Gpt2::of(&dimensions).unwrap();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let layout = Layout::of(&model);
    let mut weights = Flat::zeros(&layout, DType::F64).unwrap();
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
fn a_text_read_piece_by_piece_has_the_probabilities_of_the_whole() {
    let dimensions = Dimensions { context: 40, ..SMALLEST };
    let (model, cx, _weights) = model(dimensions);
    let text: Vec<u16> = (0..60).map(|i| (i * i + 3) % 11).collect();
    let mut reader = Reader::new(&cx, 40);
    // The window of the model: from `start` on. It moves once, when 40 positions are used up, and leaves 20 of them free.
    for (length, start) in [(1, 0), (2, 0), (9, 0), (10, 0), (40, 0), (41, 21), (42, 21), (60, 21)] {
        let found = reader.log_probabilities(&model, &text[..length]).unwrap();
        let window: Vec<u32> = text[start..length].iter().map(|id| u32::from(*id)).collect();
        let logits = model.forward(&cx, &ids(&window, [1, window.len()])).unwrap().to_f64();
        let last = &logits[logits.len() - 11..];
        let total = last.iter().map(|x| x.exp()).sum::<f64>().ln();
        for (found, expected) in found.iter().zip(last) {
            assert!((found - (expected - total)).abs() < 1e-12, "{found} against {}, {length} tokens", expected - total);
        }
    }
    assert!(Reader::new(&cx, 40).log_probabilities(&model, &[]).unwrap_err().to_string().contains("no text"));
    assert!(Reader::new(&cx, 40).log_probabilities(&model, &[11]).unwrap_err().to_string().contains("id 11"));
}

#[test]
fn in_f32_the_cache_agrees_to_a_hundred_thousandth() {
    let dimensions = Dimensions { layers: 3, width: 64, heads: 4, context: 100, vocab: 50, bias: true };
    let stored = stored(dimensions, Tokenizer::Bytes);
    let cx = Context::new(Device::Cpu, DType::F32).unwrap();
    let weights = stored.posterior.sample(1, 0).unwrap();
    cx.set_weights(&weights);
    let text: Vec<u16> = (0..100).map(|i| (i * 7) % 50).collect();
    let logits = stored.model.forward(&cx, &ids(&text.iter().map(|id| u32::from(*id)).collect::<Vec<_>>(), [1, 100])).unwrap();
    let mut reader = Reader::new(&cx, 100);
    for (length, row) in (1..=100).zip(logits.to_f64().chunks(50)) {
        let total = row.iter().map(|x| x.exp()).sum::<f64>().ln();
        let found = reader.log_probabilities(&stored.model, &text[..length]).unwrap();
        assert!(found.iter().zip(row).all(|(x, y)| (x - (y - total)).abs() < 1e-5), "{length}");
    }
}

#[test]
fn what_samples_disagree_about_is_epistemic() {
    let dimensions = Dimensions { vocab: 11, ..SMALLEST };
    let stored = stored(dimensions, Tokenizer::Bytes);
    let contexts: Vec<Context> = [0, 1, 0]
        .map(|k| {
            let cx = Context::new(Device::Cpu, DType::F32).unwrap();
            cx.set_weights(&stored.posterior.sample(1, k).unwrap());
            cx
        })
        .into();
    let sampling = Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 3, ids: 11 };
    let draw = |which: &[usize]| {
        let mut readers: Vec<Reader> = which.iter().map(|k| Reader::new(&contexts[*k], 6)).collect();
        next(&mut readers, &stored.model, &[1, 2], &sampling, 0).unwrap()
    };
    let (one, same, two) = (draw(&[0]), draw(&[0, 2]), draw(&[0, 1]));
    assert!(one.epistemic.abs() < 1e-12 && same.epistemic.abs() < 1e-12);
    assert_eq!((one.id, one.entropy), (same.id, same.entropy));
    assert!(two.epistemic > 1e-9 && two.epistemic < 2f64.ln() && two.epistemic < two.entropy, "{two:?}");
    // One sample after the other in the same context, as where memory is short.
    let cx = Context::new(Device::Cpu, DType::F32).unwrap();
    let (mut weights, mut reader) = (Flat::zeros(stored.posterior.layout(), DType::F32).unwrap(), Reader::new(&cx, 6));
    let mut each = (0..2).map(|k| {
        stored.posterior.write(Some((1, k)), &mut weights)?;
        cx.set_weights(&weights);
        reader.forget();
        reader.log_probabilities(&stored.model, &[1, 2])
    });
    assert_eq!(next_of(&mut each, &sampling, 0).unwrap(), two);
    // H(average) - average H, from the distributions themselves.
    let p = |k: usize| Reader::new(&contexts[k], 6).log_probabilities(&stored.model, &[1, 2]).unwrap();
    let entropy = |p: Vec<f64>| -p.iter().map(|p| p * p.ln()).sum::<f64>();
    let (a, b): (Vec<f64>, Vec<f64>) = (p(0).iter().map(|x| x.exp()).collect(), p(1).iter().map(|x| x.exp()).collect());
    let mixture = entropy(a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0).collect());
    assert!((two.epistemic - (mixture - (entropy(a) + entropy(b)) / 2.0)).abs() < 1e-12);
}

#[test]
fn the_gradient_is_that_of_central_differences() {
    let (model, cx, mut weights) = model(SMALLEST);
    let (x, y) = (ids(&[1, 2, 3, 4, 10, 0], [2, 3]), ids(&[2, 3, 4, 0, 0, 9], [2, 3]));
    let gradient = Flat::zeros(weights.layout(), DType::F64).unwrap();
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
fn names_and_layouts_of_other_programs_survive_the_round_trip() {
    let (model, _cx, weights) = model(SMALLEST);
    let parameters = model.parameters();
    let ours: Vec<Vec<f64>> = parameters.iter().map(|p| weights.tensor(p).to_f64()).collect();
    let exported = |convention| export(parameters.iter().copied().zip(ours.clone()), convention).unwrap();
    let shape = |table: &Table, name: &str| table[name].shape.clone();

    let table = exported(Convention::HuggingFace);
    assert_eq!(shape(&table, "transformer.h.1.attn.c_attn.weight"), [8, 24]);
    assert_eq!(shape(&table, "transformer.h.0.mlp.c_proj.weight"), [32, 8]);
    assert_eq!(shape(&table, "transformer.wpe.weight"), [6, 8]);
    assert_eq!(table.len(), parameters.len());
    // Conv1D keeps [in, out]: element [i, o] of theirs is [o, i] of ours.
    let qkv = parameters.iter().position(|p| p.name() == "blocks.1.attention.qkv.weight").unwrap();
    assert_eq!(table["transformer.h.1.attn.c_attn.weight"].data[2 * 24 + 5], ours[qkv][5 * 8 + 2]);
    assert_eq!(import(&parameters, table.clone()).unwrap(), ours);

    // Old files: no prefix, masks along, the tied head written out.
    let mut old: Table = table.iter().map(|(name, v)| (name.replace("transformer.", ""), v.clone())).collect();
    old.insert("h.0.attn.bias".into(), Values { shape: vec![1, 1, 6, 6], data: vec![1.0; 36] });
    old.insert("h.0.attn.masked_bias".into(), Values { shape: vec![], data: vec![-1e4] });
    old.insert("lm_head.weight".into(), table["transformer.wte.weight"].clone());
    assert_eq!(import(&parameters, old).unwrap(), ours);

    let table = exported(Convention::NanoGpt);
    assert_eq!(shape(&table, "transformer.h.1.attn.c_attn.weight"), [24, 8]);
    assert_eq!(table["lm_head.weight"], table["transformer.wte.weight"]);
    let compiled = table.into_iter().map(|(name, v)| (format!("_orig_mod.{name}"), v)).collect();
    assert_eq!(import(&parameters, compiled).unwrap(), ours);

    let table = exported(Convention::Separate);
    assert_eq!(shape(&table, "transformer.h.1.attn.k_proj.weight"), [8, 8]);
    assert_eq!(table["transformer.h.1.attn.k_proj.weight"].data, ours[qkv][64..128]);
    assert_eq!(import(&parameters, table).unwrap(), ours);
}

#[test]
fn all_that_is_wrong_with_a_file_is_listed() {
    let (model, _cx, weights) = model(SMALLEST);
    let values = || model.parameters().into_iter().map(|p| (p, weights.tensor(p).to_f64()));
    let mut table = export(values(), Convention::HuggingFace).unwrap();
    table.remove("transformer.h.0.ln_1.bias");
    table.remove("transformer.wpe.weight");
    table.insert("transformer.ln_f.weight".into(), Values { shape: vec![9], data: vec![0.0; 9] });
    table.insert("transformer.extra".into(), Values { shape: vec![2], data: vec![0.0; 2] });
    table.insert("lm_head.weight".into(), Values { shape: vec![11, 8], data: vec![0.0; 88] });
    let error = import(&model.parameters(), table).unwrap_err().to_string();
    for wanted in [
        "missing: transformer.h.0.ln_1.bias [8]",
        "missing: transformer.wpe.weight [6, 8]",
        "wrong shape: transformer.ln_f.weight is [9], expected [8]",
        "unexpected: extra [2]",
        "lm_head.weight differs from transformer.wte.weight",
    ] {
        assert!(error.contains(wanted), "{wanted} is not in {error}");
    }
    let mut table = export(values(), Convention::Separate).unwrap();
    table.remove("transformer.h.1.attn.v_proj.bias");
    let error = import(&model.parameters(), table).unwrap_err().to_string();
    assert!(error.contains("missing: transformer.h.1.attn.v_proj.bias [8]"), "{error}");
}

/// A model as it is after training: a mean and a sigma that differ from weight to weight.
fn stored(dimensions: Dimensions, tokenizer: Tokenizer) -> Stored {
    let model = Gpt2::of(&dimensions).unwrap();
    let layout = Layout::of(&model);
    let values = |scale: f64| (1..=layout.padded()).map(move |i| ((i as f64 * 0.7548776662).fract() * scale) as f32);
    let (mean, hessian): (Vec<_>, Vec<_>) = (values(0.3).map(|x| x - 0.15).collect(), values(1.0).collect());
    let decays = vec![1e-3; layout.entries().len()];
    let posterior = Posterior::gaussian(&layout, &mean, &hessian, 1e4, &decays).unwrap().into_owned();
    Stored { dimensions, tokenizer, doubt: None, model, posterior, step: None }
}

#[test]
fn a_checkpoint_of_a_run_opens_by_the_folder_of_either() {
    let folder = tempfile::tempdir().unwrap();
    let model = Gpt2::of(&SMALLEST).unwrap();
    let ivon = Ivon::new(&model, IvonConfig::new(50.0).hess_init(0.25).weight_decay(0.0), Settings::default());
    let ivon = ivon.unwrap();
    let config = serde_json::json!({"heads": 2, "tokenizer": "bytes"}).as_object().unwrap().clone();
    let notes = Notes { config, ..Notes::default() };
    let checkpoint = run::checkpoints(folder.path()).save(&ivon, notes).unwrap();
    for path in [folder.path(), checkpoint.path()] {
        let stored = Stored::open(path, None).unwrap();
        assert_eq!((stored.dimensions, stored.tokenizer, stored.step), (SMALLEST, Tokenizer::Bytes, Some(0)));
        assert_eq!(stored.posterior.mean("positions").unwrap(), ivon.posterior().mean("positions").unwrap());
        assert_eq!(stored.posterior.sigma("norm.gain").unwrap(), [(50.0f64 * 0.25).sqrt().recip() as f32; 8]);
    }
}

fn same(a: &Stored, b: &Stored) {
    assert_eq!((a.dimensions, a.tokenizer), (b.dimensions, b.tokenizer));
    for p in a.model.parameters() {
        assert_eq!(a.posterior.mean(p.name()).unwrap(), b.posterior.mean(p.name()).unwrap(), "{}", p.name());
        assert_eq!(a.posterior.sigma(p.name()).unwrap(), b.posterior.sigma(p.name()).unwrap(), "{}", p.name());
    }
}

#[test]
fn what_is_stored_comes_back_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for bias in [true, false] {
        let before = stored(Dimensions { bias, ..SMALLEST }, Tokenizer::Bytes);
        let file = folder.path().join("ours.safetensors");
        before.write(&file).unwrap();
        same(&before, &Stored::open(&file, None).unwrap());
        for convention in [Convention::NanoGpt, Convention::Separate, Convention::HuggingFace] {
            let out = folder.path().join(format!("{bias}-{convention:?}"));
            before.export(&out, convention).unwrap();
            let after = Stored::open(&out, None).unwrap();
            match bias || convention != Convention::HuggingFace {
                true => same(&before, &after),
                // Hugging Face's model has biases: zeros.
                false => assert_eq!(after.posterior.mean("blocks.1.mlp.up.bias").unwrap(), [0.0; 32]),
            }
            assert!(before.export(&out, convention).unwrap_err().to_string().contains("already"));
        }
    }
}

#[test]
fn a_file_that_does_not_say_what_it_is_needs_help() {
    let folder = tempfile::tempdir().unwrap();
    let before = stored(SMALLEST, Tokenizer::Bytes);
    before.export(folder.path(), Convention::HuggingFace).unwrap();
    let file = folder.path().join("model.safetensors");
    let error = |heads| Stored::open(&file, heads).err().unwrap().to_string();
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(error(None).contains("give --heads"), "{}", error(None));
    assert!(error(Some(3)).contains("3 heads do not divide width 8"));
    assert_eq!(Stored::open(&file, Some(2)).unwrap().dimensions, SMALLEST);
    std::fs::write(folder.path().join("config.json"), r#"{"n_head": 2, "activation_function": "relu"}"#).unwrap();
    assert!(
        error(None).contains("`activation_function`: \"relu\", but this GPT-2 computes with \"gelu_new\""),
        "{}",
        error(None)
    );
    std::fs::write(folder.path().join("config.json"), "{").unwrap();
    assert!(error(None).contains("is no JSON"));
    let nothing = Stored::open(&folder.path().join("no"), None).err().unwrap().to_string();
    assert!(nothing.contains("does not exist"), "{nothing}");
}

/// Weights of another program in a directory, with a configuration beside them.
fn exported(folder: &std::path::Path, change: impl FnOnce(&mut Table<f32>)) -> std::path::PathBuf {
    stored(SMALLEST, Tokenizer::Bytes).export(folder, Convention::HuggingFace).unwrap();
    let path = folder.join("model.safetensors");
    let mut table = crate::weights::read(&path).unwrap();
    change(&mut table);
    crate::weights::write(&path, &table, crate::weights::Precision::F32, None).unwrap();
    path
}

fn refusal(path: &std::path::Path) -> String {
    Stored::open(path, None).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn wrappers_put_anything_before_names() {
    let before = stored(SMALLEST, Tokenizer::Bytes);
    let all = ["module.", "_orig_mod.", "_forward_module.", "model.", "module._orig_mod.", "_orig_mod.module.model."];
    for prefix in all {
        let folder = tempfile::tempdir().unwrap();
        let path = exported(folder.path(), |table| {
            *table = std::mem::take(table).into_iter().map(|(name, v)| (format!("{prefix}{name}"), v)).collect();
        });
        let after = Stored::open(&path, None).unwrap();
        assert_eq!(after.posterior.mean("positions").unwrap(), before.posterior.mean("positions").unwrap(), "{prefix}");
    }
}

#[test]
fn two_names_of_one_tensor_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = exported(folder.path(), |table| {
        let other = table["transformer.wte.weight"].clone();
        table.insert("module.wte.weight".into(), other);
    });
    let error = refusal(&path);
    assert!(error.contains("`module.wte.weight` and `transformer.wte.weight`, two names"), "{error}");
}

#[test]
fn a_tied_head_that_is_there_alone_is_the_embedding() {
    let before = stored(SMALLEST, Tokenizer::Bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = exported(folder.path(), |table| {
        let tokens = table.remove("transformer.wte.weight").unwrap();
        table.insert("lm_head.weight".into(), tokens);
    });
    let after = Stored::open(&path, None).unwrap();
    assert_eq!(after.posterior.mean("tokens.weight").unwrap(), before.posterior.mean("tokens.weight").unwrap());
}

#[test]
fn values_that_no_weight_can_have_are_refused_by_name() {
    for x in [f32::NAN, f32::INFINITY] {
        let folder = tempfile::tempdir().unwrap();
        let path = exported(folder.path(), |table| {
            table.get_mut("transformer.h.1.mlp.c_fc.weight").unwrap().data[33] = x;
        });
        let error = refusal(&path);
        assert!(error.contains(&format!("transformer.h.1.mlp.c_fc.weight holds {x} at [1, 1]")), "{error}");
    }
    // Ours, too.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    stored(SMALLEST, Tokenizer::Bytes).write(&path).unwrap();
    let (mut table, notes) = crate::weights::read_with_notes::<f32>(&path).unwrap();
    table.get_mut("sigma/norm.gain").unwrap().data[2] = f32::NAN;
    crate::weights::write(&path, &table, crate::weights::Precision::F32, Some(notes)).unwrap();
    let error = refusal(&path);
    assert!(error.contains("sigma/norm.gain holds NaN at [2]"), "{error}");
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    exported(folder.path(), |_| {});
    let config = folder.path().join("config.json");
    let whole: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    for (key, value, wanted) in [
        ("n_layer", 3.into(), "`n_layer`: 3, but the weights beside it have 2"),
        ("n_embd", 16.into(), "`n_embd`: 16, but the weights beside it have 8"),
        ("n_ctx", 1024.into(), "`n_ctx`: 1024, but the weights beside it have 6"),
        ("vocab_size", 50257.into(), "`vocab_size`: 50257, but the weights beside it have 11"),
        ("n_head", 3.into(), "3 heads do not divide width 8"),
        ("n_head", 0.into(), "`n_head`: 0; expected a whole number of at least 1"),
        ("n_head", "two".into(), "`n_head`: \"two\"; expected"),
        ("model_type", "llama".into(), "`model_type`: \"llama\""),
    ] {
        let mut changed = whole.clone();
        changed[key] = value;
        std::fs::write(&config, changed.to_string()).unwrap();
        assert!(refusal(folder.path()).contains(wanted), "{key}: {}", refusal(folder.path()));
    }
    // Hugging Face's library has second names for some.
    for (text, wanted) in [
        (r#"{"num_attention_heads": 4}"#, ""),
        (r#"{"n_head": 4, "num_attention_heads": 4}"#, ""),
        (r#"{"n_head": 2, "num_attention_heads": 4}"#, "`n_head`: 2 and `num_attention_heads`: 4, two names of one number"),
        (r#"{"n_head": 2, "hidden_size": 16}"#, "`n_embd`: 16, but the weights beside it have 8"),
        (r#"{"n_head": 2, "tie_word_embeddings": false}"#, "the head is not tied to the token embedding"),
        ("[2]", "is no configuration"),
    ] {
        std::fs::write(&config, text).unwrap();
        match wanted {
            "" => assert_eq!(Stored::open(folder.path(), None).unwrap().dimensions.heads, 4),
            _ => assert!(refusal(folder.path()).contains(wanted), "{text}: {}", refusal(folder.path())),
        }
    }
    std::fs::write(&config, r#"{"n_head": 2, "n_head": 4}"#).unwrap();
    assert!(refusal(folder.path()).contains("`n_head` is there twice"), "{}", refusal(folder.path()));
    std::fs::write(&config, whole.to_string()).unwrap();
    assert!(Stored::open(folder.path(), None).is_ok());
}

#[test]
fn a_tokenizer_that_is_not_ours_is_doubted() {
    let folder = tempfile::tempdir().unwrap();
    stored(SMALLEST, Tokenizer::Bytes).export(folder.path(), Convention::HuggingFace).unwrap();
    // Our export says which tokenizer it is.
    assert_eq!(Stored::open(folder.path(), None).unwrap().doubt, None);
    std::fs::write(folder.path().join("spiece.model"), "x").unwrap();
    let opened = Stored::open(folder.path(), None).unwrap();
    assert!(opened.doubt.as_ref().is_some_and(|doubt| doubt.contains("spiece.model")), "{:?}", opened.doubt);
    // The doubt survives in a file of ours.
    let file = folder.path().join("ours.safetensors");
    opened.write(&file).unwrap();
    assert_eq!(Stored::open(&file, None).unwrap().doubt, opened.doubt);
    let folder = tempfile::tempdir().unwrap();
    let path = exported(folder.path(), |_| {}); // written without notes
    let doubt = Stored::open(&path, None).unwrap().doubt.unwrap_or_default();
    assert!(doubt.contains("vocabulary of 11 ids"), "{doubt}");
}

#[test]
fn a_directory_with_pytorchs_own_file_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pytorch_model.bin"), "PK").unwrap();
    assert!(refusal(folder.path()).contains("holds pytorch_model.bin, which is not read; make a safetensors file"));
}
