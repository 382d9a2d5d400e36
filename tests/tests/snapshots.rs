//! Generated code is for people: it is read in review. The same files are compiled as models in `src/lib.rs`.

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
