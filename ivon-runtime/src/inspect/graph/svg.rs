//! Writes a layout as SVG text.

use super::layout::{self, HEADER, Layout, Place, Route, SPACE, STACK};
use super::scene::{self, Kind, Node, Scene};
use super::text;
use crate::tensor::graph::sizes::Known;
use crate::tensor::graph::{Graph, Method};
use std::fmt::Write;

/// Colours for light and for dark pages.
const STYLE: &str = "\
svg { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 12px }
text { fill: #1c2330 } .name { font-weight: bold } .small { font-size: 11px; fill: #5b6575 }
.page { fill: #ffffff } .box { fill: #46618f; fill-opacity: 0.06; stroke: #8fa3c4 } .head { fill: #46618f; fill-opacity: 0.10 }
.card { fill: #ffffff; stroke: #8fa3c4 }
.layer { fill: #e3edfd; stroke: #5f8ad6 } .op { fill: #eef0f3; stroke: #98a2b3 } .kernel { fill: #e2f4e8; stroke: #55a873 }
.parameter { fill: #fdf1d8; stroke: #cf9d3a } .port { fill: #ffffff; stroke: #5b6575 }
.edge { fill: none; stroke: #78849a; stroke-width: 1.3 } .arrow { fill: #78849a }
@media (prefers-color-scheme: dark) {
text { fill: #e4e9f1 } .small { fill: #9aa6b8 }
.page { fill: #12161d } .box { fill: #9db9ea; fill-opacity: 0.06; stroke: #50617f } .head { fill: #9db9ea; fill-opacity: 0.10 }
.card { fill: #12161d; stroke: #50617f }
.layer { fill: #1c2f50; stroke: #5f8ad6 } .op { fill: #272d37; stroke: #6b7686 } .kernel { fill: #17382a; stroke: #4d9a6a }
.parameter { fill: #3d3016; stroke: #b58a35 } .port { fill: #12161d; stroke: #9aa6b8 }
.edge { stroke: #8d99ad } .arrow { fill: #8d99ad }
}";

/// The height of the lines of text above the graph.
const CAPTION: f64 = 78.0;
const MARGIN: f64 = 16.0;
const KINDS: [(Kind, &str); 4] =
    [(Kind::Layer, "layer"), (Kind::Op, "op"), (Kind::Kernel, "fused kernel"), (Kind::Parameter, "parameter")];

/// Draws a method of a model.
pub(super) fn draw(graph: &Graph, method: &Method, known: Known) -> String {
    let scene = scene::of(graph, method, known);
    let layout = layout::of(&scene, true);
    let title = format!("{}::{}", graph.name, method.name);
    let sizes = graph.sizes.all().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ");
    let small = |text: &str| text::width(text, text::SMALL, false);
    let entry = |text: &str| 24.0 + small(text) + 12.0;
    let legend = KINDS.iter().map(|(_, text)| entry(text)).sum::<f64>();
    let lines = text::width(&title, text::NAME, true).max(small(&sizes)).max(legend);
    let width = layout.width.max(lines + 2.0 * MARGIN);
    let height = layout.height + CAPTION;
    let mut svg = Svg(String::new());
    svg.put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <title>{}</title>\n<style>\n{STYLE}\n</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>",
        escaped(&title)
    ));
    svg.text(MARGIN, 24.0, "name", "start", &title);
    svg.text(MARGIN, 42.0, "small", "start", &sizes);
    let mut x = MARGIN;
    for (kind, text) in KINDS {
        svg.put(format_args!("<rect class=\"{}\" x=\"{x:.1}\" y=\"54\" width=\"14\" height=\"12\" rx=\"3\"/>", class(kind)));
        svg.text(x + 20.0, 64.0, "small", "start", text);
        x += entry(text);
    }
    svg.level(&scene, &layout, (width - layout.width) / 2.0, CAPTION);
    svg.0 + "</svg>\n"
}

struct Svg(String);

impl Svg {
    fn put(&mut self, line: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        if !text.is_empty() {
            let text = escaped(text);
            self.put(format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
        }
    }

    fn level(&mut self, scene: &Scene, layout: &Layout, x: f64, y: f64) {
        for route in &layout.routes {
            self.edge(route, x, y);
        }
        for (node, place) in scene.nodes.iter().zip(&layout.places) {
            self.node(node, place, x, y);
        }
    }

    fn edge(&mut self, route: &Route, dx: f64, dy: f64) {
        let Some((x, top, _)) = route.verticals.first() else {
            return;
        };
        let mut path = format!("M{:.1} {:.1}", x + dx, top + dy);
        let last = route.verticals.len() - 1;
        for (i, (x, top, bottom)) in route.verticals.iter().enumerate() {
            if i > 0 {
                let (from, above) = (route.verticals[i - 1].0 + dx, route.verticals[i - 1].2 + dy);
                let (to, below) = (x + dx, top + dy);
                let middle = (above + below) / 2.0;
                let _ = match (from - to).abs() < 0.5 {
                    true => write!(path, "V{below:.1}"),
                    false => write!(path, "C{from:.1} {middle:.1} {to:.1} {middle:.1} {to:.1} {below:.1}"),
                };
            }
            let end = if i == last && route.arrow { bottom - 5.0 } else { *bottom };
            let _ = write!(path, "V{:.1}", end + dy);
        }
        self.put(format_args!("<path class=\"edge\" d=\"{path}\"/>"));
        if route.arrow {
            let (x, y) = (route.verticals[last].0 + dx, route.verticals[last].2 + dy);
            self.put(format_args!("<path class=\"arrow\" d=\"M{x:.1} {y:.1}l-4 -7h8z\"/>"));
        }
    }

    fn node(&mut self, node: &Node, place: &Place, dx: f64, dy: f64) {
        let Place { width, height, .. } = *place;
        let (x, y) = (place.x + dx, place.y + dy);
        let port = matches!(node.kind, Kind::Input | Kind::Output);
        if port && width == 0.0 {
            return;
        }
        if node.repeated.is_some() {
            for behind in [2.0 * STACK, STACK] {
                let (x, y) = (x + behind, y + behind);
                self.put(format_args!(
                    "<rect class=\"card\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
                ));
            }
        }
        let times = node.repeated.map_or(String::new(), |n| format!("× {n}"));
        if let (Some(scene), Some(layout)) = (&node.inside, &place.inside) {
            self.put(format_args!(
                "<rect class=\"card\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>\
                 <rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>\
                 <path class=\"head\" d=\"M{x:.1} {:.1}v-{:.1}q0 -6 6 -6h{:.1}q6 0 6 6v{:.1}z\"/>",
                y + HEADER,
                HEADER - 6.0,
                width - 12.0,
                HEADER - 6.0
            ));
            self.text(x + 12.0, y + 18.0, "name", "start", &node.name);
            self.text(x + width - 12.0, y + 18.0, "name", "end", &times);
            self.text(x + 12.0, y + 34.0, "small", "start", &node.ty);
            return self.level(scene, layout, x + (width - layout.width) / 2.0, y + HEADER);
        }
        let radius = if port { height / 2.0 } else { 6.0 };
        self.put(format_args!("<g>{}", tooltip(&node.tooltip)));
        self.put(format_args!(
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>",
            class(node.kind)
        ));
        let middle = x + width / 2.0;
        let rest: Vec<&str> = [node.ty.as_str(), &times].into_iter().filter(|t| !t.is_empty()).collect();
        let rest = rest.join(" ");
        let class = if node.kind == Kind::Layer { "name" } else { "" };
        if rest.is_empty() {
            self.text(middle, y + 18.0, class, "middle", &node.name);
        } else {
            // The parts meet at one point, which is the middle in any font, because some viewers centre each part alone.
            let [name, _] = layout::title(node);
            let meet = middle + (name - text::width(&rest, text::NAME, false)) / 2.0;
            self.text(meet - SPACE / 2.0, y + 18.0, class, "end", &node.name);
            self.text(meet + SPACE / 2.0, y + 18.0, "", "start", &rest);
        }
        self.text(middle, y + 34.0, "small", "middle", &node.shape);
        self.put(format_args!("</g>"));
    }
}

fn tooltip(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(text)) }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Input | Kind::Output => "port",
        Kind::Layer => "layer",
        Kind::Op => "op",
        Kind::Kernel => "kernel",
        Kind::Parameter => "parameter",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
