//! Hugging Face's names and layouts of GPT-2's tensors, in and out.
//!
//! Their `Conv1D` keeps weights as `[in, out]`, ours are `[out, in]`; everything else has one layout. The head is tied to the token
//! embedding, so `lm_head.weight` is accepted where it is the same tensor and never written.

use crate::weights::{Table, Values};
use ivon_runtime::{Error, Parameter, Result};
use std::collections::BTreeMap;

const PREFIX: &str = "transformer.";

/// A parameter of ours as Hugging Face knows it.
struct Peer {
    /// Without `transformer.`.
    name: String,
    transposed: bool,
}

/// `blocks.3.attention.qkv.weight` is their `h.3.attn.c_attn.weight`, transposed.
fn peer(ours: &str) -> Option<Peer> {
    let plain = |name: &str| Some(Peer { name: name.into(), transposed: false });
    match ours {
        "tokens.weight" => return plain("wte.weight"),
        "positions" => return plain("wpe.weight"),
        "norm.gain" => return plain("ln_f.weight"),
        "norm.bias" => return plain("ln_f.bias"),
        _ => {}
    }
    let (block, path) = ours.strip_prefix("blocks.")?.split_once('.')?;
    let (layer, kind) = path.rsplit_once('.')?;
    let (layer, linear) = match layer {
        "norm1" => ("ln_1", false),
        "norm2" => ("ln_2", false),
        "attention.qkv" => ("attn.c_attn", true),
        "attention.out" => ("attn.c_proj", true),
        "mlp.up" => ("mlp.c_fc", true),
        "mlp.down" => ("mlp.c_proj", true),
        _ => return None,
    };
    let transposed = linear && kind == "weight";
    let kind = if kind == "gain" { "weight" } else { kind };
    Some(Peer { name: format!("h.{block}.{layer}.{kind}"), transposed })
}

fn peer_of(parameter: &Parameter) -> Result<Peer> {
    let name = parameter.name();
    peer(name).ok_or_else(|| Error::config(format!("`{name}` has no counterpart in Hugging Face's GPT-2")))
}

/// Buffers of attention masks, which old files carry along: no parameters.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

/// The values of our parameters out of a table with Hugging Face's names, in the order of `parameters`.
///
/// # Errors
/// Names every tensor that is missing, unexpected or has another shape, all at once.
pub fn import(parameters: &[&Parameter], table: &Table) -> Result<Vec<Vec<f64>>> {
    let mut theirs: BTreeMap<&str, &Values> =
        table.iter().filter(|(name, _)| !is_mask(name)).map(|(name, v)| (name.strip_prefix(PREFIX).unwrap_or(name), v)).collect();
    let head = theirs.remove("lm_head.weight");
    let (mut found, mut wrong) = (vec![], vec![]);
    for parameter in parameters {
        let Peer { name, transposed } = peer_of(parameter)?;
        let mut shape = parameter.shape().to_vec();
        if transposed {
            shape.reverse();
        }
        match theirs.remove(name.as_str()) {
            None => wrong.push(format!("missing: {PREFIX}{name} {shape:?}")),
            Some(v) if v.shape != shape => {
                wrong.push(format!("wrong shape: {PREFIX}{name} is {:?}, expected {shape:?}", v.shape))
            }
            Some(v) => {
                if let (Some(head), "wte.weight") = (head, name.as_str())
                    && (head.shape != v.shape || head.data != v.data)
                {
                    wrong.push(
                        "lm_head.weight differs from transformer.wte.weight, but the head of this model is tied to it".into(),
                    );
                }
                found.push(if transposed { transpose(&v.data, shape[0], shape[1]) } else { v.data.clone() });
            }
        }
    }
    wrong.extend(theirs.iter().map(|(name, v)| format!("unexpected: {name} {:?}", v.shape)));
    match wrong.is_empty() {
        true => Ok(found),
        false => Err(Error::config(format!("the weights do not fit this model:\n  {}", wrong.join("\n  ")))),
    }
}

/// Our values under Hugging Face's names and in their layouts.
///
/// # Errors
/// If a parameter has no counterpart there.
pub fn export<'a>(values: impl IntoIterator<Item = (&'a Parameter, Vec<f64>)>) -> Result<Table> {
    let entry = |(parameter, data): (&Parameter, Vec<f64>)| {
        let Peer { name, transposed } = peer_of(parameter)?;
        let mut shape = parameter.shape().to_vec();
        let data = match transposed {
            true => transpose(&data, shape[0], shape[1]),
            false => data,
        };
        if transposed {
            shape.reverse();
        }
        Ok((format!("{PREFIX}{name}"), Values { shape, data }))
    };
    values.into_iter().map(entry).collect()
}

/// A `[rows, columns]` matrix, turned round.
fn transpose(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| x[r * columns + c])).collect()
}
