//! The compiler behind `#[variational]`.

use proc_macro2::TokenStream;

/// `#[variational]` on a struct, an impl or a function.
pub fn variational(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
/// Round 2: the struct's fields are known.
pub fn with_struct(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// Round 3: every signature is known.
pub fn finish(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// The signature of an op written by hand.
pub fn signature(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
