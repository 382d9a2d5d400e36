//! Setters of configurations: a `#[non_exhaustive]` struct cannot be written with its braces outside this crate.

/// Implements one consuming setter per public field, of the field's name.
macro_rules! setters {
    ($config:ident { $($field:ident: $value:ty),+ $(,)? }) => {
        impl $config {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ") and returns the rest unchanged.")]
                #[must_use]
                pub fn $field(mut self, $field: $value) -> Self {
                    self.$field = $field;
                    self
                }
            )+
        }
    };
}

pub(crate) use setters;
