//! The key of a model's method.

use crate::core::digest::Digester;
use crate::memory::StepKey;
use crate::tensor::parameter::Model;

impl StepKey {
    /// Returns the key of a model's method, such as `Mlp::loss`.
    pub fn of<M: Model>(name: &'static str, model: &M) -> StepKey {
        let mut settings = Digester::new("settings of a model");
        // A model with other layers is another type, but may have the same numbers.
        settings.text(std::any::type_name::<M>());
        model.visit_settings(&mut |number| {
            settings.number(number);
        });
        StepKey::with(name, settings.finish())
    }
}
