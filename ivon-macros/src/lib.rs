//! `#[variational]`: a shim over `ivon-compiler`, where everything happens.

use proc_macro::TokenStream;

/// Makes a model of a struct and its forward pass: put it on the struct and on one `impl` in the same module.
#[proc_macro_attribute]
pub fn variational(arguments: TokenStream, item: TokenStream) -> TokenStream {
    ivon_compiler::variational(arguments.into(), item.into()).into()
}

/// The item of a `#[variational]` in which rustc has evaluated `#[cfg]` and `#[cfg_attr]`.
#[doc(hidden)]
#[proc_macro_derive(__Configured, attributes(__arguments))]
pub fn __configured(input: TokenStream) -> TokenStream {
    ivon_compiler::configured(input.into()).into()
}

/// Removes what [`__Configured`] has read.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn __erased(_: TokenStream, _: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// The struct's second round: it is known whether its impl is annotated.
#[doc(hidden)]
#[proc_macro]
pub fn __has_impl(input: TokenStream) -> TokenStream {
    ivon_compiler::has_impl(input.into()).into()
}

/// The second round: the struct's fields are known.
#[doc(hidden)]
#[proc_macro]
pub fn __with_struct(input: TokenStream) -> TokenStream {
    ivon_compiler::with_struct(input.into()).into()
}

/// The third round: every signature is known.
#[doc(hidden)]
#[proc_macro]
pub fn __finish(input: TokenStream) -> TokenStream {
    ivon_compiler::finish(input.into()).into()
}

/// The signature of an op written by hand: all that the compiler knows of it. The op is a module of the same name; see
/// `ivon_runtime::ops` for what must be in it.
#[proc_macro]
pub fn signature(input: TokenStream) -> TokenStream {
    ivon_compiler::signature(input.into()).into()
}
