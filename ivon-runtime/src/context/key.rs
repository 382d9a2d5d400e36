//! The key of a model's method.

use crate::memory::StepKey;
use crate::parameter::Model;

impl StepKey {
    /// The key of a method of a model, `Mlp::loss`.
    pub fn of<M: Model>(name: &'static str, model: &M) -> StepKey {
        // A model with other layers in it is another type, and may have the same numbers.
        let mut key = std::any::type_name::<M>().bytes().fold(StepKey::from(name), |key, byte| key.and(byte.into()));
        model.visit_settings(&mut |number| key = key.and(number));
        key
    }
}
