//! The path of the runtime in generated code.

use super::stop;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, Path, parse_quote, parse2};

/// The runtime's path here, and what is wrong with it. An argument of the attribute names it; else it is the dependency `ivon-runtime`, by the
/// name that the crate gives it.
pub fn path(arguments: &TokenStream) -> (Path, TokenStream) {
    let standard = || parse_quote!(::ivon_runtime);
    if !arguments.is_empty() {
        return match parse2(arguments.clone()) {
            Ok(path) => (path, quote!()),
            Err(_) => {
                let text = "`#[variational]` takes no argument, or the path under which `ivon_runtime` is found here";
                (standard(), Error::new_spanned(arguments, text).to_compile_error())
            }
        };
    }
    match dependency(std::env::args()) {
        Dependency::Named(name) => {
            let name = Ident::new(&name, Span::call_site());
            (parse_quote!(::#name), quote!())
        }
        Dependency::Unknown => (standard(), quote!()),
        Dependency::Missing => {
            let text = "`ivon-runtime` is no dependency of this crate: `cargo add ivon-runtime`, or name the path under which another crate \
                        has it, `#[variational(facade::ivon_runtime)]`";
            let (error, stop) = (Error::new(Span::call_site(), text).to_compile_error(), stop(Span::call_site()));
            (standard(), quote!(#error #stop))
        }
    }
}

#[derive(PartialEq, Debug)]
enum Dependency {
    Named(String),
    Missing,
    /// The process is not rustc, or compiles the runtime itself.
    Unknown,
}

/// Reads rustc's command line: `--crate-name model --extern bayes=/target/libivon_runtime-0123.rlib`.
fn dependency(arguments: impl Iterator<Item = String>) -> Dependency {
    let (mut arguments, mut dependencies) = (arguments.peekable(), vec![]);
    while let Some(argument) = arguments.next() {
        let (key, value) = match argument.split_once('=') {
            Some((key @ ("--crate-name" | "--extern"), value)) => (key, value.to_string()),
            _ if argument.starts_with('@') => return Dependency::Unknown,
            _ if argument == "--crate-name" || argument == "--extern" => {
                (argument.as_str(), arguments.next().unwrap_or_default())
            }
            _ => continue,
        };
        match key {
            "--crate-name" if value == "ivon_runtime" => return Dependency::Unknown,
            "--extern" => dependencies.push(value),
            _ => {}
        }
    }
    let mut names = dependencies.iter().filter_map(|dependency| {
        let (name, file) = dependency.split_once('=')?;
        let file = file.rsplit(['/', '\\']).next()?;
        let is_runtime = file.strip_prefix("libivon_runtime").is_some_and(|rest| rest.starts_with(['-', '.']));
        // `priv:name`, of an unstable option.
        is_runtime.then(|| name.rsplit(':').next().unwrap_or(name).to_string())
    });
    let named = |dependency: &String| dependency.split('=').next().is_some_and(|name| name == "ivon_runtime");
    match names.next() {
        _ if dependencies.is_empty() || dependencies.iter().any(named) => Dependency::Unknown,
        Some(name) => Dependency::Named(name),
        None => Dependency::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_found_by_the_name_that_a_crate_gives_it() {
        let found = |line: &str| dependency(line.split(' ').map(String::from));
        assert_eq!(found("rustc --crate-name a --extern bayes=/t/libivon_runtime-01.rlib"), Dependency::Named("bayes".into()));
        assert_eq!(found("rustc --extern=priv:bayes=C:\\t\\libivon_runtime-01.rmeta -O"), Dependency::Named("bayes".into()));
        assert_eq!(found("rustc --extern ivon_runtime=/t/other.rlib --extern b=/t/libivon_runtime-01.rlib"), Dependency::Unknown);
        assert_eq!(found("rustc --crate-name ivon_runtime --extern rayon=/t/librayon-01.rlib"), Dependency::Unknown);
        assert_eq!(found("rustc --crate-name a --extern facade=/t/libivon_runtime_facade-01.rlib"), Dependency::Missing);
        for line in ["rust-analyzer-proc-macro-srv", "rustc @arguments", "rustc --crate-name a"] {
            assert_eq!(found(line), Dependency::Unknown, "{line}");
        }
    }
}
