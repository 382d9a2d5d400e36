//! The graph of a model, for looking at: what its methods compute, as the compiler wrote it down, drawn as SVG.
//!
//! ```no_run
//! # fn show(model: &impl ivon_runtime::Model) -> Result<(), Box<dyn std::error::Error>> {
//! std::fs::write("model.svg", model.graph().svg("loss")?)?;
//! # Ok(()) }
//! ```
//!
//! Layers are boxes around what they compute, arrays of layers one box with the number of its turns, and a fused elementwise kernel is
//! one node. Names and shapes are the person's; dimensions that the model knows stand there as numbers.

mod layout;
mod scene;
mod sizes;
mod svg;
mod text;

use crate::error::{Error, Result};
use crate::parameter::Model;
use sizes::{Known, Sizes};

/// The name of a value, unique within its method.
pub type Name = &'static str;

/// A value and its shape in the words of the signature: `("up", "[B, T, 4 * WIDTH]")`.
pub type Value = (Name, &'static str);

/// What a method computes.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its tensor arguments.
    pub inputs: &'static [Value],
    /// What it does, in order.
    pub steps: &'static [Step],
    /// What it returns.
    pub outputs: &'static [Name],
}

/// One step of a method: what it is, what it reads, and what it makes.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A method of a field's layer: field, method.
    Layer(&'static str, &'static str, &'static [Name], &'static [Value]),
    /// Another method of the same model.
    Own(&'static str, &'static [Name], &'static [Value]),
    /// An op or a function, with its constants: `causal_attention<HEADS>`.
    Op(&'static str, &'static [Name], &'static [Value]),
    /// A fused elementwise kernel: its formula.
    Kernel(&'static str, &'static [Name], &'static [Value]),
    /// A parameter that is read: its name and shape.
    Parameter(Name, &'static str),
    /// A loop over the layers of a field: values that each turn rebinds (in a turn and after the loop, before it, at a turn's end),
    /// and what a turn does.
    Loop(&'static str, &'static [(Name, Name, Name)], &'static [Step]),
}

/// The graph of a model: of its methods, and of its layers. `#[variational]` writes it.
#[derive(Clone, Debug)]
pub struct Graph {
    name: &'static str,
    methods: &'static [Method],
    sizes: Sizes,
    parts: Vec<Part>,
}

/// The layers of a field.
#[derive(Clone, Debug)]
struct Part {
    field: &'static str,
    /// `None` for a single layer.
    count: Option<usize>,
    /// Of the first of them; the others are built alike. `None` where there are none.
    graph: Option<Graph>,
}

impl Graph {
    /// The graph of a model of this name.
    pub fn new(name: &'static str, methods: &'static [Method]) -> Graph {
        Graph { name, methods, sizes: Sizes::default(), parts: vec![] }
    }

    /// Notes the value of a dimension.
    pub fn size(mut self, name: &'static str, value: usize) -> Graph {
        self.sizes.push(name, value.to_string(), false);
        self
    }

    /// Notes the value of a flag.
    pub fn flag(mut self, name: &'static str, value: bool) -> Graph {
        self.sizes.push(name, value.to_string(), false);
        self
    }

    /// Notes the value of a dimension or a flag that need not be said: types are drawn without those that are as usual.
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

    /// A method drawn as SVG, which reads well on light and on dark pages.
    ///
    /// # Errors
    /// If the model has no such method.
    pub fn svg(&self, method: &str) -> Result<String> {
        self.svg_of(method, &[])
    }

    /// The same for arguments of which some dimensions are known: `("H", 32)`.
    ///
    /// # Errors
    /// As [`Graph::svg`].
    pub fn svg_of(&self, method: &str, dims: &[(&str, usize)]) -> Result<String> {
        let Some(drawn) = self.method(method) else {
            let known: Vec<_> = self.methods().collect();
            return Err(Error::config(match known.is_empty() {
                true => format!("`{}` has no graph: `#[variational]` did not write its code", self.name),
                false => format!("`{}` has no method `{method}` to draw; it has {}", self.name, known.join(", ")),
            }));
        };
        let mut known = self.known();
        dims.iter().for_each(|(name, size)| known.set(name, *size));
        Ok(svg::draw(self, drawn, known))
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|m| m.name == name)
    }

    fn field(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.field == name)
    }

    fn known(&self) -> Known {
        Known::of(&self.sizes)
    }

    /// `Linear<384, 1536>`
    fn type_text(&self) -> String {
        let values: Vec<&str> = self.sizes.stated().collect();
        if values.is_empty() { self.name.to_string() } else { format!("{}<{}>", self.name, values.join(", ")) }
    }
}

#[cfg(test)]
mod tests;
