//! Places boxes and edges in layers from top to bottom (Sugiyama, Tagawa and Toda 1981). Every level is laid out alone, the
//! content of a box before the box, because it determines the size of the box.
//!
//! 1. A node's layer is the longest path to it. The longest path through a level is its spine.
//! 2. An edge that crosses several layers occupies a place in each layer between. Edges from one output share these places.
//! 3. Neighbours in a layer are swapped until few edges cross (barycentres, sweeping down and up). The spine stands on the left.
//! 4. Horizontal positions minimise the weighted sum of squares of the horizontal offsets of edges, subject to the order and
//!    the distances, exactly, layer by layer. Edges of the spine have the largest weight, so the spine is straight through all
//!    levels.

use super::scene::{Edge, End, Kind, Node, Scene};
use super::text;

/// Distances, in user units of SVG.
const BETWEEN_LAYERS: f64 = 26.0;
const BETWEEN_NODES: f64 = 26.0;
const BETWEEN_EDGES: f64 = 14.0;
/// The distance between the content of a box and its border.
const PADDING: f64 = 16.0;
/// The height of the part of a box that shows its name and type.
pub(super) const HEADER: f64 = 42.0;
/// The distance between a text and its border, both sides together.
const AROUND: f64 = 24.0;
/// The distance between the parts of a line.
pub(super) const SPACE: f64 = 8.0;
/// The offset of the sheets that are drawn behind a repeated box.
pub(super) const STACK: f64 = 4.0;

/// The weights of edges: of the spine, of branches beside it and long edges, and of the places where long edges begin and end. A short edge
/// has weight 1.
const SPINE: f64 = 1000.0;
const BRANCH: f64 = 30.0;
const ALONG: f64 = 4.0;
const ASIDE: f64 = 0.004;

/// A level with the position of everything in it.
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    /// One entry for each node of the scene.
    pub places: Vec<Place>,
    pub routes: Vec<Route>,
}

/// The position of a node and the layout of its content.
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub inside: Option<Layout>,
}

/// The path of an edge: straight down to the end of each layer, and curved from one layer to the next.
pub(super) struct Route {
    /// (x, upper y, lower y) of each vertical part.
    pub verticals: Vec<(f64, f64, f64)>,
    /// True if the edge ends in an arrow. Edges to boxes do; edges to the inner border of a box do not.
    pub arrow: bool,
}

/// An entry of a layer: a node, or a place that edges pass through.
#[derive(Clone, Copy)]
struct Item {
    /// `None` for a place of edges.
    node: Option<usize>,
    layer: usize,
    x: f64,
    width: f64,
    height: f64,
}

/// A link between entries of neighbouring layers: the two entries, and the offsets from their middles at which it starts and ends.
#[derive(Clone, Copy)]
struct Link {
    upper: (usize, f64),
    lower: (usize, f64),
    weight: f64,
}

/// Lays out a level. `whole` is true for the outermost level.
pub(super) fn of(scene: &Scene, whole: bool) -> Layout {
    let mut places: Vec<Place> = scene.nodes.iter().map(|n| measure(n, whole)).collect();
    let layers = layers(scene, whole);
    let mut net = Net::new(scene, &places, &layers);
    net.order();
    net.spread();
    let (width, height) = net.settle(whole);
    for item in &net.items {
        if let Some(node) = item.node {
            places[node].x = item.x - item.width / 2.0;
            places[node].y = net.tops[item.layer] + (net.heights[item.layer] - item.height) / 2.0;
        }
    }
    let routes = (0..scene.edges.len()).map(|e| net.route(scene, &places, e, whole)).collect();
    Layout { width, height, places, routes }
}

/// The size of a node.
fn measure(node: &Node, whole: bool) -> Place {
    let is_port = matches!(node.kind, Kind::Input | Kind::Output);
    let place = |width: f64, height: f64, inside| Place { x: 0.0, y: 0.0, width, height, inside };
    if is_port && !whole {
        return place(0.0, 0.0, None);
    }
    if let Some(scene) = &node.inside {
        let inside = of(scene, false);
        let title = title(node).iter().sum::<f64>().max(text::width(&node.ty, text::SMALL, false)) + AROUND;
        return place(inside.width.max(title), inside.height + HEADER, Some(inside));
    }
    let [name, times] = title(node);
    let ty = if node.ty.is_empty() { 0.0 } else { SPACE + text::width(&node.ty, text::NAME, false) };
    let width = (name + ty + times).max(text::width(&node.shape, text::SMALL, false)) + AROUND;
    place(width, if node.shape.is_empty() { 28.0 } else { 42.0 }, None)
}

/// The widths of the name and of the number of repetitions.
pub(super) fn title(node: &Node) -> [f64; 2] {
    let times = node.repeated.map_or(0.0, |n| SPACE + text::width(&format!("× {n}"), text::NAME, true));
    [text::width(&node.name, text::NAME, true), times]
}

/// The nodes of the longest path from an input to an output. Of two equally long paths it is the one with the earlier nodes.
fn spine(scene: &Scene) -> Vec<usize> {
    // The longest path from an input to each node, and the node before it. Nodes are in no order, so the pass is repeated as often as a
    // path may have edges.
    let mut best: Vec<Option<(usize, usize)>> =
        scene.nodes.iter().map(|n| (n.kind == Kind::Input).then_some((0, usize::MAX))).collect();
    for _ in 0..scene.nodes.len() {
        for Edge { from, to } in &scene.edges {
            if let Some((length, _)) = best[from.node]
                && best[to.node]
                    .is_none_or(|(known, before)| (length + 1, std::cmp::Reverse(from.node)) > (known, std::cmp::Reverse(before)))
            {
                best[to.node] = Some((length + 1, from.node));
            }
        }
    }
    let ends = (0..scene.nodes.len()).filter(|i| scene.nodes[*i].kind == Kind::Output);
    let end = ends.filter_map(|i| Some((best[i]?.0, std::cmp::Reverse(i)))).max();
    let mut path = vec![];
    let mut next = end.map(|(_, std::cmp::Reverse(i))| i);
    while let Some(node) = next {
        path.push(node);
        next = best[node].map(|(_, before)| before).filter(|before| *before != usize::MAX);
    }
    path
}

/// The layer of each node: inputs first, outputs last. A node without inputs stands just above its first reader. The inputs of a box
/// are an exception: they stand on its border.
fn layers(scene: &Scene, whole: bool) -> Vec<usize> {
    let mut layers = vec![0; scene.nodes.len()];
    for _ in 0..scene.nodes.len() {
        for Edge { from, to } in &scene.edges {
            layers[to.node] = layers[to.node].max(layers[from.node] + 1);
        }
    }
    for (i, node) in scene.nodes.iter().enumerate() {
        let source = node.kind == Kind::Parameter || node.kind == Kind::Input && whole;
        let readers = scene.edges.iter().filter(|e| e.from.node == i).map(|e| layers[e.to.node]);
        if let (true, Some(first)) = (source, readers.min()) {
            layers[i] = first - 1;
        }
    }
    let is_output = |i: &usize| scene.nodes[*i].kind == Kind::Output;
    let last = (0..layers.len()).filter(|i| !is_output(i)).map(|i| layers[i] + 1).max().unwrap_or(1);
    (0..layers.len()).filter(is_output).for_each(|i| layers[i] = last);
    layers
}

/// The offset from the middle of a node at which an edge starts or ends: the position of the inner input or output.
fn offset(scene: &Scene, places: &[Place], end: End, output: bool) -> f64 {
    let place = &places[end.node];
    let (Some(inside), Some(inner)) = (&scene.nodes[end.node].inside, &place.inside) else {
        return 0.0;
    };
    let kind = if output { Kind::Output } else { Kind::Input };
    let port = (0..inside.nodes.len()).filter(|i| inside.nodes[*i].kind == kind).nth(end.slot);
    port.map_or(0.0, |port| inner.places[port].x - inner.width / 2.0)
}

/// The entries of all layers, and the links between them.
struct Net {
    items: Vec<Item>,
    links: Vec<Link>,
    /// The entries of each layer, from left to right.
    rows: Vec<Vec<usize>>,
    /// For each edge, the entries that it passes, including both ends.
    paths: Vec<Vec<usize>>,
    /// True if an entry belongs to the spine.
    spine: Vec<bool>,
    tops: Vec<f64>,
    heights: Vec<f64>,
}

impl Net {
    fn new(scene: &Scene, places: &[Place], layers: &[usize]) -> Net {
        let spine = spine(scene);
        let mut items: Vec<Item> = (0..places.len())
            .map(|i| Item { node: Some(i), layer: layers[i], x: 0.0, width: places[i].width, height: places[i].height })
            .collect();
        let (mut links, mut paths) = (vec![], vec![]);
        let mut passes: Vec<(End, Vec<usize>)> = vec![];
        for edge in &scene.edges {
            let start = layers[edge.from.node] + 1;
            let known = match passes.iter().position(|(end, _)| *end == edge.from) {
                Some(known) => known,
                None => {
                    passes.push((edge.from, vec![]));
                    passes.len() - 1
                }
            };
            let pass = &mut passes[known].1;
            let mut path = vec![edge.from.node];
            let straight = spine.windows(2).any(|w| w == [edge.to.node, edge.from.node]);
            let output = offset(scene, places, edge.from, true);
            for layer in start..layers[edge.to.node] {
                if pass.len() <= layer - start {
                    let before = pass.last().map_or((edge.from.node, output), |i| (*i, 0.0));
                    items.push(Item { node: None, layer, x: 0.0, width: 0.0, height: 0.0 });
                    pass.push(items.len() - 1);
                    let weight = if layer == start { ASIDE } else { ALONG };
                    links.push(Link { upper: before, lower: (items.len() - 1, 0.0), weight });
                }
                path.push(pass[layer - start]);
            }
            let input = offset(scene, places, edge.to, false);
            let (last, direct) = (path[path.len() - 1], path.len() == 1);
            let weight = match (straight, direct) {
                (true, _) => SPINE,
                (false, true) if ![edge.from.node, edge.to.node].iter().any(|n| spine.contains(n)) => BRANCH,
                (false, true) => 1.0,
                (false, false) => ASIDE,
            };
            links.push(Link { upper: (last, if direct { output } else { 0.0 }), lower: (edge.to.node, input), weight });
            path.push(edge.to.node);
            paths.push(path);
        }
        let depth = items.iter().map(|i| i.layer + 1).max().unwrap_or(0);
        let rows = (0..depth).map(|l| (0..items.len()).filter(|i| items[*i].layer == l).collect()).collect();
        let spine = (0..items.len()).map(|i| spine.contains(&i)).collect();
        Net { items, links, rows, paths, spine, tops: vec![], heights: vec![] }
    }

    /// Orders each layer by the barycentres of its neighbours, with the spine first, and keeps the order with the fewest crossings.
    fn order(&mut self) {
        let spine = self.spine.clone();
        self.rows.iter_mut().for_each(|row| row.sort_by_key(|i| !spine[*i]));
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..12 {
            let down = sweep % 2 == 0;
            let layers: Vec<usize> = if down { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() };
            for layer in layers {
                let at = self.positions();
                let barycentre = |item: &usize| {
                    let near = self.links.iter().filter_map(|l| match down {
                        true => (l.lower.0 == *item).then_some(at[l.upper.0]),
                        false => (l.upper.0 == *item).then_some(at[l.lower.0]),
                    });
                    let (sum, n) = near.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
                    if n > 0.0 { sum / n } else { at[*item] }
                };
                let mut row: Vec<(f64, usize)> = self.rows[layer].iter().map(|i| (barycentre(i), *i)).collect();
                row.sort_by(|a, b| spine[b.1].cmp(&spine[a.1]).then(a.0.total_cmp(&b.0)));
                self.rows[layer] = row.into_iter().map(|(_, i)| i).collect();
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    /// The place of each entry in its layer, from 0 to 1.
    fn positions(&self) -> Vec<f64> {
        let mut at = vec![0.0; self.items.len()];
        for row in &self.rows {
            row.iter().enumerate().for_each(|(i, item)| at[*item] = (i as f64 + 0.5) / row.len() as f64);
        }
        at
    }

    fn crossings(&self) -> usize {
        let at = self.positions();
        // Links that start or end at one entry are ordered by their offsets.
        let key = |(item, offset): (usize, f64)| at[item] + 1e-6 * offset;
        let cross = |a: &Link, b: &Link| {
            self.items[a.upper.0].layer == self.items[b.upper.0].layer
                && (key(a.upper) - key(b.upper)) * (key(a.lower) - key(b.lower)) < 0.0
        };
        let pairs = self.links.iter().enumerate();
        pairs.map(|(i, a)| self.links[i + 1..].iter().filter(|b| cross(a, b)).count()).sum()
    }

    /// Computes the horizontal position of every entry.
    fn spread(&mut self) {
        for layer in 0..self.rows.len() {
            self.place_row(layer, &|_| None);
        }
        for _ in 0..60 {
            for layer in 0..self.rows.len() {
                let wish = |item: usize| {
                    let (mut sum, mut weights) = (0.0, 0.0);
                    for l in &self.links {
                        let other = if l.lower.0 == item {
                            self.items[l.upper.0].x + l.upper.1 - l.lower.1
                        } else if l.upper.0 == item {
                            self.items[l.lower.0].x + l.lower.1 - l.upper.1
                        } else {
                            continue;
                        };
                        sum += l.weight * other;
                        weights += l.weight;
                    }
                    (weights > 0.0).then(|| (sum / weights, weights))
                };
                let wishes: Vec<_> = (0..self.items.len()).map(wish).collect();
                self.place_row(layer, &|i| wishes[i]);
            }
        }
    }

    /// Minimises Σ w (x - wish)² over a layer subject to its order and distances. This is monotone regression by pooling adjacent
    /// violators.
    fn place_row(&mut self, layer: usize, wish: &dyn Fn(usize) -> Option<(f64, f64)>) {
        let row = self.rows[layer].clone();
        // The position of each entry if all entries stood as close as possible.
        let mut pushed = vec![0.0; row.len()];
        for i in 1..row.len() {
            let (a, b) = (&self.items[row[i - 1]], &self.items[row[i]]);
            let gap = if a.node.is_none() && b.node.is_none() { BETWEEN_EDGES } else { BETWEEN_NODES };
            pushed[i] = pushed[i - 1] + (a.width + b.width) / 2.0 + gap;
        }
        // Pools of touching neighbours: weighted sum of wishes, weight, members.
        let mut pools: Vec<(f64, f64, usize)> = vec![];
        for (i, item) in row.iter().enumerate() {
            let (x, weight) = wish(*item).unwrap_or((self.items[*item].x, 1e-6));
            pools.push((weight * (x - pushed[i]), weight, 1));
            while let [.., a, b] = pools.as_slice()
                && a.0 / a.1 >= b.0 / b.1
            {
                let joined = (a.0 + b.0, a.1 + b.1, a.2 + b.2);
                pools.truncate(pools.len() - 2);
                pools.push(joined);
            }
        }
        let means = pools.iter().flat_map(|(sum, weight, members)| std::iter::repeat_n(sum / weight, *members));
        for ((item, mean), pushed) in row.iter().zip(means).zip(pushed) {
            self.items[*item].x = mean + pushed;
        }
    }

    /// Moves everything into positive coordinates and returns the width and height.
    fn settle(&mut self, whole: bool) -> (f64, f64) {
        let left = self.items.iter().map(|i| i.x - i.width / 2.0).fold(f64::INFINITY, f64::min);
        let right = self.items.iter().map(|i| i.x + i.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
        let (left, right) = if left <= right { (left, right) } else { (0.0, 0.0) };
        self.items.iter_mut().for_each(|i| i.x += PADDING - left);
        let mut y = if whole { PADDING } else { 0.0 };
        for row in &self.rows {
            let height = row.iter().map(|i| self.items[*i].height).fold(0.0, f64::max);
            self.tops.push(y);
            self.heights.push(height);
            y += height + BETWEEN_LAYERS;
        }
        (right - left + 2.0 * PADDING, y - BETWEEN_LAYERS + if whole { PADDING } else { 0.0 })
    }

    fn route(&self, scene: &Scene, places: &[Place], edge: usize, whole: bool) -> Route {
        let (path, Edge { from, to }) = (&self.paths[edge], scene.edges[edge]);
        let vertical = |item: &usize| {
            let Item { layer, x, .. } = self.items[*item];
            (x, self.tops[layer], self.tops[layer] + self.heights[layer])
        };
        let mut verticals: Vec<_> = path.iter().map(vertical).collect();
        let last = verticals.len() - 1;
        let (start, end) = (&places[from.node], &places[to.node]);
        verticals[0].0 += offset(scene, places, from, true);
        verticals[0].1 = start.y + start.height;
        verticals[last].0 += match &end.inside {
            Some(_) => offset(scene, places, to, false),
            None => self.entry(scene, edge),
        };
        verticals[last].2 = end.y;
        Route { verticals, arrow: whole || scene.nodes[to.node].kind != Kind::Output }
    }

    /// The offset at the top of a node at which one of several edges arrives. The edge from straight above arrives in the middle, the
    /// others beside it.
    fn entry(&self, scene: &Scene, edge: usize) -> f64 {
        let to = scene.edges[edge].to.node;
        let came = |e: usize| self.items[self.paths[e][self.paths[e].len() - 2]].x - self.items[to].x;
        let mut all: Vec<(f64, usize)> =
            (0..scene.edges.len()).filter(|e| scene.edges[*e].to.node == to).map(|e| (came(e), e)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let straight = all.iter().position(|(x, _)| x.abs() < 3.0).map_or((all.len() as f64 - 1.0) / 2.0, |i| i as f64);
        let at = all.iter().position(|(_, e)| *e == edge).map_or(straight, |i| i as f64);
        let step = (self.items[to].width / (2.0 * all.len() as f64)).min(14.0);
        (at - straight) * step
    }
}
