//! The page of the gallery shows the models as they are: `IVON_WRITE_GALLERY=1 cargo test -p ivon-gallery --test page` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const START: &str = "\
# Gallery

Well-known architectures, each written as its paper has it, in a crate that depends on `ivon-runtime`
alone. A test compares the loss and every gradient of each with PyTorch's, in f64 to 1e-9, and trains
it with IVON. The source files, with a small instance and a batch, are in `tests/gallery/src`, and
PyTorch's models beside them in `tests/gallery/pytorch`.

Lines of code of the models, without blank lines, comments, imports and the small instance:

| model | here | PyTorch |
|---|---|---|
";

struct Model {
    name: String,
    /// The first line of the file: the name and the paper.
    title: String,
    code: String,
    lines: usize,
    pytorch: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Lines of code up to the small instance, without imports.
fn lines(code: &str, comment: &str, import: [&str; 2], end: &str) -> usize {
    let code = code.lines().map(str::trim).take_while(|line| !line.starts_with(end));
    let docs = |line: &str| line.starts_with("\"\"\"");
    code.filter(|line| !line.is_empty() && !line.starts_with(comment) && !docs(line))
        .filter(|line| !import.iter().any(|import| line.starts_with(import)))
        .count()
}

fn read(name: &str) -> Model {
    let file = fs::read_to_string(root().join(format!("src/{name}.rs"))).unwrap();
    let pytorch = fs::read_to_string(root().join(format!("pytorch/{name}.py"))).unwrap();
    let (title, rest) = file.trim_start_matches("//! ").split_once('\n').unwrap();
    let start = rest.find("use ivon_runtime").unwrap();
    let end = rest.find("pub fn example").unwrap();
    // Without the comment above `example`.
    let end = rest[..end].rfind("}\n").unwrap() + 2;
    let lines = |code: &str| lines(code, "//", ["use ", "extern "], "pub fn example");
    Model {
        name: name.into(),
        title: title.into(),
        code: rest[start..end].into(),
        lines: lines(&rest[start..end]),
        pytorch: self::lines(&pytorch, "#", ["import ", "from "], "def example"),
    }
}

fn page() -> String {
    let mut names: Vec<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().path().file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "lib")
        .collect();
    names.sort();
    let models: Vec<Model> = names.iter().map(|name| read(name)).collect();
    let mut page = START.to_owned();
    for Model { name, lines, pytorch, .. } in &models {
        writeln!(page, "| [{name}](#{name}) | {lines} | {pytorch} |").unwrap();
    }
    for Model { name, title, code, .. } in &models {
        writeln!(page, "\n## {name}\n\n{title}\n\n```rust\n{}\n```", code.trim_end()).unwrap();
    }
    page
}

#[test]
fn the_page_shows_the_models_as_they_are() {
    let path = root().join("../../docs/gallery.md");
    let page = page();
    if std::env::var_os("IVON_WRITE_GALLERY").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/gallery.md is not that of the sources; write it with IVON_WRITE_GALLERY=1");
}
