//! The names of the runtime's layers and ops, for hints when the user has not imported them or calls them by other names.

pub mod foreign;
#[cfg(all(test, feature = "expand"))]
mod tests;

use crate::errors::{did_you_mean, nearest};
use crate::intrinsics::tensor_methods;

/// Layers, from `layers`.
const LAYERS: &[&str] = &[
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Conv2dRectangular",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "FilterResponseNorm",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MultiHeadAttention",
    "RmsNorm",
    "SwiGlu",
];

/// Ops and functions, from `ops`.
const OPS: &[&str] = &[
    "arange",
    "attention",
    "avg_pool2d",
    "batch_norm",
    "batch_norm_relu",
    "causal_attention",
    "conv1d",
    "conv2d",
    "conv2d_rectangular",
    "conv_transpose2d",
    "cosine_similarity",
    "cross_entropy",
    "cross_entropy_smoothed",
    "dropout",
    "elu",
    "embedding",
    "eye",
    "filter_response_norm",
    "gaussian_nll",
    "gelu",
    "gelu_tanh",
    "global_average_pool",
    "glu",
    "group_norm",
    "grouped_attention",
    "hard_swish",
    "l2_normalize",
    "index_select",
    "layer_norm",
    "leaky_relu",
    "length_mask",
    "linear",
    "linear_cross_entropy",
    "linear_gelu",
    "log_softmax",
    "matmul",
    "max_pool2d",
    "mse",
    "one_hot",
    "relu",
    "relu6",
    "rms_norm",
    "rotary",
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

/// ": did you mean `Linear`?", with its import, or a hint for a name of another framework.
pub fn layer_meant(name: &str, runtime: &str) -> String {
    match (foreign::layer(name), nearest(name, LAYERS.iter().copied())) {
        (Some(hint), _) => format!(": {hint}"),
        (_, Some(near)) => format!(": did you mean `{near}`?{}", imported(near, runtime)),
        _ => String::new(),
    }
}

/// The same for a function; `others` can be called here, too.
pub fn function_meant<'a>(name: &'a str, others: impl Iterator<Item = &'a str>, runtime: &str) -> String {
    let others: Vec<&str> = others.filter(|other| *other != name).collect();
    match (foreign::function(name), nearest(name, others.iter().copied().chain(OPS.iter().copied()))) {
        (Some(hint), _) => format!(": {hint}"),
        (_, Some(near)) if others.contains(&near) => format!(": did you mean `{near}`?"),
        (_, Some(near)) => format!(": did you mean `{near}`?{}", imported(near, runtime)),
        _ => String::new(),
    }
}

fn imported(name: &str, runtime: &str) -> String {
    import(name, runtime).map(|import| format!(" `{import}`")).unwrap_or_default()
}

/// The message about a method that tensors lack.
pub fn no_method(name: &str) -> String {
    let hint = match foreign::method(name) {
        _ if OPS.contains(&name) => format!(": it is a function, `{name}(x)`"),
        Some(hint) => format!(": {hint}"),
        None => did_you_mean(name, tensor_methods()),
    };
    format!("a tensor has no method `{name}`{hint}")
}
