//! A small state to save, and what the tests of checkpoints share.

mod damage;
mod disk;
mod refusals;
mod store;

use super::*;
use crate::optimizers::tests::{Bowl, bits};
use crate::optimizers::{AdamW, AdamWConfig, Ivon, IvonConfig, Settings};
use crate::tensor::parameter::{Buffer, Builder, Init, Options, Parameter};

/// Parameters of given names and shapes, and buffers of vectors.
pub struct Shapes(Vec<Parameter>, Vec<Buffer>);

impl Shapes {
    pub fn new(parameters: &[(&str, &[usize])]) -> Shapes {
        let mut b = Builder::new();
        let normal = Options { init: Some(Init::Normal(1.0)), ..Options::default() };
        Shapes(parameters.iter().map(|(name, shape)| b.parameter(name, *shape, normal)).collect(), vec![])
    }

    pub fn with_buffers(self, buffers: &[(&str, usize)]) -> Shapes {
        let mut b = Builder::new();
        Shapes(self.0, buffers.iter().map(|(name, count)| b.buffer(name, [*count], Init::Ones)).collect())
    }

    /// Five numbers in two parameters and two in a buffer: small enough to try every bit of its checkpoint.
    pub fn small() -> Shapes {
        Shapes::new(&[("weight", &[2, 2]), ("bias", &[1])]).with_buffers(&[("seen", 2)])
    }
}

impl Model for Shapes {
    const NAME: &'static str = "Shapes";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        self.0.iter().for_each(visit);
    }
    fn visit_buffers<'a>(&'a self, visit: &mut dyn FnMut(&'a Buffer)) {
        self.1.iter().for_each(visit);
    }
}

pub fn ivon(model: &impl Model, seed: u64) -> Ivon {
    let config = IvonConfig { beta2: 0.9, ..IvonConfig::new(1234.5) };
    Ivon::new(model, config, Settings { seed, ..Settings::default() }).unwrap()
}

/// One step with a gradient that depends on the weights.
pub fn step(optimizer: &mut impl Optimizer) {
    let parameters: Vec<Parameter> = optimizer.state().layout().entries().iter().map(|e| e.parameter.clone()).collect();
    let gradient = |cx: &crate::context::Context| {
        for p in &parameters {
            let theta = cx.sample(p)?.to_f64();
            if let Some((target, _)) = cx.gradient(p)?.target(cx, *p.shape())? {
                target.as_mut_slice::<f32>().iter_mut().zip(theta).for_each(|(g, theta)| *g += (theta - 0.5) as f32);
            }
        }
        Ok(1.0)
    };
    optimizer.step(0.1, gradient).unwrap();
}

#[test]
fn the_posterior_of_a_checkpoint_is_the_optimizers() {
    let root = tempfile::tempdir().unwrap();
    let model = Bowl::new(5);
    let mut optimizer = ivon(&model, 3);
    (0..3).for_each(|_| step(&mut optimizer));
    let saved = Checkpoints::new(root.path(), 1).save(&optimizer, Notes::default()).unwrap();
    let (ours, theirs) = (saved.posterior(&model).unwrap(), optimizer.posterior());
    for name in ["weight", "bias", "frozen", "own"] {
        assert_eq!(ours.mean(name), theirs.mean(name));
        assert_eq!(ours.sigma(name), theirs.sigma(name));
    }
    assert_eq!(ours.sample(3, 1).unwrap().as_slice::<f32>(), theirs.sample(3, 1).unwrap().as_slice::<f32>());

    let point = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    let saved = Checkpoints::new(root.path().join("adamw"), 1).save(&point, Notes::default()).unwrap();
    assert!(saved.posterior(&model).unwrap().is_point());
}

#[test]
fn the_files_are_safetensors_with_every_parameter() {
    let root = tempfile::tempdir().unwrap();
    let model = Bowl::new(5);
    let mut optimizer = ivon(&model, 3);
    step(&mut optimizer);
    let saved = Checkpoints::new(root.path(), 1).save(&optimizer, Notes::default()).unwrap();
    for (buffer, values) in optimizer.state().buffers() {
        let bytes = std::fs::read(saved.path().join(format!("{buffer}.safetensors"))).unwrap();
        // The official reader.
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), 4);
        for entry in optimizer.state().layout().entries() {
            let tensor = file.tensor(entry.parameter.name()).unwrap();
            let expected: Vec<u8> = values[entry.range()].iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!((tensor.shape(), tensor.data()), (&entry.parameter.shape()[..], &expected[..]));
        }
    }
}

#[test]
fn the_manifest_is_json_that_says_what_it_is() {
    let root = tempfile::tempdir().unwrap();
    let mut optimizer = ivon(&Shapes::small(), u64::MAX);
    step(&mut optimizer);
    let saved = Checkpoints::new(root.path(), 1).save(&optimizer, Notes::default()).unwrap();
    let text = std::fs::read_to_string(saved.path().join("manifest.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (json["model"].as_str(), json["optimizer"].as_str(), json["step"].as_u64()),
        (Some("Shapes"), Some("ivon"), Some(1))
    );
    assert_eq!(json["seed"].as_u64(), Some(u64::MAX));
    assert_eq!(json["hyperparameters"]["ess"].as_f64(), Some(1234.5));
    assert_eq!(
        json["parameters"][0],
        serde_json::json!({"name": "weight", "shape": [2, 2], "weight_decay": 1e-4, "frozen": false})
    );
    assert_eq!(json["buffers"], serde_json::json!([{"name": "seen", "shape": [2]}]));
    assert_eq!(json["files"].as_array().map(Vec::len), Some(4));
}
