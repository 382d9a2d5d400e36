//! The names of the runtime's layers and ops, for hints when the user has not imported them.

/// Layers, from `layers`.
const LAYERS: &[&str] = &[
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "FilterResponseNorm",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "RmsNorm",
    "SwiGlu",
];

/// Ops and functions, from `ops`.
const OPS: &[&str] = &[
    "attention",
    "avg_pool2d",
    "batch_norm",
    "batch_norm_relu",
    "causal_attention",
    "conv2d",
    "cross_entropy",
    "cross_entropy_smoothed",
    "dropout",
    "embedding",
    "filter_response_norm",
    "gaussian_nll",
    "gelu",
    "gelu_tanh",
    "global_average_pool",
    "group_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "linear_cross_entropy",
    "linear_gelu",
    "log_softmax",
    "matmul",
    "max_pool2d",
    "mse",
    "rms_norm",
    "silu",
    "softmax",
    "softplus",
];

/// `use ivon_runtime::ops::gelu;`, if the runtime has something of this name.
pub fn import(name: &str, runtime: &str) -> Option<String> {
    let module = match name {
        _ if LAYERS.contains(&name) => "layers",
        _ if OPS.contains(&name) => "ops",
        _ => return None,
    };
    Some(format!("use {}::{module}::{name};", runtime.trim_start_matches("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that the runtime has and this list lacks gets no hint; the reverse would be a wrong one.
    #[test]
    fn the_runtime_has_all_of_them() {
        let runtime = crate::expand::runtime_names().unwrap();
        for name in LAYERS.iter().chain(OPS) {
            assert!(runtime.iter().any(|known| known == name), "the runtime has no `{name}`");
        }
        assert_eq!(import("gelu", "::ivon_runtime").as_deref(), Some("use ivon_runtime::ops::gelu;"));
    }
}
