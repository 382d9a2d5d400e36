//! A user may choose any name that generated code uses: either the model compiles, or the error says which name is taken. Every name that
//! generated code uses by itself is tried in every place where a user gives one, and so is a constant beside the model.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fmt::Write;

const MODELS: [&str; 8] = ["mlp", "normalized", "pointwise", "recurrent", "residual", "shared", "stack", "transformer"];

/// Identifiers that stand alone: no fields, methods, segments of paths or names of macros.
fn alone(tokens: TokenStream, into: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: Option<&TokenTree>, c: &str| matches!(at, Some(TokenTree::Punct(p)) if c.contains(p.as_char()));
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(_) if is(i.checked_sub(1).and_then(|i| tokens.get(i)), "#") => {} // an attribute
            TokenTree::Group(group) => alone(group.stream(), into),
            TokenTree::Ident(ident) => {
                let path = is(tokens.get(i + 1), ":") && is(tokens.get(i + 2), ":") || is(tokens.get(i + 1), "!");
                if !path && !is(i.checked_sub(1).and_then(|i| tokens.get(i)), ".:'") {
                    into.insert(ident.to_string());
                }
            }
            _ => {}
        }
    }
}

/// The names that generated code contains and its source does not.
fn names() -> BTreeSet<String> {
    let (mut generated, mut written) = (BTreeSet::new(), BTreeSet::new());
    for model in MODELS {
        let path = format!("{}/models/{model}.rs", env!("CARGO_MANIFEST_DIR"));
        alone(ivon_compiler::expand_file(&path, &[]).unwrap().parse().unwrap(), &mut generated);
        alone(std::fs::read_to_string(&path).unwrap().parse().unwrap(), &mut written);
    }
    // Types of saved values and kernels begin with the model's name, adjoints with `d_`, and names that are made unique end in a number.
    let made = |n: &String| {
        ["Saved", "_saved", "_value", "Backward"].iter().any(|end| n.ends_with(end))
            || n.ends_with("Turn")
            || n.starts_with("d_")
            || n.contains(|c: char| c.is_ascii_digit())
    };
    let kernel = |n: &String| n.contains("Forward") || n.contains("Loss") || n.contains("Step");
    let mut names: BTreeSet<String> = generated.difference(&written).filter(|n| !made(n) && !kernel(n)).cloned().collect();
    names.extend(
        ["turn", "saved", "d_value", "t0", "x_shape", "x_after", "__dims_set_by_new", "WIDTH", "B", "x"].map(String::from),
    );
    // Keywords, and what rustc itself takes for the language's own.
    names.retain(|n| syn::parse_str::<syn::Ident>(n).is_ok() && !["FnMut", "str"].contains(&n.as_str()));
    names
}

/// A model in which everything that is looked up by name is called: loops, optional parameters, dropped values, numbers, dimensions.
const WHOLE: &str = "
    #[variational]
    pub struct Whole<const WIDTH: usize, const BIAS: bool = true> {
        ups: [Linear<WIDTH, WIDTH>; 2],
        #[parameter(when = BIAS)]
        bias: Option<Parameter<WIDTH>>,
        weight: Parameter<WIDTH, WIDTH>,
        #[setting(0.5)]
        rate: f64,
    }
    #[variational]
    impl<const WIDTH: usize, const BIAS: bool> Whole<WIDTH, BIAS> {
        pub fn loss<B>(&self, X: Tensor<B, WIDTH>, factor: f64) -> Tensor {
            let mut y = linear(X, self.weight, self.bias) * factor;
            for up in &self.ups {
                y = up.forward(exp(y) * self.rate);
            }
            let Z = y.reshape([B * WIDTH]);
            (Z * Z).mean()
        }
    }";

/// Models and what stands beside them, each with `NAME` in one place.
const PLACES: &[(&str, &str, &str)] = &[
    (
        "struct Model { up: Linear<4, 4> }",
        "Model",
        "pub fn loss<B>(&self, NAME: Tensor<B, 4>) -> Tensor { self.up.forward(NAME).mean() }",
    ),
    (
        "struct Model { up: Linear<4, 4> }",
        "Model",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>, NAME: f64) -> Tensor { (NAME * self.up.forward(x_0)).mean() }",
    ),
    (
        "struct Model { up: Linear<4, 4> }",
        "Model",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>) -> Tensor { let NAME = self.up.forward(x_0); (NAME * x_0 * NAME).mean() }",
    ),
    (
        "struct Model { ups: [Linear<4, 4>; 2] }",
        "Model",
        "pub fn loss<B>(&self, x: Tensor<B, 4>) -> Tensor { let mut y = tanh(x); for NAME in &self.ups { y = x + NAME.forward(y * y); } y.mean() }",
    ),
    (
        "struct Model { NAME: Linear<4, 4> }",
        "Model",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>) -> Tensor { self.NAME.forward(x_0).mean() }",
    ),
    (
        "struct Model { NAME: Parameter<4> }",
        "Model",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>) -> Tensor { (x_0 * self.NAME).mean() }",
    ),
    (
        "struct Model { NAME: [Linear<4, 4>; 2] }",
        "Model",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>) -> Tensor { let mut y = exp(x_0); for up in &self.NAME { y = up.forward(y); } y.mean() }",
    ),
    (
        "struct Model<const NAME: usize> { up: Linear<NAME, NAME> }",
        "Model<NAME>",
        "pub fn loss<B_0>(&self, x_0: Tensor<B_0, NAME>) -> Tensor { self.up.forward(x_0).reshape([B_0 * NAME]).mean() }",
    ),
    (
        "struct Model { up: Linear<4, 4> }",
        "Model",
        "pub fn loss<NAME>(&self, x_0: Tensor<NAME, 4>) -> Tensor { self.up.forward(x_0).reshape([4 * NAME]).mean() }",
    ),
    (
        "struct Model { up: Linear<4, 4> }",
        "Model",
        "pub fn NAME<B>(&self, x_0: Tensor<B, 4>) -> Tensor { self.up.forward(x_0).mean() }",
    ),
    (
        "struct NAME { up: Linear<4, 4> }",
        "NAME",
        "pub fn loss<B>(&self, x_0: Tensor<B, 4>) -> Tensor { self.up.forward(x_0).mean() }",
    ),
];

/// Items that may stand beside a model without touching it: functions, and items that Rust writes in capitals.
const BESIDE: &[&str] = &["pub fn NAME() {}", "pub const NAME: usize = 7;", "pub static NAME: usize = 7;", "pub struct NAME;"];

#[test]
fn names_of_generated_code_are_free_or_refused_by_name() {
    let names = names();
    for known in ["Ok", "drop", "cx", "saved", "ivon", "b", "error"] {
        assert!(names.contains(known), "generated code is known to use `{known}`, and the test has not found it");
    }
    let mut source = String::from("#![allow(warnings)]\n");
    let (mut accepted, mut refused) = (0, 0);
    for (place, (structure, ty, method)) in PLACES.iter().enumerate() {
        let generics = if ty.contains('<') { "<const NAME: usize>" } else { "" };
        for name in &names {
            let text =
                format!("#[variational] pub {structure} #[variational] impl{generics} {ty} {{ {method} }}").replace("NAME", name);
            match ivon_compiler::expand_source(&text) {
                Ok(_) => {
                    accepted += 1;
                    let imports = "use ivon_runtime::{layers::Linear, prelude::*};";
                    let _ = writeln!(source, "mod {name}_{place}_ {{ {imports} {text} }}");
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains(&format!("`{name}` ")), "{name}: {error}\n{text}");
                }
            }
        }
    }
    let own = ["BIAS", "X", "Z"].map(String::from);
    let starts_large = |name: &String| name.starts_with(char::is_uppercase);
    for (i, item) in BESIDE.iter().enumerate() {
        // All names at once: what one of them broke, no other would mend.
        let items: Vec<String> = names
            .iter()
            .chain(&own)
            // A type in the place of a const generic is one for rustc, too.
            .filter(|name| match item.contains("struct") {
                true => starts_large(name) && !["WIDTH", "BIAS"].contains(&name.as_str()),
                false => item.contains("fn") || starts_large(name),
            })
            .map(|name| item.replace("NAME", name))
            .collect();
        let imports = "use ivon_runtime::{layers::Linear, ops::linear, prelude::*};";
        let _ = writeln!(source, "mod beside_{i} {{ {imports} {} {WHOLE} }}", items.join(" "));
    }
    source += "fn main() {}\n";
    println!("{accepted} models compile with a name of generated code, {refused} are refused with a message");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.rs");
    std::fs::write(&file, source).unwrap();
    trybuild::TestCases::new().pass(file);
}
