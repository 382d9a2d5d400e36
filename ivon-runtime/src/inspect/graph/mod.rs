//! The graph of a model as a drawing (SVG): the computation of its methods, as the compiler recorded it.
//!
//! ```no_run
//! # fn show(model: &impl ivon_runtime::Model) -> Result<(), Box<dyn std::error::Error>> {
//! std::fs::write("model.svg", model.graph().svg("loss")?)?;
//! # Ok(()) }
//! ```
//!
//! Layers are boxes around their computation. An array of layers is one box with the number of layers, and a fused elementwise kernel is
//! one node. Names and shapes are the user's. Dimensions whose value the model knows appear as numbers.

mod layout;
mod scene;
mod svg;
mod text;

pub use crate::tensor::graph::{Graph, Method, Name, Step, Value};

use crate::core::error::{Error, Result};

impl Graph {
    /// Draws a method as SVG, readable on light and on dark pages.
    ///
    /// # Errors
    /// If the model has no such method.
    pub fn svg(&self, method: &str) -> Result<String> {
        self.svg_of(method, &[])
    }

    /// Draws a method as [`Graph::svg`] does, with values for some dimensions of its arguments: `("H", 32)`.
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
}

#[cfg(test)]
mod tests;
