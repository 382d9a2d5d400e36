//! The code in the README equals the example `readme` word for word, so it compiles.

#[test]
fn the_code_of_the_readme_is_an_example() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|e| panic!("{path}: {e}"));
    let readme = read("README.md");
    let blocks: Vec<&str> = readme.split("```rust\n").skip(1).map(|b| b.split("```").next().unwrap_or_default()).collect();
    assert_eq!(blocks.len(), 2, "the README has a model and its training");
    let example = read("ivon-runtime/examples/readme.rs");
    assert_eq!(example, format!("//! The code of the README.\n\n{}\n{}", blocks[0], blocks[1]));
}
