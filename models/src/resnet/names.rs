//! torchvision's names and layouts of a residual network's tensors, in and out.
//!
//! It keeps convolutions as `[out, in, height, width]`, ours are `[out, height, width, in]`; everything else has one layout.

use crate::weights::{self, Number, Table, Values, check_fit, take};
use ivon_runtime::{Error, Model, Result, Shape};

/// Counts of batches that PyTorch keeps beside running statistics: they enter no result.
const COUNT: &str = "num_batches_tracked";

/// The tensors of a model under our names: parameters first, then running statistics, each in declaration order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors<E> {
    /// Values or gradients of the parameters.
    pub parameters: Vec<Vec<E>>,
    /// Values of the buffers.
    pub buffers: Vec<Vec<E>>,
}

type Places = Vec<(String, Shape)>;

/// Names and shapes of a model's parameters.
fn parameters<M: Model>(model: &M) -> Places {
    let mut places = vec![];
    model.visit_parameters(&mut |p| places.push((p.name().to_string(), *p.shape())));
    places
}

/// Names and shapes of a model's parameters, then of its buffers.
fn places<M: Model>(model: &M) -> Places {
    let mut places = parameters(model);
    model.visit_buffers(&mut |b| places.push((b.name().to_string(), *b.shape())));
    places
}

/// `stage2.rest.0.conv1.weight` is their `layer2.1.conv1.weight`.
fn theirs(ours: &str) -> Result<String> {
    let unknown = || Error::config(format!("`{ours}` has no counterpart in torchvision's networks"));
    let (path, kind) = ours.rsplit_once('.').ok_or_else(unknown)?;
    let kind = match kind {
        "gain" => "weight",
        "running_variance" => "running_var",
        kind => kind,
    };
    let layer = match path {
        "stem" => "conv1".into(),
        "norm" => "bn1".into(),
        "head" => "fc".into(),
        path => {
            let (stage, rest) = path.strip_prefix("stage").and_then(|p| p.split_once('.')).ok_or_else(unknown)?;
            let (block, layer) = match rest.strip_prefix("first.") {
                Some(layer) => (0, layer),
                None => {
                    let (later, rest) = rest.strip_prefix("rest.").map_or((0, rest), |rest| (1, rest));
                    let (block, layer) = rest.split_once('.').ok_or_else(unknown)?;
                    (later + block.parse::<usize>().map_err(|_| unknown())?, layer)
                }
            };
            let layer = match layer {
                "projection" => "downsample.0".into(),
                "projection_norm" => "downsample.1".into(),
                layer => layer.replace("norm", "bn"),
            };
            format!("layer{stage}.{block}.{layer}")
        }
    };
    Ok(format!("{layer}.{kind}"))
}

/// Parts that models of other programs put before the names.
const LEADING: [&str; 1] = ["model"];

/// A tensor's name without what wrappers of a model put into it.
pub fn bare(name: &str) -> String {
    weights::bare(name, &LEADING)
}

/// The values of a model's tensors out of a table with torchvision's names.
///
/// # Errors
/// Names every tensor that is missing, unexpected or has another shape, all at once.
pub fn import<M: Model, E: Number>(model: &M, table: Table<E>) -> Result<Tensors<E>> {
    let mut found = taken(places(model), table)?;
    let buffers = found.split_off(model.parameters().len());
    Ok(Tensors { parameters: found, buffers })
}

/// The values of a model's parameters out of a table with torchvision's names that has nothing else.
///
/// # Errors
/// As [`import`].
pub fn import_parameters<M: Model, E: Number>(model: &M, table: Table<E>) -> Result<Vec<Vec<E>>> {
    taken(parameters(model), table)
}

fn taken<E: Number>(places: Places, table: Table<E>) -> Result<Vec<Vec<E>>> {
    let mut table = weights::bare_table(table, &LEADING)?;
    table.retain(|name, _| !name.ends_with(COUNT));
    let (mut found, mut wrong) = (vec![], vec![]);
    for (name, shape) in places {
        let name = theirs(&name)?;
        let wanted = match shape[..] {
            [out, height, width, from] => vec![out, from, height, width],
            _ => shape.to_vec(),
        };
        let Some(values) = take(&mut table, &[(name, wanted)], "", &mut wrong).pop() else { continue };
        found.push(if shape.rank() == 4 { channels_last(values).data } else { values.data });
    }
    wrong.extend(table.iter().map(|(name, v)| format!("unexpected: {name} {:?}", v.shape)));
    check_fit(&wrong)?;
    Ok(found)
}

/// A model's tensors under torchvision's names.
///
/// # Errors
/// If one has no counterpart there.
pub fn export<M: Model, E: Number>(model: &M, tensors: Tensors<E>) -> Result<Table<E>> {
    let all = tensors.parameters.into_iter().chain(tensors.buffers);
    let each = places(model).into_iter().zip(all).map(|((name, shape), data)| {
        let values = Values { shape: shape.to_vec(), data };
        Ok((theirs(&name)?, if shape.rank() == 4 { channels_first(values) } else { values }))
    });
    each.collect()
}

/// `[N, C, H, W]` to `[N, H, W, C]`.
pub fn channels_last<E: Number>(x: Values<E>) -> Values<E> {
    let [n, c, h, w] = four(&x.shape);
    turned(x, [n, c, h * w], vec![n, h, w, c])
}

/// `[N, H, W, C]` to `[N, C, H, W]`.
pub fn channels_first<E: Number>(x: Values<E>) -> Values<E> {
    let [n, h, w, c] = four(&x.shape);
    turned(x, [n, h * w, c], vec![n, c, h, w])
}

/// The dimensions of a tensor that the caller knows to have four.
fn four(shape: &[usize]) -> [usize; 4] {
    std::array::from_fn(|i| shape.get(i).copied().unwrap_or(1))
}

/// `[n, rows, columns]` to `[n, columns, rows]`, called `shape`.
fn turned<E: Number>(x: Values<E>, [n, rows, columns]: [usize; 3], shape: Vec<usize>) -> Values<E> {
    let mut data = Vec::with_capacity(x.data.len());
    for i in 0..n {
        let matrix = &x.data[i * rows * columns..(i + 1) * rows * columns];
        (0..columns).for_each(|c| data.extend(matrix.iter().skip(c).step_by(columns)));
    }
    Values { shape, data }
}
