//! The runtime's layers: a module imports from layers below its own, never from one above.
//!
//! `docs/architecture.md` shows the layers. Tests inside of a module are free to import from anywhere.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of the runtime, from the lowest to the highest.
const LAYERS: [&str; 11] =
    ["core", "device", "memory", "tensor", "context", "ops", "layers", "posterior", "optimizers", "study", "training"];

/// Modules beside the stack: they import from it, and no layer imports from them.
const BESIDE: [&str; 2] = ["blr", "inspect"];

/// The facade, which re-exports all of them: `lib.rs`, and what only generated code calls.
const FACADE: [&str; 2] = ["lib", "private"];

/// Macros at the root of the crate. A macro has no layer: it is expanded where it is called.
const MACROS: [&str; 4] = ["args", "signature", "variational", "versions"];

#[test]
fn a_layer_imports_from_layers_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ivon-runtime/src");
    let files = rust_files(&root);
    assert!(files.len() > 150, "only {} files were found under {}", files.len(), root.display());
    let mut wrong = vec![];
    let mut seen = BTreeSet::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap();
        let module: Vec<String> = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.iter().any(|part| part == "tests" || part == "specification") || FACADE.contains(&module[0].as_str()) {
            continue;
        }
        let tokens: TokenStream = fs::read_to_string(file).unwrap().parse().unwrap();
        let depth = module.len() - usize::from(module.last().is_some_and(|last| last == "mod"));
        for name in imports(tokens, depth) {
            seen.insert((module[0].clone(), name.clone()));
            if !may_import(&module[0], &name) {
                wrong.push(format!("{}: `{}` may not import `crate::{name}`", path.display(), module[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order of the layers:\n{}", wrong.join("\n"));
    // The test reads imports: some that are known to be there.
    for (from, to) in [("optimizers", "posterior"), ("ops", "context"), ("inspect", "tensor")] {
        assert!(seen.contains(&(from.to_string(), to.to_string())), "no import of {to} was found in {from}");
    }
}

#[test]
fn the_root_of_the_runtime_holds_the_layers_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ivon-runtime/src");
    let found: BTreeSet<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let expected: BTreeSet<String> =
        LAYERS.iter().chain(&BESIDE).copied().chain(["lib.rs", "private"]).map(String::from).collect();
    assert_eq!(found, expected);
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
    assert!(may_import("optimizers", "context") && !may_import("context", "optimizers") && !may_import("context", "inspect"));
}

fn may_import(from: &str, name: &str) -> bool {
    let place = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match (place(from), place(name)) {
        (_, None) => name == from || MACROS.contains(&name),
        (Some(from), Some(to)) => to <= from,
        (None, Some(_)) => BESIDE.contains(&from),
    }
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
