//! Lists of a forward pass and their adjoints: `let mut skips = Vec::new();` in a model.

use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::tensor::Tensor;

/// Tensors that a forward pass has collected, in order.
#[derive(Debug, Default)]
pub struct Collected(Vec<Tensor>);

impl Collected {
    /// Creates an empty list.
    pub fn new() -> Collected {
        Collected::default()
    }

    /// Appends a tensor. Returns its index.
    pub fn push(&mut self, x: Tensor) -> usize {
        self.0.push(x);
        self.0.len() - 1
    }

    /// Returns the tensor at index `place` of the list `name`.
    ///
    /// # Errors
    /// If the index is out of range.
    pub fn get(&self, name: &str, place: usize) -> Result<&Tensor> {
        let missing = || Error::config(format!("`{name}[{place}]`: `{name}` has {} tensors here, counted from 0", self.0.len()));
        self.0.get(place).ok_or_else(missing)
    }

    /// All tensors, in order.
    pub fn all(&self) -> Vec<&Tensor> {
        self.0.iter().collect()
    }
}

/// The adjoints of a list's tensors. An adjoint has the index of its tensor.
#[derive(Debug)]
pub struct Adjoints {
    each: Vec<Adjoint>,
    wanted: bool,
}

impl Adjoints {
    /// Creates a list of adjoints without contributions.
    #[allow(clippy::new_without_default)] // as `Adjoint::new`
    pub fn new() -> Adjoints {
        Adjoints::when(true)
    }

    /// Creates such a list if the adjoints are wanted, otherwise adjoints that ops skip.
    pub fn when(wanted: bool) -> Adjoints {
        Adjoints { each: vec![], wanted }
    }

    /// Returns the adjoints of the first `count` tensors.
    pub fn first(&mut self, count: usize) -> Vec<&mut Adjoint> {
        let wanted = self.wanted;
        if self.each.len() < count {
            self.each.resize_with(count, || Adjoint::when(wanted));
        }
        self.each[..count].iter_mut().collect()
    }

    /// Returns the adjoint of the tensor at an index.
    pub fn at(&mut self, place: usize) -> &mut Adjoint {
        self.first(place + 1);
        &mut self.each[place]
    }

    /// Removes the adjoint of the tensor at an index from the list and returns it: the backward step of `push`.
    pub fn take(&mut self, place: usize) -> Adjoint {
        let empty = Adjoint::when(self.wanted);
        std::mem::replace(self.at(place), empty)
    }
}

/// The saved values of the executed block of an `if`.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The condition was true.
    Then(A),
    /// The condition was false.
    Else(B),
}

/// Returns the layer at index `place` of the array `name`.
///
/// # Errors
/// If the array is shorter.
pub fn layer_of<'a, L>(name: &str, layers: &'a [L], place: usize) -> Result<&'a L> {
    let missing = || Error::config(format!("`self.{name}[{place}]`: `{name}` has {} layers, counted from 0", layers.len()));
    layers.get(place).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::core::dtype::DType;
    use crate::device::Device;

    #[test]
    fn a_place_that_a_list_or_an_array_lacks_is_refused() {
        let mut list = Collected::new();
        assert_eq!(list.push(Tensor::from_slice(&[1.0f32], [1]).unwrap()), 0);
        assert_eq!(list.get("skips", 0).unwrap().as_slice::<f32>(), [1.0]);
        let error = list.get("skips", 1).unwrap_err().to_string();
        assert!(error.contains("`skips[1]`: `skips` has 1 tensors here"), "{error}");
        let error = layer_of("blocks", &[(), ()], 2).unwrap_err().to_string();
        assert!(error.contains("`self.blocks[2]`: `blocks` has 2 layers"), "{error}");
    }

    #[test]
    fn adjoints_are_taken_from_their_places() {
        let cx = Context::new(Device::Cpu, DType::F64).unwrap();
        let mut adjoints = Adjoints::new();
        adjoints.at(2).add(&cx, Tensor::from_slice(&[3.0], [1]).unwrap()).unwrap();
        assert!(adjoints.take(0).is_empty());
        assert_eq!(adjoints.take(2).into_option().unwrap().to_f64(), [3.0]);
        assert!(adjoints.take(2).is_empty());
        assert!(!Adjoints::when(false).at(1).wanted());
    }
}
