//! Names that generated code needs for itself. Those of values it changes; these are seen from outside, so that a person changes them.

use crate::errors::Errors;
use crate::names;
use crate::parse::{Function, InputKind, Model};

/// Functions that a model gets beside its methods.
const OF_A_MODEL: [&str; 3] = ["new", "build", "build_in"];
/// What generated code calls the context, what a backward pass reads, the runtime, and a function that it calls.
const INSIDE: [&str; 4] = ["cx", "saved", "ivon", "drop"];

/// Checks the names of methods against those that are generated.
pub fn check_methods(model: &Model, errors: &Errors) {
    for (i, function) in model.functions.iter().enumerate() {
        let name = function.name.to_string();
        if OF_A_MODEL.contains(&name.as_str()) {
            errors.at(&function.name, format!("`{name}` is what makes a model, and is generated: give the method another name"));
        }
        if model.functions[..i].iter().any(|other| other.name == name) {
            errors.at(&function.name, format!("there are two methods `{name}`"));
        }
        let makes = |f: &&Function| {
            let scalar = matches!(f.outputs.as_slice(), [shape] if shape.is_empty());
            let gradient = scalar.then(|| names::gradient(&f.name));
            [names::saving(&f.name), names::backward(&f.name)].iter().chain(&gradient).any(|made| *made == name)
        };
        if let Some(other) = model.functions.iter().find(makes) {
            let text = format!("`{name}` is generated, for `{}`: give the method another name", other.name);
            errors.at(&function.name, text);
        }
    }
}

/// Checks the names that a function gives to numbers and dimensions.
pub fn check_arguments(function: &Function, errors: &Errors) {
    let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_))).map(|i| &i.name);
    let dims = function.consts.iter().map(|g| &g.name).chain(function.variables.iter().map(|v| &v.name));
    for name in numbers.chain(dims).filter(|name| INSIDE.iter().any(|taken| name == taken)) {
        errors.at(name, format!("`{name}` is a name that generated code uses: give it another one"));
    }
}
