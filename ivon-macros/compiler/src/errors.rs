//! Errors are collected and must be taken out, so that none gets lost and the user sees all of them at once.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::cell::RefCell;
use syn::Error;

/// Collects errors while a model is compiled. The list is read with [`Errors::found`]; in a debug build, a list that is dropped unread panics.
#[derive(Default)]
pub struct Errors {
    found: RefCell<Vec<Error>>,
    read: bool,
}

/// What a list has collected, in the order of the source.
pub struct Found(Vec<Error>);

impl Errors {
    pub fn new() -> Self {
        Errors::default()
    }

    /// Notes a mistake at a range of source.
    pub fn at(&self, place: impl Into<Place>, message: impl std::fmt::Display) {
        let place = place.into();
        self.note(Error::new_spanned(place.tokens(), message));
    }

    fn note(&self, error: Error) {
        // A mistake in a method's signature is found once for each use; say it once.
        let text = |e: &Error| (e.to_string(), format!("{:?}", e.span().start()));
        let mut found = self.found.borrow_mut();
        if !found.iter().any(|known| text(known) == text(&error)) {
            found.push(error);
        }
    }

    /// Notes an error that syn found.
    pub fn push(&self, error: Error) {
        self.found.borrow_mut().push(error);
    }

    /// The value, or `None` and the error noted.
    pub fn take<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|e| self.push(e)).ok()
    }

    /// Takes in what another list has.
    pub fn extend(&self, other: &Found) {
        other.0.iter().for_each(|error| self.note(error.clone()));
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Takes all errors out.
    pub fn found(mut self) -> Found {
        self.read = true;
        let mut all: Vec<Error> = self.found.take().into_iter().flatten().collect();
        // As a reader of the source comes upon them.
        all.sort_by_key(|e| (e.span().file(), e.span().start().line, e.span().start().column));
        Found(all)
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        debug_assert!(self.read || std::thread::panicking(), "errors were collected and nothing read them");
    }
}

/// Calls a pass whose mistakes are reported by another call of it, with a list for them.
pub fn quiet<T>(pass: impl FnOnce(&Errors) -> T) -> T {
    let errors = Errors::new();
    let result = pass(&errors);
    errors.found();
    result
}

impl Found {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as `compile_error!` invocations.
    pub fn tokens(&self) -> TokenStream {
        self.0.iter().map(Error::to_compile_error).collect()
    }

    /// The messages alone.
    pub fn messages(&self) -> Vec<String> {
        self.0.iter().map(Error::to_string).collect()
    }
}

/// A range of source: `Span::join` is not stable, so the first and the last span are kept.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    first: Span,
    last: Span,
}

impl Place {
    pub fn of(tokens: impl ToTokens) -> Place {
        let tokens = tokens.to_token_stream();
        let mut spans = tokens.into_iter().map(|t| match t {
            TokenTree::Group(g) => (g.span_open(), g.span_close()),
            t => (t.span(), t.span()),
        });
        let (first, mut last) = spans.next().unwrap_or((Span::call_site(), Span::call_site()));
        if let Some((_, end)) = spans.last() {
            last = end;
        }
        Place { first, last }
    }

    /// The end of the range.
    pub fn last(self) -> Span {
        self.last
    }

    pub fn first(self) -> Span {
        self.first
    }

    /// `src/model.rs:12`
    pub fn line(self) -> String {
        format!("{}:{}", self.first.file(), self.first.start().line)
    }

    /// Two tokens with the spans; an error underlines from the one to the other.
    fn tokens(self) -> TokenStream {
        let token = |span: Span| {
            let mut t = proc_macro2::Punct::new(';', proc_macro2::Spacing::Alone);
            t.set_span(span);
            TokenTree::from(t)
        };
        [token(self.first), token(self.last)].into_iter().collect()
    }
}

impl<T: ToTokens> From<&T> for Place {
    fn from(tokens: &T) -> Place {
        Place::of(tokens)
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Place {
        Place { first: span, last: span }
    }
}

/// `: did you mean `norm`?` for the nearest name, if one is near.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, names).map_or(String::new(), |name| format!(": did you mean `{name}`?"))
}

/// The name that a misspelt one most likely stands for.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|n| (distance(n, wrong), n)).min();
    near.filter(|(d, n)| *d <= (wrong.len() / 3).clamp(1, 3) && *d < n.len().max(wrong.len())).map(|(_, name)| name)
}

/// The same, or `otherwise` where no name is near.
pub fn did_you_mean_or<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    match did_you_mean(wrong, names) {
        hint if hint.is_empty() => otherwise.to_string(),
        hint => hint,
    }
}

/// Levenshtein distance, with a swap of neighbours as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best = (rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1])).min(row[j - 1] + 1).min(rows[i - 1][j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_dropped_unread_is_noticed() {
        let dropped = std::panic::catch_unwind(|| drop(Errors::new()));
        assert_eq!(dropped.is_err(), cfg!(debug_assertions));
        let errors = Errors::new();
        errors.at(Span::call_site(), "a mistake");
        assert_eq!(errors.found().messages(), ["a mistake"]);
        assert!(quiet(Errors::is_empty));
    }
}
