//! The graph that the compiler writes down of a model, drawn: one box a layer, one a loop, one a kernel, with the sizes of this model.

use ivon_runtime::Model;
use ivon_tests::pointwise::Gate;
use ivon_tests::recurrent::Recurrent;
use ivon_tests::shared::Shared;
use ivon_tests::transformer::Block;

/// The texts of an image, in the order in which they are drawn, without the caption.
fn texts(svg: &str) -> Vec<String> {
    let lines = svg.lines().filter_map(|l| Some(l.trim().strip_prefix("<text ")?.split_once('>')?.1));
    let plain = lines.map(|text| {
        let mut outside = true;
        let kept = text.chars().filter(|c| {
            let keep = outside && *c != '<';
            outside = if *c == '<' { false } else { outside || *c == '>' };
            keep
        });
        kept.collect::<String>().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    });
    plain.skip(6).collect()
}

#[test]
fn a_loop_is_drawn_once_with_what_its_layer_computes() {
    let svg = Recurrent::<8, 5>::new().graph().svg("forward").unwrap();
    let expected = [
        "x",
        "[B, 8]",
        "forward",
        "start",
        "[8]",
        "start + 0 * x",
        "[B, 8]", // 0 x stays: it is NaN where x is
        "cells",
        "× 5",
        "cells.step",
        "Cell<8>",
        "state",
        "Linear<8, 8>",
        "[B, 8]",
        "tanh(state_2 + x)",
        "[B, 8]",
        "out",
        "Linear<8, 8>",
        "[B, 8]",
        "x + out",
        "[B, 8]",
        "y * state",
        "[B, 8]",
    ];
    assert_eq!(texts(&svg), expected);
}

#[test]
fn shapes_are_those_of_this_model() {
    let svg = Block::build(64, 4).unwrap().graph().svg("forward").unwrap();
    let texts = texts(&svg);
    for text in ["qkv", "Linear<64, 192>", "[B, T, 192]", "causal_attention<4>", "up.forward_gelu", "[B, T, 256]", "x + dropout"]
    {
        assert!(texts.iter().any(|t| t == text), "no {text} in {texts:?}");
    }
}

#[test]
fn long_formulas_go_by_name() {
    let svg = Gate::build(64).unwrap().graph().svg("forward").unwrap();
    assert!(texts(&svg).iter().any(|t| t == "quotient"));
    assert!(svg.contains("<title>max((x * scale + shift) * sigmoid("));
}

#[test]
fn a_layer_used_twice_is_drawn_twice() {
    let svg = Shared::build(20, 8).unwrap().graph().svg("loss").unwrap();
    let texts = texts(&svg);
    assert_eq!(texts.iter().filter(|t| *t == "mix").count(), 2);
    assert!(texts.iter().any(|t| t == "tokens.attend") && texts.iter().any(|t| t == "scalar"));
}
