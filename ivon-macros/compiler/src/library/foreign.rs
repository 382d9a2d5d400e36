//! Names that other frameworks and the standard library have for what the model language writes in another way: hints for those who know them.

/// A layer of another framework.
pub fn layer(name: &str) -> Option<&'static str> {
    Some(match name {
        "ReLU" => "an activation is a function, `relu(x)`",
        "GELU" => "an activation is a function, `gelu(x)`, of `ivon_runtime::ops`",
        "SiLU" | "Swish" => "an activation is a function, `silu(x)`, of `ivon_runtime::ops`",
        "Tanh" => "an activation is a function, `tanh(x)`",
        "Sigmoid" => "an activation is a function, `sigmoid(x)`",
        "Softmax" => "`softmax(x)`, of `ivon_runtime::ops`, is over the last dimension",
        "LeakyReLU" => "an activation is a function, `leaky_relu(x, 0.01)`, of `ivon_runtime::ops`",
        "MaxPool2d" => "`max_pool2d::<2, 2, 0>(x)`, of `ivon_runtime::ops`, is a function",
        "AvgPool2d" => "`avg_pool2d::<2, 2, 0>(x)`, of `ivon_runtime::ops`, is a function",
        "AdaptiveAvgPool2d" => "`global_average_pool(x)`, of `ivon_runtime::ops`, is a function",
        "Flatten" => "`x.reshape([B, H * W * C])` is a method of tensors",
        "Identity" => "leave it out",
        "Sequential" => "make each layer a field, or an array of them, `[Block<..>; 4]`, and call them in `forward`",
        "ModuleList" | "ModuleDict" => "an array holds layers of one type, `[Block<..>; 4]`; others are fields",
        "BatchNorm1d" => "`BatchNorm2d` on `[B, 1, 1, C]` is the same; `LayerNorm` needs no running statistics",
        "LSTM" | "GRU" | "RNN" => "write its equations in a loop, `for t in 0..T { .. }`; docs/model-language.md shows it",
        "MultiheadAttention" => "it is called `MultiHeadAttention`, of `ivon_runtime::layers`",
        "Dense" | "FullyConnected" => "it is called `Linear`, of `ivon_runtime::layers`",
        _ => return None,
    })
}

/// A method of tensors elsewhere.
pub fn method(name: &str) -> Option<&'static str> {
    Some(match name {
        "view" | "flatten" | "reshape_as" | "view_as" => "write `x.reshape([B, WIDTH])`",
        "clone" | "contiguous" | "to_owned" | "copy" => "leave it out: a tensor can be read any number of times",
        "t" | "T" | "mT" | "swapaxes" => "write `x.transpose(0, 1)`",
        "matmul" | "mm" | "bmm" | "dot" => "`matmul(x, y)`, of `ivon_runtime::ops`, is a function",
        "add" | "sub" | "mul" | "div" | "neg" => "write the operator: `x + y`",
        "square" => "write `x * x`",
        "pow" | "powi" => "write `x.powf(2.0)`",
        "log" => "write `x.ln()`",
        "clamp" | "clip" => "write `max(min(x, 6.0), 0.0)`",
        "cat" | "concat" => "`concat([x, y], 1)` is a function",
        "chunk" | "split" | "narrow" => "write `x.slice(1, 0..WIDTH)` for each part",
        "select" | "get" | "index_select" => "`x.at(1, t)` reads one place of an axis; `select(mask, a, b)` is a function",
        "masked_fill" | "where" => "`select(mask, a, b)` is a function",
        "std" | "var" => "write it out: `let c = x - x.mean_keep(-1); (c * c).mean(-1)`",
        "norm" => "write it out: `(x * x).sum(-1).sqrt()`",
        "shape" | "size" | "dim" | "len" | "numel" => "the sizes are the names in the signature: `B`, `T`",
        "to" | "float" | "double" | "half" | "cuda" | "cpu" => "leave it out: the context has the device and the type",
        "item" | "unwrap" | "expect" => "leave it out: a forward pass computes with tensors, and generated code passes errors on",
        "fold" | "map" | "for_each" | "enumerate" | "zip" => {
            "write a loop: `for layer in &self.layers { x = layer.forward(x); }`"
        }
        "repeat" | "broadcast_to" | "expand_as" => "write `x.expand([B, T, WIDTH])`; arithmetic broadcasts by itself",
        "backward" | "requires_grad" => "leave it out: the backward pass is generated",
        _ => return None,
    })
}

/// A function elsewhere.
pub fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "Ok" | "Some" | "Err" => {
            "a forward pass returns its tensors as they are, and generated code makes a `Result` of them: leave it out"
        }
        "cat" => "it is called `concat`: `concat([x, y], 1)`",
        "clamp" | "clip" => "write `max(min(x, 6.0), 0.0)`",
        "pow" => "it is called `powf`: `powf(x, 2.0)`",
        "log" => "it is called `ln`: `ln(x)`",
        "where_" | "masked_fill" => "it is called `select`: `select(mask, a, b)`",
        "swish" => "it is called `silu`, of `ivon_runtime::ops`",
        "nll_loss" | "CrossEntropyLoss" => "it is called `cross_entropy`, of `ivon_runtime::ops`, and takes logits",
        "mse_loss" | "MSELoss" => "it is called `mse`, of `ivon_runtime::ops`",
        "scaled_dot_product_attention" => "they are called `attention` and `causal_attention`, of `ivon_runtime::ops`",
        "mm" | "bmm" | "dot" => "it is called `matmul`, of `ivon_runtime::ops`",
        _ => return None,
    })
}

/// A field of models elsewhere.
pub fn field(name: &str) -> Option<&'static str> {
    Some(match name {
        "training" | "train" | "is_training" => {
            "what differs between training and evaluation does so by itself: `dropout(x, rate)` and `BatchNorm2d` need no condition"
        }
        _ => return None,
    })
}
