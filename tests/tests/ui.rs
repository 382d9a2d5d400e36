//! Wrong models: each is refused with the message beside it.
//!
//! `TRYBUILD=overwrite cargo test -p ivon-tests --test ui` writes the messages anew; read them as the user would who made the mistake.

const TOPICS: [&str; 15] = [
    "arity",
    "attributes",
    "blocks",
    "buffers",
    "constants",
    "convolutions",
    "interfaces",
    "kinds",
    "names",
    "reductions",
    "several",
    "shapes",
    "structure",
    "syntax",
    "usage",
];

#[test]
fn wrong_models_are_refused() {
    let cases = trybuild::TestCases::new();
    for topic in TOPICS {
        cases.compile_fail(format!("ui/{topic}/*.rs"));
    }
}
