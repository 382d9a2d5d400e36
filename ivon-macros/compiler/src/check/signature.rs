//! Checks a function's own signature and attributes.

use crate::dims::{Dim, Shape};
use crate::errors::Errors;
use crate::hygiene::Variable;
use crate::parse::{Function, InputKind};
use crate::solve::solved;
use std::collections::BTreeSet;

/// Every symbolic dimension gets its value from an argument, and `Rest` stands in front.
pub fn check_signature(function: &Function, errors: &Errors) {
    let shapes: Vec<(&Shape, crate::errors::Place)> = function
        .inputs
        .iter()
        .filter_map(|i| match &i.kind {
            InputKind::Tensor { shape, .. }
            | InputKind::Ids { shape, .. }
            | InputKind::Optional { shape }
            | InputKind::Buffer { shape } => Some((shape, i.place)),
            InputKind::Number(_) => None,
        })
        .collect();
    let solved = solved(function);
    let mut bound: BTreeSet<&str> = shapes.iter().flat_map(|(s, _)| s.iter()).filter_map(Dim::as_name).collect();
    bound.extend(solved.iter().map(|s| s.variable.as_str()));
    for variable in &function.variables {
        let name = variable.name.to_string();
        // An argument that was not understood may be what gives it a value.
        if !bound.contains(name.as_str()) && function.wrong.is_empty() {
            errors.at(
                &variable.name,
                format!("`{name}` has no value: a dimension variable is a dimension of an argument, `x: Tensor<.., {name}>`, or the one unknown in a product \
                     or a sum, `x: Tensor<.., {{ 4 * {name} }}>`"),
            );
        }
        if variable.pack {
            for (shape, place) in &shapes {
                if shape.iter().skip(1).any(|d| d.names().any(|n| n == name)) {
                    errors.at(
                        *place,
                        format!("`{name}: Dims` stands for leading dimensions: it comes first, `Tensor<{name}, ..>`"),
                    );
                }
            }
        }
    }
    let mut names = vec![];
    for input in &function.inputs {
        // Numbers are variables of generated code by their names.
        let number = matches!(input.kind, InputKind::Number(_));
        let taken = |known: &(Variable, bool)| match number && known.1 {
            true => input.name == known.0.name,
            false => Variable::of(&input.name) == known.0,
        };
        let again = names.iter().any(taken);
        names.push((Variable::of(&input.name), number));
        if again {
            errors.at(&input.name, format!("there are two arguments `{}`", input.name));
        }
    }
}

/// Checks that the expressions which methods of a model or a trait take in call another of its methods.
pub fn check_replaced(functions: &[Function], errors: &Errors) {
    for (function, replaces) in functions.iter().filter_map(|f| Some((f, f.replaces.as_ref()?))) {
        let (method, count) = (&replaces.method, replaces.arguments);
        let others = || functions.iter().filter(|f| f.name != function.name);
        if *method == function.name {
            errors.at(method, format!("`{method}` takes in a call of another method, not of itself"));
        } else if !others().any(|f| f.name == *method && f.inputs.len() == count) {
            let arguments = if count == 1 { "argument" } else { "arguments" };
            let known: Vec<String> = others().map(|f| format!("`{}` with {}", f.name, f.inputs.len())).collect();
            let known = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
            errors.at(method, format!("there is no other method `{method}` with {count} {arguments} here{known}"));
        }
    }
}
