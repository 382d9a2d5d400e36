//! Whatever a model says, its compilation ends, with code or with a message: what grows without bound is refused.

use ivon_compiler::expand_source;

/// A model with this body of `forward`, and an op with this output beside it.
fn expand(output: &str, fields: &str, body: &str) -> Result<String, String> {
    let source = format!(
        "signature! {{ pub fn f<N>(x: Tensor<N>) -> Tensor<{output}>; }}
         #[variational] struct Model {{ gain: Parameter<4>, {fields} }}
         #[variational] impl Model {{ fn forward<N, B>(&self, x: Tensor<N>, y: Tensor<B, 4>) -> Tensor {{ {body} }} }}"
    );
    expand_source(&source).map_err(|e| e.to_string())
}

#[track_caller]
fn refused(found: Result<String, String>, why: &str) {
    match found {
        Ok(_) => panic!("this compiles; it should be refused: {why}"),
        Err(message) => assert!(message.contains(why), "{message}"),
    }
}

const SAME: &str = "N";

#[test]
fn a_value_that_is_read_twice_is_computed_and_written_once() {
    let squares = "let y = y * y + y;\n".repeat(64);
    let text = expand(SAME, "", &format!("{squares} (y * self.gain).mean() + x.mean()")).unwrap();
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
}

#[test]
fn long_bodies_are_compiled() {
    let steps = "let y = tanh(y) * 0.5;\n".repeat(1000);
    assert!(expand(SAME, "", &format!("{steps} (y * self.gain).mean() + x.mean()")).is_ok());
}

#[test]
fn dimensions_that_grow_with_every_call_are_refused() {
    let calls = format!("{}x{}", "f(".repeat(40), ")".repeat(40));
    let body = format!("let x = {calls}; (y * self.gain).mean() + x.mean()");
    for dimension in ["{ N * N }", "{ (N + 1) * (N + 1) }", "{ floor(N / 2) + floor(N / 3) }", "{ (N + 1) / (N + 2) }"] {
        refused(expand(dimension, "", &body), "has too many terms");
    }
    let product = vec!["(N + A + B + C + D + E)"; 40].join(" * ");
    refused(expand(SAME, "", &format!("x.reshape([{product}]).mean() + (y * self.gain).mean()")), "has too many terms");
}

#[test]
fn arrays_of_more_layers_than_there_is_memory_are_refused() {
    let body = "let mut y = y; for l in &self.layers { y = l.forward(y); } (y * self.gain).mean() + x.mean()";
    refused(expand(SAME, "layers: [Linear<4, 4>; 18446744073709551],", body), "at most 1048576 layers");
    refused(expand(SAME, "layers: [Linear<4, 4>; 340282366920938463463374607431768211455],", body), "number too large");
}

#[test]
fn a_condition_cannot_be_evaluated_without_rustc() {
    refused(expand(SAME, "", "#[cfg(test)] let y = y * 2.0; (y * self.gain).mean() + x.mean()"), "known to rustc alone");
    refused(expand(SAME, "#[cfg(test)] up: Linear<4, 4>,", "(y * self.gain).mean() + x.mean()"), "known to rustc alone");
}
