//! Tests of scenes and layouts: the right things are connected, and nothing overlaps.

use super::{Graph, Method, Step};
use crate::core::error::Result;
use crate::inspect::graph::layout;
use crate::inspect::graph::layout::Layout;
use crate::inspect::graph::scene;
use crate::inspect::graph::scene::{Edge, End, Kind, Node, Scene};
use crate::layers::{LayerNorm, Linear};
use crate::tensor::graph::sizes::Known;
use crate::tensor::parameter::Model;

/// x + down(relu(up(x)))
const RESIDUAL: &[Method] = &[
    Method {
        name: "forward",
        inputs: &[("x", "[B, WIDTH]")],
        steps: &[
            Step::Layer("up", "forward", &["x"], &[("up", "[B, 4 * WIDTH]")]),
            Step::Kernel("relu(up)", &["up"], &[("relu", "[B, 4 * WIDTH]")]),
            Step::Layer("down", "forward", &["relu"], &[("down", "[B, WIDTH]")]),
            Step::Kernel("x + down", &["x", "down"], &[("sum", "[B, WIDTH]")]),
        ],
        outputs: &["sum"],
    },
    Method {
        name: "loss",
        inputs: &[("x", "[B, WIDTH]"), ("y", "[B, WIDTH]")],
        steps: &[
            Step::Own("forward", &["x"], &[("forward", "[B, WIDTH]")]),
            Step::Op("mse", &["forward", "y"], &[("mse", "[]")]),
        ],
        outputs: &["mse"],
    },
];

fn residual() -> Graph {
    Graph::new("Residual", RESIDUAL).size("WIDTH", 8).part("up", &Linear::<8, 32>::new()).part("down", &Linear::<32, 8>::new())
}

/// The names of the nodes, and the edges as pairs of names.
fn describe(scene: &Scene) -> (Vec<String>, Vec<(String, String)>) {
    let name = |i: usize| match scene.nodes[i].kind {
        Kind::Output => "result".to_string(),
        _ => scene.nodes[i].name.clone(),
    };
    let edges = scene.edges.iter().map(|e| (name(e.from.node), name(e.to.node)));
    ((0..scene.nodes.len()).map(name).collect(), edges.collect())
}

#[test]
fn a_residual_branch_leaves_before_and_joins_after() {
    let (nodes, edges) = describe(&scene::of(&residual(), &RESIDUAL[0], residual().known()));
    assert_eq!(nodes, ["x", "result", "up", "relu(up)", "down", "x + down"]);
    let expected =
        [("x", "up"), ("up", "relu(up)"), ("relu(up)", "down"), ("x", "x + down"), ("down", "x + down"), ("x + down", "result")];
    assert_eq!(edges, expected.map(|(a, b)| (a.to_string(), b.to_string())));
}

#[test]
fn another_method_of_the_model_is_drawn_in_its_place() {
    let scene = scene::of(&residual(), &RESIDUAL[1], residual().known());
    let (nodes, edges) = describe(&scene);
    assert_eq!(nodes, ["x", "y", "result", "up", "relu(up)", "down", "x + down", "mse"]);
    assert!(edges.contains(&("x + down".into(), "mse".into())) && edges.contains(&("y".into(), "mse".into())));
    let of = |name: &str| scene.nodes.iter().find(|n| n.name == name).map(|n| (n.ty.as_str(), n.shape.as_str()));
    assert_eq!(of("up"), Some(("Linear<8, 32>", "[B, 32]")));
    assert_eq!(of("mse"), Some(("", "scalar")));
}

/// `for block in &self.blocks { x = block.forward(x); }`, and a loop that does more than call a layer.
const LOOPS: &[Method] = &[Method {
    name: "forward",
    inputs: &[("x", "[B, 8]")],
    steps: &[
        Step::Loop("blocks", &[("h", "x", "block")], &[Step::Layer("blocks", "forward", &["h"], &[("block", "[B, 8]")])]),
        Step::Parameter("scale", "[8]"),
        Step::Loop(
            "norms",
            &[("y", "h", "product")],
            &[
                Step::Layer("norms", "forward", &["y"], &[("norm", "[B, 8]")]),
                Step::Kernel("scale * norm * x", &["scale", "norm", "x"], &[("product", "[B, 8]")]),
            ],
        ),
    ],
    outputs: &["y"],
}];

struct Residual;

impl Model for Residual {
    const NAME: &'static str = "Residual";
    fn visit_parameters<'a>(&'a self, _: &mut dyn FnMut(&'a crate::tensor::parameter::Parameter)) {}
    fn graph(&self) -> Graph {
        residual()
    }
}

#[test]
fn a_loop_is_one_box_however_often_it_turns() {
    let norms: [LayerNorm; 3] = std::array::from_fn(|_| LayerNorm::<8>::new());
    let blocks: [Residual; 12] = std::array::from_fn(|_| Residual);
    let graph = Graph::new("Loops", LOOPS).parts("blocks", &blocks).parts("norms", &norms);
    let scene = scene::of(&graph, &LOOPS[0], Known::default());
    let (nodes, edges) = describe(&scene);
    assert_eq!(nodes, ["x", "result", "blocks", "scale", "norms"]);
    // The second loop reads its start value and, from outside the loop, `scale` and `x`.
    let expected = [("x", "blocks"), ("blocks", "norms"), ("scale", "norms"), ("x", "norms"), ("norms", "result")];
    assert_eq!(edges, expected.map(|(a, b)| (a.to_string(), b.to_string())));
    let [blocks, norms] = [&scene.nodes[2], &scene.nodes[4]];
    assert_eq!((blocks.repeated, norms.repeated), (Some(12), Some(3)));
    assert_eq!(describe(blocks.inside.as_ref().unwrap()).0[2..], ["up", "relu(up)", "down", "x + down"]);
    assert_eq!(describe(norms.inside.as_ref().unwrap()).0, ["y", "scale", "x", "result", "norms", "scale * norm * x"]);
}

#[test]
fn a_loop_over_no_layers_and_a_method_that_is_not_there_do_no_harm() -> Result<()> {
    let none: [Residual; 0] = [];
    let svg = Graph::new("Loops", LOOPS).parts("blocks", &none).parts("norms", &none).svg("forward")?;
    assert!(svg.contains("× 0"));
    let message = residual().svg("train").unwrap_err().to_string();
    assert!(message.contains("`Residual` has no method `train` to draw; it has forward, loss"), "{message}");
    Ok(())
}

#[test]
fn pictures_are_whole_and_escape_what_they_show() -> Result<()> {
    let svg = residual().svg("loss")?;
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("Linear&lt;8, 32&gt;") && !svg.contains("NaN") && !svg.contains("inf"));
    for (open, close) in [("<g>", "</g>"), ("<text ", "</text>"), ("<title>", "</title>")] {
        assert_eq!(svg.matches(open).count(), svg.matches(close).count());
    }
    Ok(())
}

/// Calls a layer twice whose signature has its own names of dimensions, with further steps beside a shortcut.
const HALVES: &[Method] = &[Method {
    name: "forward",
    inputs: &[("x", "[B, H, W, C]")],
    steps: &[
        Step::Layer("first", "forward", &["x"], &[("first", "[B, floor((H - 1) / 2) + 1, floor((W - 1) / 2) + 1, C]")]),
        Step::Layer(
            "second",
            "forward",
            &["first"],
            &[("second", "[B, floor((floor((H - 1) / 2) + 1 - 1) / 2) + 1, floor((floor((W - 1) / 2) + 1 - 1) / 2) + 1, C]")],
        ),
        Step::Kernel("second + first", &["second", "first"], &[("sum", "[B, 1, 1, C]")]),
    ],
    outputs: &["sum"],
}];
const HALF: &[Method] = &[Method {
    name: "forward",
    inputs: &[("images", "[N, ROWS, COLUMNS, C]")],
    steps: &[
        Step::Kernel("tanh(images)", &["images"], &[("tanh", "[N, ROWS, COLUMNS, C]")]),
        Step::Kernel("tanh / 2", &["tanh"], &[("half", "[N, floor((ROWS - 1) / 2) + 1, floor((COLUMNS - 1) / 2) + 1, C]")]),
    ],
    outputs: &["half"],
}];

struct Half;

impl Model for Half {
    const NAME: &'static str = "Half";
    fn visit_parameters<'a>(&'a self, _: &mut dyn FnMut(&'a crate::tensor::parameter::Parameter)) {}
    fn graph(&self) -> Graph {
        Graph::new("Half", HALF).size("C", 3)
    }
}

#[test]
fn shapes_inside_of_a_layer_are_those_of_its_arguments() {
    let graph = Graph::new("Halves", HALVES).size("C", 3).part("first", &Half).part("second", &Half);
    let shapes = |known: Known| {
        let scene = scene::of(&graph, &HALVES[0], known);
        let of = |scene: &Scene, name: &str| scene.nodes.iter().find(|n| n.name == name).map(|n| n.shape.clone());
        let second = scene.nodes.iter().find(|n| n.name == "second").and_then(|n| n.inside.as_ref());
        [of(&scene, "first"), second.and_then(|s| of(s, "tanh(images)")), second.and_then(|s| of(s, "tanh / 2"))]
            .map(|s| s.unwrap())
    };
    let symbolic = ["[B, ⌈H/2⌉, ⌈W/2⌉, 3]", "[B, ⌈H/2⌉, ⌈W/2⌉, 3]", "[B, ⌈H/4⌉, ⌈W/4⌉, 3]"];
    assert_eq!(shapes(graph.known()), symbolic);
    let mut known = graph.known();
    [("H", 224), ("W", 9)].iter().for_each(|(name, size)| known.set(name, *size));
    assert_eq!(shapes(known), ["[B, 112, 5, 3]", "[B, 112, 5, 3]", "[B, 56, 3, 3]"]);
    assert!(graph.svg_of("forward", &[("H", 32)]).unwrap().contains("[B, 16, ⌈W/2⌉, 3]"));
}

#[test]
fn the_longest_path_is_straight_and_the_rest_stands_to_its_right() {
    let graph = Graph::new("Halves", HALVES).size("C", 3).part("first", &Half).part("second", &Half);
    let scene = scene::of(&graph, &HALVES[0], graph.known());
    let layout = layout::of(&scene, true);
    let straight = |route: &layout::Route| route.verticals.windows(2).all(|w| (w[0].0 - w[1].0).abs() < 0.5);
    let (spine, beside): (Vec<_>, Vec<_>) = layout.routes.iter().partition(|r| straight(r));
    assert_eq!((spine.len(), beside.len()), (4, 1));
    let middle = spine[0].verticals[0].0;
    assert!(beside[0].verticals.iter().all(|(x, ..)| *x >= middle - 0.5));
}

/// Random scenes with branches, long edges, several inputs and results, and nested boxes.
fn random(seed: u64, depth: usize) -> Scene {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let node = |kind, name: &str, inside| Node {
        kind,
        name: name.into(),
        ty: String::new(),
        shape: "[B, 8]".into(),
        tooltip: String::new(),
        repeated: None,
        inside,
    };
    let inputs = 1 + below(3);
    let mut nodes: Vec<Node> = (0..inputs).map(|_| node(Kind::Input, "x", None)).collect();
    nodes.push(node(Kind::Output, "result", None));
    let mut edges = vec![];
    for at in inputs + 1..inputs + 3 + below(9) {
        let inside = (depth > 0 && below(4) == 0).then(|| random(seed + 31 * at as u64, depth - 1));
        let reads = inside.as_ref().map_or(1 + below(3), |s| s.nodes.iter().filter(|n| n.kind == Kind::Input).count());
        nodes.push(node(if inside.is_some() { Kind::Layer } else { Kind::Op }, &"name".repeat(1 + below(4)), inside));
        for slot in 0..reads {
            let from = below(at);
            let from = if from == inputs { at - 1 } else { from };
            if from != inputs {
                edges.push(Edge { from: End { node: from, slot: 0 }, to: End { node: at, slot } });
            }
        }
    }
    let last = nodes.len() - 1;
    edges.push(Edge { from: End { node: last, slot: 0 }, to: End { node: inputs, slot: 0 } });
    Scene { nodes, edges }
}

fn check(scene: &Scene, layout: &Layout) {
    let close = 0.01;
    for (i, a) in layout.places.iter().enumerate() {
        assert!(a.x >= -close && a.y >= -close, "a node leaves its box");
        assert!(a.x + a.width <= layout.width + close && a.y + a.height <= layout.height + close, "a node leaves its box");
        for b in &layout.places[i + 1..] {
            let beside = a.x + a.width <= b.x + close || b.x + b.width <= a.x + close;
            let above = a.y + a.height <= b.y + close || b.y + b.height <= a.y + close;
            assert!(beside || above, "two nodes overlap");
        }
        if let (Some(inside), Some(inner)) = (&scene.nodes[i].inside, &a.inside) {
            assert!(inner.width <= a.width + close && inner.height <= a.height + close, "a box is smaller than what it holds");
            check(inside, inner);
        }
    }
    for (edge, route) in scene.edges.iter().zip(&layout.routes) {
        let ends = [edge.from.node, edge.to.node];
        for pair in route.verticals.windows(2) {
            assert!(pair[0].2 <= pair[1].1 + close, "an edge goes upwards");
        }
        for (x, top, bottom) in &route.verticals {
            assert!(*bottom >= top - close, "an edge goes upwards");
            assert!(*x >= -close && *x <= layout.width + close, "an edge leaves its box");
            for (i, place) in layout.places.iter().enumerate().filter(|(i, _)| !ends.contains(i)) {
                let within = *x > place.x + close && *x < place.x + place.width - close;
                let level = *bottom > place.y + close && *top < place.y + place.height - close;
                assert!(!(within && level), "an edge runs through node {i}");
            }
        }
        let ends = [(&route.verticals[0], edge.from.node), (&route.verticals[route.verticals.len() - 1], edge.to.node)];
        for ((x, _, _), node) in ends {
            let place = &layout.places[node];
            assert!(*x >= place.x - close && *x <= place.x + place.width + close, "an edge ends beside its node");
        }
    }
}

#[test]
fn nothing_overlaps_and_every_edge_leads_down() {
    for seed in 0..300 {
        let scene = random(seed, 2);
        check(&scene, &layout::of(&scene, true));
    }
}
