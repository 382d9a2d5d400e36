//! Generated code is read in review. The same files are compiled as models in `src/lib.rs`.

macro_rules! snapshot {
    ($name:ident) => {
        #[test]
        fn $name() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/", stringify!($name), ".rs");
            match ivon_compiler::expand_file(path, &[]) {
                Ok(text) => insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(stringify!($name), text)
                }),
                Err(error) => panic!("{error}"),
            }
        }
    };
}

snapshot!(mlp);
snapshot!(normalized);
snapshot!(pointwise);
snapshot!(recurrent);
snapshot!(residual);
snapshot!(shared);
snapshot!(stack);
snapshot!(transformer);
snapshot!(words);

#[test]
fn the_readme_shows_what_is_generated() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap_or_else(|e| panic!("README.md: {e}"));
    let shown = readme
        .split("```rust,ignore\n")
        .find(|block| block.starts_with("/// The backward pass"))
        .expect("the README shows a backward pass");
    let generated =
        ivon_compiler::expand_file(format!("{root}/ivon-runtime/examples/readme.rs"), &[]).unwrap_or_else(|e| panic!("{e}"));
    // The README breaks its lines elsewhere.
    let joined = |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
    let shown = shown.split("```").next().unwrap_or_default();
    assert!(joined(&generated).contains(&joined(shown)), "the README shows\n{shown}\nbut what is generated is\n{generated}");
}
