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
mod svg;
mod text;

pub use crate::tensor::graph::{Graph, Method, Name, Step, Value};

use crate::core::error::{Error, Result};

impl Graph {
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
}

#[cfg(test)]
mod tests;
