//! Names that generated code needs for itself. The compiler renames values that have such a name. The names checked here are visible from
//! outside, so the user must change them.

use crate::errors::Errors;
use crate::names;
use crate::parse::{Function, Generic, InputKind, Model};
use proc_macro2::Ident;

/// Functions that a model gets beside its methods.
const OF_A_MODEL: [&str; 5] = ["new", "build", "build_in", "__check", "__PARAMETERS"];
/// Variables of a generated method, and functions that it calls: names that are no number's and no dimension's.
const OF_A_METHOD: [&str; 11] = ["cx", "saved", "ivon", "turn", "branch", "d_value", "drop", "Ok", "Err", "Some", "None"];
/// Variables of the functions that make a model, which take its dimensions.
const OF_A_BUILDER: [&str; 3] = ["b", "model", "error"];
/// Names that generated code uses; a model's type must not have one of them.
const TYPES: [&str; 5] = ["ivon", "Ok", "Err", "Some", "None"];

/// Checks the names of a model, its dimensions, fields and methods against those that are generated, and those that methods refer to.
pub fn check_names(model: &Model, errors: &Errors) {
    let generics = model.generics.iter().map(|g| &g.name);
    let generics = generics.filter(|name| is_one_of(name, &OF_A_METHOD) || is_one_of(name, &OF_A_BUILDER));
    let fields = model.fields.iter().map(|f| &f.name).filter(|name| *name == "__dims_set_by_new");
    let own = std::iter::once(&model.name).filter(|name| is_one_of(name, &TYPES));
    generics.chain(fields).chain(own).for_each(|name| errors.at(name, taken(name)));
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
            let adjoint = f.adjoint.then(|| names::made_adjoint(&f.name));
            [names::saving(&f.name), names::backward(&f.name)].iter().chain(&gradient).chain(&adjoint).any(|made| *made == name)
        };
        if let Some(other) = model.functions.iter().find(makes) {
            let text = format!("`{name}` is generated, for `{}`: give the method another name", other.name);
            errors.at(&function.name, text);
        }
    }
}

/// Checks the names that a function of a model with these generics gives to numbers and dimensions.
pub fn check_arguments(function: &Function, generics: &[Generic], errors: &Errors) {
    let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_))).map(|i| &i.name);
    let dims = function.consts.iter().map(|g| &g.name).chain(function.variables.iter().map(|v| &v.name));
    let known = generics.iter().map(|g| &g.name).chain(dims.clone());
    let known: Vec<&Ident> = known.collect();
    for name in numbers.clone().filter(|name| known.contains(name)) {
        errors.at(name, format!("`{name}` is a dimension: give the number another name"));
    }
    for name in numbers.chain(dims).filter(|name| is_one_of(name, &OF_A_METHOD)) {
        errors.at(name, taken(name));
    }
}

fn is_one_of(name: &Ident, names: &[&str]) -> bool {
    names.iter().any(|n| name == n)
}

fn taken(name: &Ident) -> String {
    format!("`{name}` is a name that generated code uses: give it another one")
}
