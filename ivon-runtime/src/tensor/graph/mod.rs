//! The graph of a model: the computation of its methods, as the compiler recorded it. `inspect::graph` draws it.

pub(crate) mod sizes;

use crate::tensor::parameter::Model;
use sizes::{Known, Sizes};

/// The name of a value, unique within its method.
pub type Name = &'static str;

/// A value and its shape in the notation of the signature: `("up", "[B, T, 4 * WIDTH]")`.
pub type Value = (Name, &'static str);

/// The computation of a method.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its tensor arguments.
    pub inputs: &'static [Value],
    /// Its steps, in order.
    pub steps: &'static [Step],
    /// The values it returns.
    pub outputs: &'static [Name],
}

/// One step of a method: its kind, the values that it reads, and the values that it makes.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A call of a method of a field's layer: field, method.
    Layer(&'static str, &'static str, &'static [Name], &'static [Value]),
    /// A call of another method of the same model.
    Own(&'static str, &'static [Name], &'static [Value]),
    /// An op or a function, with its constants: `causal_attention<HEADS>`.
    Op(&'static str, &'static [Name], &'static [Value]),
    /// A fused elementwise kernel: its formula.
    Kernel(&'static str, &'static [Name], &'static [Value]),
    /// A parameter that is read: its name and shape.
    Parameter(Name, &'static str),
    /// A loop over the layers of a field: the values that each iteration rebinds (name during an iteration and after the loop,
    /// name before the loop, name at the end of an iteration), and the steps of an iteration.
    Loop(&'static str, &'static [(Name, Name, Name)], &'static [Step]),
}

/// The graph of a model: its methods and its layers. `#[variational]` writes it.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) name: &'static str,
    pub(crate) methods: &'static [Method],
    pub(crate) sizes: Sizes,
    pub(crate) parts: Vec<Part>,
}

/// The layers of a field.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) field: &'static str,
    /// `None` for a single layer.
    pub(crate) count: Option<usize>,
    /// The graph of the first layer; the others are built alike. `None` for an empty array.
    pub(crate) graph: Option<Graph>,
}

impl Graph {
    /// Creates the graph of the model `name`.
    pub fn new(name: &'static str, methods: &'static [Method]) -> Graph {
        Graph { name, methods, sizes: Sizes::default(), parts: vec![] }
    }

    /// Adds the value of a dimension.
    pub fn size(mut self, name: &'static str, value: usize) -> Graph {
        self.sizes.push(name, value.to_string(), false);
        self
    }

    /// Adds the value of a flag.
    pub fn flag(mut self, name: &'static str, value: bool) -> Graph {
        self.sizes.push(name, value.to_string(), false);
        self
    }

    /// Adds the value of a dimension or a flag with a default: drawn types omit values that equal the default.
    pub fn or_usual<T: ToString + PartialEq>(mut self, name: &'static str, value: T, usual: T) -> Graph {
        let is_usual = value == usual;
        self.sizes.push(name, value.to_string(), is_usual);
        self
    }

    /// Adds a field's layer.
    pub fn part(mut self, field: &'static str, layer: &impl Model) -> Graph {
        self.parts.push(Part { field, count: None, graph: Some(layer.graph()) });
        self
    }

    /// Adds a field's layers.
    pub fn parts(mut self, field: &'static str, layers: &[impl Model]) -> Graph {
        self.parts.push(Part { field, count: Some(layers.len()), graph: layers.first().map(Model::graph) });
        self
    }

    /// The methods that can be drawn.
    pub fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(|m| m.name)
    }

    pub(crate) fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|m| m.name == name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.field == name)
    }

    pub(crate) fn known(&self) -> Known {
        Known::of(&self.sizes)
    }

    /// `Linear<384, 1536>`
    pub(crate) fn type_text(&self) -> String {
        let values: Vec<&str> = self.sizes.stated().collect();
        if values.is_empty() { self.name.to_string() } else { format!("{}<{}>", self.name, values.join(", ")) }
    }
}
