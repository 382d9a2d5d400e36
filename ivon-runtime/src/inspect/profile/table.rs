//! A profile by phase and op, and by layer.

use crate::context::profile::{Cost, Kind, Phase, Profile};

/// The time of a phase. The times of its ops and `other` add up to `seconds`.
#[derive(Debug)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// The time of the whole phase.
    pub seconds: f64,
    /// Its ops, in descending order of time.
    pub ops: Vec<OpTime>,
    /// The time outside of ops: memory, checks, the model's own code.
    pub other: f64,
}

/// The time of all calls of an op in a phase.
#[derive(Debug, PartialEq)]
pub struct OpTime {
    /// The name of the op or kernel.
    pub name: String,
    /// The number of calls.
    pub calls: u64,
    /// The time of all calls, without other ops that the op calls.
    pub seconds: f64,
    /// Its operations and bytes.
    pub cost: Cost,
    /// The kernels that it launched on a GPU.
    pub kernels: Vec<OpTime>,
}

/// The time of all calls of a layer in a phase, including everything within the layer.
#[derive(Debug)]
pub struct LayerTime {
    /// The path of field names that leads to the layer: `blocks.mlp.up`. The layers of an array share one path.
    pub path: String,
    /// The phase.
    pub phase: Phase,
    /// The number of calls.
    pub calls: u64,
    /// The time of all calls.
    pub seconds: f64,
}

impl Profile {
    /// The phases in their order, each with its ops. Together with [`Profile::other`] they add up to [`Profile::seconds`].
    pub fn phases(&self) -> Vec<PhaseTime> {
        let mut phases: Vec<PhaseTime> = vec![];
        for (i, node) in self.nodes.iter().enumerate().skip(1) {
            let phase = self.phase_of(i);
            let at = phases.iter().position(|p| p.phase == phase).unwrap_or_else(|| {
                phases.push(PhaseTime { phase, seconds: 0.0, ops: vec![], other: 0.0 });
                phases.len() - 1
            });
            let row = &mut phases[at];
            if self.outermost(i) {
                row.seconds += node.seconds;
            }
            match node.kind {
                Kind::Op => {
                    let within: f64 = self.nested(i);
                    add(&mut row.ops, &node.name, node.calls, node.seconds - within, node.cost);
                }
                Kind::Kernel => {
                    // A kernel outside of all ops is an entry of its own.
                    let op = match self.op_of(node.parent) {
                        Some(op) => op,
                        None => {
                            add(&mut row.ops, &node.name, node.calls, node.seconds, Cost::default());
                            &node.name
                        }
                    };
                    if let Some(op) = row.ops.iter_mut().find(|row| row.name == *op) {
                        add(&mut op.kernels, &node.name, node.calls, node.seconds, node.cost);
                    }
                }
                _ => {}
            }
        }
        for phase in &mut phases {
            phase.ops.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
            phase.other = phase.seconds - phase.ops.iter().map(|op| op.seconds).sum::<f64>();
        }
        phases.sort_by_key(|p| p.phase);
        phases
    }

    /// Seconds outside of all phases: the optimizer's own code and, on a GPU, waiting for the next kernel.
    pub fn other(&self) -> f64 {
        let within: f64 = (1..self.nodes.len()).filter(|i| self.outermost(*i)).map(|i| self.nodes[i].seconds).sum();
        self.seconds() - within
    }

    /// The layers by phase, in the order of their first calls.
    pub fn layers(&self) -> Vec<LayerTime> {
        let layers = self.nodes.iter().enumerate().filter(|(_, n)| n.kind == Kind::Layer);
        let row = |(i, n): (usize, &crate::context::profile::Node)| LayerTime {
            path: self.path(i),
            phase: self.phase_of(i),
            calls: n.calls,
            seconds: n.seconds,
        };
        layers.map(row).collect()
    }

    /// The node and its ancestors, from the inside out.
    fn outwards(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(node), |i| (*i > 0).then(|| self.nodes[*i].parent))
    }

    fn phase_of(&self, node: usize) -> Phase {
        let phase = self.outwards(node).find_map(|i| match self.nodes[i].kind {
            Kind::Phase(phase) => Some(phase),
            _ => None,
        });
        phase.unwrap_or(Phase::Other)
    }

    /// True if a node lies in no other node, so that its time is not part of another node's time.
    fn outermost(&self, node: usize) -> bool {
        self.nodes[node].parent == 0
    }

    fn op_of(&self, node: usize) -> Option<&String> {
        self.outwards(node).map(|i| &self.nodes[i]).find(|n| n.kind == Kind::Op).map(|n| &n.name)
    }

    /// Seconds of the ops within an op.
    fn nested(&self, node: usize) -> f64 {
        let innermost = |i: usize| self.outwards(self.nodes[i].parent).find(|i| self.nodes[*i].kind == Kind::Op);
        let nested = self.nodes.iter().enumerate().filter(|(i, n)| n.kind == Kind::Op && *i > 0 && innermost(*i) == Some(node));
        nested.map(|(_, n)| n.seconds).sum()
    }

    fn path(&self, node: usize) -> String {
        let mut names: Vec<&str> =
            self.outwards(node).map(|i| &self.nodes[i]).filter(|n| n.kind == Kind::Layer).map(|n| n.name.as_str()).collect();
        names.reverse();
        names.join(".")
    }
}

/// Adds to the row of this name, or appends a row.
fn add(rows: &mut Vec<OpTime>, name: &str, calls: u64, seconds: f64, cost: Cost) {
    let at = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
        rows.push(OpTime { name: name.into(), calls: 0, seconds: 0.0, cost: Cost::default(), kernels: vec![] });
        rows.len() - 1
    });
    let row = &mut rows[at];
    row.calls += calls;
    row.seconds += seconds;
    row.cost += cost;
}
