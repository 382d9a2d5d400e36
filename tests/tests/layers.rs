//! The layers of the runtime and of the compiler: a module imports from layers below its own, never from one above.
//!
//! `docs/architecture.md` shows the runtime's layers. Tests inside of a module are free to import from anywhere.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of a crate, in layers.
struct Crate {
    sources: &'static str,
    /// From the lowest to the highest.
    layers: &'static [&'static str],
    /// They import from the layers, and no layer imports from them.
    beside: &'static [&'static str],
    /// Files at the root that re-export or call all layers.
    facade: &'static [&'static str],
    /// Macros at the root of the crate. A macro has no layer: it is expanded where it is called.
    macros: &'static [&'static str],
}

const RUNTIME: Crate = Crate {
    sources: "../ivon-runtime/src",
    layers: &["core", "device", "memory", "tensor", "context", "ops", "layers", "posterior", "optimizers", "study", "training"],
    beside: &["blr", "inspect"],
    facade: &["lib", "private"],
    macros: &["args", "signature", "variational", "versions"],
};

const COMPILER: Crate = Crate {
    sources: "../ivon-macros/compiler/src",
    layers: &[
        // What all passes use.
        "errors",
        "names",
        "hygiene",
        "syntax",
        "respan",
        "intrinsics",
        "dims",
        "expression",
        // The passes, and the form of a program between two of them.
        "library",
        "parse",
        "callee",
        "solve",
        "ir",
        "lower",
        "check",
        "fuse",
        "naming",
        "differentiate",
        "emit",
        // The passes in order, and the macros around them.
        "compile",
        "surface",
        "expand",
    ],
    beside: &[],
    facade: &["lib"],
    macros: &[],
};

#[test]
fn a_layer_of_the_runtime_imports_from_layers_below_it() {
    let seen = RUNTIME.check();
    // The test reads imports: some that are known to be there.
    for (from, to) in [("optimizers", "posterior"), ("ops", "context"), ("inspect", "tensor")] {
        assert!(seen.contains(&(from.to_string(), to.to_string())), "no import of {to} was found in {from}");
    }
}

#[test]
fn a_pass_of_the_compiler_imports_from_layers_below_it() {
    let seen = COMPILER.check();
    for (from, to) in [("parse", "dims"), ("check", "callee"), ("emit", "differentiate"), ("surface", "compile")] {
        assert!(seen.contains(&(from.to_string(), to.to_string())), "no import of {to} was found in {from}");
    }
}

#[test]
fn the_root_of_the_runtime_holds_the_layers_and_nothing_else() {
    assert_eq!(RUNTIME.modules(), RUNTIME.names(&["lib", "private"]));
}

#[test]
fn the_root_of_the_compiler_holds_the_layers_and_nothing_else() {
    assert_eq!(COMPILER.modules(), COMPILER.names(&["lib"]));
}

impl Crate {
    fn root(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.sources)
    }

    /// Checks every import and returns all pairs of modules of which one imports from the other.
    fn check(&self) -> BTreeSet<(String, String)> {
        let (root, mut wrong, mut seen) = (self.root(), vec![], BTreeSet::new());
        let files = rust_files(&root);
        assert!(files.len() > 50, "only {} files were found under {}", files.len(), root.display());
        for file in &files {
            let path = file.strip_prefix(&root).unwrap();
            let module: Vec<String> = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let is_test = module.iter().any(|part| part == "tests" || part == "specification");
            if is_test || self.facade.contains(&module[0].as_str()) {
                continue;
            }
            let tokens: TokenStream = fs::read_to_string(file).unwrap().parse().unwrap();
            let depth = module.len() - usize::from(module.last().is_some_and(|last| last == "mod"));
            for name in imports(tokens, depth) {
                seen.insert((module[0].clone(), name.clone()));
                if !self.may_import(&module[0], &name) {
                    wrong.push(format!("{}: `{}` may not import `crate::{name}`", path.display(), module[0]));
                }
            }
        }
        assert!(wrong.is_empty(), "imports against the order of the layers:\n{}", wrong.join("\n"));
        seen
    }

    /// The modules at the root, as files or directories.
    fn modules(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.root()).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// The layers, and other names.
    fn names(&self, others: &[&str]) -> BTreeSet<String> {
        self.layers.iter().chain(self.beside).chain(others).map(|name| name.to_string()).collect()
    }

    fn may_import(&self, from: &str, name: &str) -> bool {
        let place = |name: &str| self.layers.iter().position(|layer| *layer == name);
        match (place(from), place(name)) {
            (_, None) => name == from || self.macros.contains(&name),
            (Some(from), Some(to)) => to <= from,
            (None, Some(_)) => self.beside.contains(&from),
        }
    }
}

#[test]
fn imports_are_read() {
    let names = |text: &str, depth| imports(text.parse().unwrap(), depth).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names("use crate::{context::Context, tensor::{Tensor, noise}}; fn f() { crate::ops::copy() }", 2),
        ["context", "ops", "tensor"]
    );
    assert_eq!(names("#[cfg(test)] mod tests { use crate::training::run::Run; } use crate::core::error::Error;", 2), ["core"]);
    assert_eq!(names("use super::super::context::Context; use super::near::Near;", 2), ["context"]);
    assert_eq!(names("// crate::training\n/// [`f`](crate::training::f)\nfn f() {}", 1), [] as [&str; 0]);
    let may = |from, name| RUNTIME.may_import(from, name);
    assert!(may("optimizers", "context") && !may("context", "optimizers") && !may("context", "inspect"));
}

/// The names at the root of the crate that a file at this depth of modules imports, but for its tests.
fn imports(tokens: TokenStream, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(&tokens.into_iter().collect::<Vec<_>>(), depth, &mut found);
    found
}

fn collect(tokens: &[TokenTree], depth: usize, found: &mut BTreeSet<String>) {
    let mut i = 0;
    while i < tokens.len() {
        let macro_path = i > 0 && is_punct(&tokens[i - 1], '$');
        if let Some(end) = test_module(&tokens[i..]) {
            i += end;
            continue;
        }
        let behind = match &tokens[i] {
            TokenTree::Ident(ident) if ident == "crate" && !macro_path => Some(i + 1),
            TokenTree::Ident(ident) if ident == "super" => root_by_supers(tokens, i, depth),
            _ => None,
        };
        if let Some(behind) = behind
            && let Some(next) = behind_colons(tokens, behind)
        {
            first_names(&tokens[next], found);
        }
        if let TokenTree::Group(group) = &tokens[i] {
            collect(&group.stream().into_iter().collect::<Vec<_>>(), depth, found);
        }
        // The rest of `super::super` belongs to its first word.
        while is_ident(tokens.get(i), "super") && behind_colons(tokens, i + 1).is_some_and(|n| is_ident(tokens.get(n), "super")) {
            i += 3;
        }
        i += 1;
    }
}

/// The place behind as many `super` as lead to the root.
fn root_by_supers(tokens: &[TokenTree], first: usize, depth: usize) -> Option<usize> {
    let (mut i, mut count) = (first, 1);
    while let Some(next) = behind_colons(tokens, i + 1).filter(|next| is_ident(tokens.get(*next), "super")) {
        (i, count) = (next, count + 1);
    }
    (count >= depth).then_some(i + 1)
}

/// The place behind `::`, if that stands at `i`.
fn behind_colons(tokens: &[TokenTree], i: usize) -> Option<usize> {
    let colons = tokens.get(i..i + 2)?.iter().all(|token| is_punct(token, ':'));
    (colons && tokens.len() > i + 2).then_some(i + 2)
}

/// The first names of what follows `crate::`: one, or those of a group.
fn first_names(token: &TokenTree, found: &mut BTreeSet<String>) {
    match token {
        TokenTree::Ident(ident) => {
            found.insert(ident.to_string());
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut first = true;
            for token in group.stream() {
                match &token {
                    TokenTree::Ident(_) if first => first_names(&token, found),
                    _ => {}
                }
                first = is_punct(&token, ',');
            }
        }
        _ => {}
    }
}

/// The length of `#[cfg(test)] mod name { .. }` or `#[cfg(test)] mod name;`, if that stands here.
fn test_module(tokens: &[TokenTree]) -> Option<usize> {
    let attribute = tokens.get(1)?.to_string().replace(' ', "");
    let begins = is_punct(tokens.first()?, '#') && attribute == "[cfg(test)]";
    let module = begins.then(|| tokens.iter().take(6).position(|token| is_ident(Some(token), "mod")))??;
    Some(module + 3)
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
