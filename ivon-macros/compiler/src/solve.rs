//! Dimension variables that no argument has as a dimension of its own: `H` of `x: Tensor<B, { 4 * H }>`.

use crate::dims::Dim;
use crate::parse::{Function, InputKind};
use proc_macro2::TokenStream;
use std::collections::BTreeSet;

/// A variable with (size - rest) / factor as its value.
pub struct Solved {
    pub variable: String,
    /// The argument whose size it is.
    pub input: usize,
    /// Its dimension, and how many the argument has, the pack included.
    pub dimension: usize,
    pub rank: usize,
    pub pack: bool,
    /// As expressions of type i128.
    pub rest: TokenStream,
    pub factor: TokenStream,
}

/// The variables that can be solved for, in an order in which each depends on those before it alone.
pub fn solved(function: &Function) -> Vec<Solved> {
    let is_variable = |n: &str| function.variables.iter().any(|v| v.name == n);
    let shapes: Vec<(usize, &Vec<Dim>)> = function
        .inputs
        .iter()
        .enumerate()
        .filter_map(|(i, input)| match &input.kind {
            InputKind::Tensor { shape, .. } | InputKind::Ids { shape, .. } => Some((i, shape)),
            _ => None,
        })
        .collect();
    let all = || shapes.iter().flat_map(|(i, shape)| shape.iter().enumerate().map(move |(at, dim)| (*i, at, dim, *shape)));
    let mut known: BTreeSet<String> = all().filter_map(|(_, _, dim, _)| dim.as_name()).map(str::to_string).collect();
    let mut solved = vec![];
    loop {
        let next = all().find_map(|(input, dimension, dim, shape)| {
            let (variable, _, factor) = dim.solve(&Dim::default(), |n| is_variable(n) && !known.contains(n))?;
            let rest = dim.minus(&factor.times(&Dim::name(&variable)));
            let pack = shape.first().and_then(Dim::as_name);
            let pack = pack.is_some_and(|n| function.variables.iter().any(|v| v.pack && v.name == n));
            let (rest, factor) = (rest.integer()?, factor.integer()?);
            Some(Solved { variable, input, dimension, rank: shape.len(), pack, rest, factor })
        });
        match next {
            Some(next) => {
                known.insert(next.variable.clone());
                solved.push(next);
            }
            None => return solved,
        }
    }
}
