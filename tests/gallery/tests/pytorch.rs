//! Every model of the gallery against PyTorch: the loss and every gradient, in f64 at the same weights. `pytorch/fixtures.py` wrote the
//! fixtures. Every model also learns its batch in some steps of IVON.

use ivon_gallery::Example;
use safetensors::SafeTensors;
use std::path::Path;

/// The largest difference from PyTorch, relative to the largest element of a tensor.
const TOLERANCE: f64 = 1e-9;

fn check(name: &str, example: &dyn Example) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{name}.safetensors"));
    let bytes = std::fs::read(path).unwrap();
    let fixture = SafeTensors::deserialize(&bytes).unwrap();
    let expected = |name: &str| -> Vec<f64> {
        let tensor = fixture.tensor(name).unwrap_or_else(|_| panic!("PyTorch's model has no `{name}`: {:?}", fixture.names()));
        tensor.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    };
    let (loss, gradients) = example.gradients().unwrap();
    close("loss", &[loss], &expected("loss"));
    for (name, gradient) in &gradients {
        close(name, gradient, &expected(name));
    }
    assert_eq!(gradients.len() + 1, fixture.len(), "PyTorch's model has other parameters: {:?}", fixture.names());
}

fn close(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let size = expected.iter().fold(1e-3f64, |size, x| size.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= TOLERANCE * size, "{name}[{i}]: found {found}, expected {expected}");
    }
}

fn learns(example: &dyn Example) {
    let (first, last) = example.train(200).unwrap();
    assert!(last < 0.9 * first, "the loss fell from {first} to {last} only");
}

macro_rules! gallery {
    ($($model:ident)*) => {$(
        mod $model {
            #[test]
            fn has_the_loss_and_the_gradients_of_pytorch() {
                super::check(stringify!($model), &ivon_gallery::$model::example());
            }

            #[test]
            fn learns() {
                super::learns(&ivon_gallery::$model::example());
            }
        }
    )*};
}

gallery! {
    alibi bert convnext crf_tagger ctc densenet dlrm gcn gru heteroscedastic inception info_nce llama lora lstm mixture_of_experts mlp_mixer
    mobilenet_v2 t5 unet vae vit wavenet
}
