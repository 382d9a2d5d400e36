//! Other programs' names and layouts of GPT-2's tensors, in and out.
//!
//! Hugging Face's `Conv1D` keeps weights as `[in, out]`, ours are `[out, in]`, as PyTorch's `Linear` has them in nanoGPT; everything else has one
//! layout. Queries, keys and values are one tensor there and here, three in some files. The head is tied to the token embedding, so
//! `lm_head.weight` is accepted where it is the same tensor, and written only where its reader wants it.

use crate::weights::{self, Number, Table, Values, check_fit, take};
use ivon_runtime::{Error, Parameter, Result};

/// How another program keeps the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Convention {
    /// `transformer.h.0.attn.c_attn.weight`, weights as [in, out]
    HuggingFace,
    /// The same names, weights as [out, in], and the tied head once more
    #[value(name = "nanogpt")]
    NanoGpt,
    /// As nanoGPT, with queries, keys and values apart: `attn.q_proj`, `attn.k_proj`, `attn.v_proj`
    Separate,
}

const PREFIX: &str = "transformer.";
const HEAD: &str = "lm_head.weight";
const TOKENS: &str = "wte.weight";
const FUSED: &str = "attn.c_attn.";
const APART: [&str; 3] = ["attn.q_proj.", "attn.k_proj.", "attn.v_proj."];

/// A parameter of ours as Hugging Face knows it.
struct Peer {
    /// Without `transformer.`.
    name: String,
    /// The weight of a linear layer.
    linear: bool,
}

/// `blocks.3.attention.qkv.weight` is their `h.3.attn.c_attn.weight`.
fn peer(ours: &str) -> Option<Peer> {
    let plain = |name: &str| Some(Peer { name: name.into(), linear: false });
    match ours {
        "tokens.weight" => return plain(TOKENS),
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
    let linear = linear && kind == "weight";
    let kind = if kind == "gain" { "weight" } else { kind };
    Some(Peer { name: format!("h.{block}.{layer}.{kind}"), linear })
}

fn peer_of(parameter: &Parameter) -> Result<Peer> {
    let name = parameter.name();
    peer(name).ok_or_else(|| Error::config(format!("`{name}` has no counterpart in Hugging Face's GPT-2")))
}

/// Buffers of attention masks, which old files carry along: no parameters.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

/// Parts that models of other programs put before the names.
const LEADING: [&str; 2] = ["model", "transformer"];

/// True if a table has the head as a tensor of its own, under any prefix.
pub fn has_head<E>(table: &Table<E>) -> bool {
    table.keys().any(|name| weights::bare(name, &LEADING) == HEAD)
}

/// True if a table has the token embedding, under any prefix.
pub fn has_tokens<E>(table: &Table<E>) -> bool {
    table.keys().any(|name| weights::bare(name, &LEADING) == TOKENS)
}

/// The tensors without masks, and without the parts that wrappers of a model put into their names. A tied head that is there alone, as
/// safetensors' `save_model` writes it, becomes the token embedding.
///
/// # Errors
/// If two names are one without these parts.
pub fn bare<E>(table: Table<E>) -> Result<Table<E>> {
    let mut table = weights::bare_table(table, &LEADING)?;
    table.retain(|name, _| !is_mask(name));
    if !table.contains_key(TOKENS)
        && let Some(head) = table.remove(HEAD)
    {
        table.insert(TOKENS.into(), head);
    }
    Ok(table)
}

/// True if a bare table keeps weights as `[out, in]`; the shape of its first layer that is not square decides.
fn keeps_rows_of_outputs<E>(table: &Table<E>) -> bool {
    let width = |name: &str| table.get(name).and_then(|v| v.shape.last().copied());
    match (width(TOKENS), table.get("h.0.mlp.c_fc.weight").map(|v| &v.shape[..])) {
        (Some(width), Some([out, from])) => *from == width && *out != width,
        _ => false,
    }
}

/// The values of our parameters out of a table in any [`Convention`], in the order of `parameters`.
///
/// # Errors
/// Names every tensor that is missing, unexpected or has another shape, all at once.
pub fn import<E: Number>(parameters: &[&Parameter], table: Table<E>) -> Result<Vec<Vec<E>>> {
    let mut theirs = bare(table)?;
    let head = theirs.remove(HEAD);
    let as_ours = keeps_rows_of_outputs(&theirs);
    let (mut found, mut wrong) = (vec![], vec![]);
    for parameter in parameters {
        let Peer { name, linear } = peer_of(parameter)?;
        let turned = linear && !as_ours;
        let mut shape = parameter.shape().to_vec();
        let [before, after] = name.split_once(FUSED).map_or(["", ""], |(b, a)| [b, a]);
        let apart = APART.map(|part| format!("{before}{part}{after}"));
        if !before.is_empty() && apart.iter().any(|part| theirs.contains_key(part)) {
            shape[0] /= 3;
            if turned {
                shape.reverse();
            }
            let wanted = apart.map(|part| (part, shape.clone()));
            let parts = take(&mut theirs, &wanted, PREFIX, &mut wrong);
            found.push(parts.into_iter().flat_map(|v| if turned { transposed(v).data } else { v.data }).collect());
            continue;
        }
        if turned {
            shape.reverse();
        }
        let Some(values) = take(&mut theirs, &[(name.clone(), shape)], PREFIX, &mut wrong).pop() else { continue };
        if head.as_ref().is_some_and(|head| name == TOKENS && *head != values) {
            wrong.push(format!("{HEAD} differs from {PREFIX}wte.weight, but the head of this model is tied to it"));
        }
        found.push(if turned { transposed(values).data } else { values.data });
    }
    wrong.extend(theirs.iter().map(|(name, v)| format!("unexpected: {name} {:?}", v.shape)));
    check_fit(&wrong)?;
    Ok(found)
}

/// Our values under the names and in the layouts of a [`Convention`].
///
/// # Errors
/// If a parameter has no counterpart there.
pub fn export<'a, E: Number>(
    values: impl IntoIterator<Item = (&'a Parameter, Vec<E>)>,
    convention: Convention,
) -> Result<Table<E>> {
    let mut table = Table::new();
    for (parameter, data) in values {
        let Peer { name, linear } = peer_of(parameter)?;
        let mut values = Values { shape: parameter.shape().to_vec(), data };
        if convention == Convention::Separate
            && let Some((before, after)) = name.split_once(FUSED)
        {
            values.shape[0] /= 3;
            let part = values.data.len() / 3;
            for (name, data) in APART.iter().zip(values.data.chunks(part.max(1))) {
                let name = format!("{PREFIX}{before}{name}{after}");
                table.insert(name, Values { shape: values.shape.clone(), data: data.to_vec() });
            }
            continue;
        }
        if linear && convention == Convention::HuggingFace {
            values = transposed(values);
        }
        table.insert(format!("{PREFIX}{name}"), values);
    }
    if convention != Convention::HuggingFace
        && let Some(tokens) = table.get(&format!("{PREFIX}wte.weight"))
    {
        table.insert(HEAD.into(), tokens.clone());
    }
    Ok(table)
}

/// A matrix, turned round.
fn transposed<E: Number>(x: Values<E>) -> Values<E> {
    let (rows, columns) = (x.shape[0], x.shape[1]);
    let data = (0..columns).flat_map(|c| x.data.iter().skip(c).step_by(columns).copied()).collect();
    Values { shape: vec![columns, rows], data }
}
