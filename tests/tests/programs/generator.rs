//! Writes the programs of `seeded.rs`: random forward passes that rustc and the compiler both accept. Names are few, so that most hide others.

use std::fmt::Write;

const PROGRAMS: usize = 24;
const NAMES: [&str; 4] = ["x", "y", "a", "block"];

/// Splitmix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Tensor {
        mutable: bool,
    },
    Whole,
    Layer,
    Pair,
    /// The number of an iteration.
    Index,
}

struct Program {
    random: Random,
    /// Innermost last; the last one of a name counts.
    scope: Vec<(&'static str, Kind)>,
    text: String,
}

impl Program {
    fn visible(&self, wanted: impl Fn(Kind) -> bool) -> Vec<&'static str> {
        let counts = |(i, (name, _)): (usize, &(&'static str, Kind))| !self.scope[i + 1..].iter().any(|(later, _)| later == name);
        let all = self.scope.iter().enumerate().filter(|(i, v)| counts((*i, v)));
        all.filter(|(_, (_, kind))| wanted(*kind)).map(|(_, (name, _))| *name).collect()
    }

    fn pick(&mut self, wanted: impl Fn(Kind) -> bool) -> Option<&'static str> {
        let names = self.visible(wanted);
        (!names.is_empty()).then(|| names[self.random.below(names.len())])
    }

    /// A tensor; its elements stay near 1.
    fn tensor(&mut self, depth: usize) -> String {
        let name = self.pick(|k| matches!(k, Kind::Tensor { .. }));
        if depth == 0 {
            return name.map_or("input".into(), str::to_string);
        }
        match self.random.below(16) {
            14 => match self.pick(|k| k == Kind::Index) {
                Some(index) if self.random.below(2) == 0 => format!("(0.1 * {index} as f64 * {})", self.tensor(depth - 1)),
                Some(index) => format!("self.blocks[{index}].forward({})", self.tensor(depth - 1)),
                None => format!("self.more[2 - {}].forward({})", self.random.below(3), self.tensor(0)),
            },
            0 => format!("tanh({})", self.tensor(depth - 1)),
            1 => format!("sin({} + {})", self.tensor(depth - 1), self.tensor(0)),
            2 => format!("{}.tanh()", self.tensor(0)),
            3 => format!("(-{} * sigmoid({}))", self.tensor(0), self.tensor(depth - 1)),
            4 => format!("(0.05 * {} * {} - {})", self.tensor(0), self.number(1), self.tensor(depth - 1)),
            5 => format!("({} * {} * 0.05)", self.number(1), self.tensor(depth - 1)),
            6 => format!("self.up.forward({})", self.tensor(depth - 1)),
            7 => format!("({} - {}.mean_keep(1))", self.tensor(depth - 1), self.tensor(0)),
            8 => format!("({} * {}.max_keep(-1))", self.tensor(0), self.tensor(0)),
            9 => format!("max({}, {})", self.tensor(0), self.tensor(depth - 1)),
            10 => {
                // Both sides are equal where the mask jumps, as central differences need it.
                let (a, b) = (self.tensor(0), self.tensor(depth - 1));
                format!("select(gt({a}, {b}), {a}, {b})")
            }
            11 => format!("({}.logsumexp_keep(-1) * 0.05 + {})", self.tensor(0), self.tensor(depth - 1)),
            12 => format!("{}.unsqueeze(1).squeeze(-2)", self.tensor(0)),
            _ => match self.pick(|k| k == Kind::Layer) {
                Some(layer) => format!("{layer}.forward({})", self.tensor(depth - 1)),
                None => format!("({} + tanh({}))", self.tensor(0), self.tensor(depth - 1)),
            },
        }
    }

    /// A whole number.
    fn number(&mut self, depth: usize) -> String {
        let name = self.pick(|k| k == Kind::Whole);
        match (self.random.below(5), name) {
            (0 | 1, Some(name)) => name.to_string(),
            (2 | 3, _) if depth > 0 => {
                let operator = self.random.one(&["+", "-", "*"]);
                format!("({} {operator} {} / {})", self.number(0), self.number(depth - 1), 2 + self.random.below(4))
            }
            _ => (1 + self.random.below(9)).to_string(),
        }
    }

    fn line(&mut self, indent: usize, line: &str) {
        writeln!(self.text, "{}{line}", "    ".repeat(indent)).expect("a string takes everything");
    }

    fn statement(&mut self, indent: usize, loops: usize) {
        let name = self.random.one(&NAMES);
        match self.random.below(12) {
            9 => self.branch(indent, loops),
            10 => {
                let (condition, value, other) = (self.condition(), self.tensor(1), self.tensor(1));
                self.line(indent, &format!("let {name} = if {condition} {{ {value} }} else {{ {other} }};"));
                self.scope.push((name, Kind::Tensor { mutable: false }));
            }
            11 if loops > 0 => self.collect(indent, loops - 1),
            0 | 1 => {
                let (value, mutable) = (self.tensor(2), self.random.below(2) == 0);
                self.line(indent, &format!("let {}{name} = {value};", if mutable { "mut " } else { "" }));
                self.scope.push((name, Kind::Tensor { mutable }));
            }
            2 => {
                let value = self.number(2);
                self.line(indent, &format!("let {name} = {value};"));
                self.scope.push((name, Kind::Whole));
            }
            3 => {
                let (first, second) = (self.tensor(1), self.tensor(1));
                let other = NAMES.into_iter().find(|n| *n != name).unwrap_or("b");
                let from = match self.pick(|k| k == Kind::Pair) {
                    Some(pair) => format!("{pair}.forward({first})"),
                    None => format!("({first}, {second})"),
                };
                self.line(indent, &format!("let (mut {name}, {other}) = {from};"));
                self.scope.push((name, Kind::Tensor { mutable: true }));
                self.scope.push((other, Kind::Tensor { mutable: false }));
            }
            4 if loops > 0 => self.repeat(indent, loops - 1),
            _ => self.assign(indent),
        }
    }

    fn assign(&mut self, indent: usize) {
        if let Some(name) = self.pick(|k| k == Kind::Tensor { mutable: true }) {
            let value = self.tensor(2);
            self.line(indent, &format!("{name} = {value};"));
        }
    }

    fn condition(&mut self) -> &'static str {
        ["self.flag", "!self.flag", "self.flag || self.other", "self.flag && !self.other"][self.random.below(4)]
    }

    /// A branch rebinds something from outside.
    fn branch(&mut self, indent: usize, loops: usize) {
        let Some(rebound) = self.pick(|k| k == Kind::Tensor { mutable: true }) else { return };
        let outside = self.scope.len();
        if self.random.below(3) == 0 {
            let layer = NAMES.into_iter().find(|n| *n != rebound).unwrap_or("norm");
            let field = self.random.one(&["present", "absent"]);
            self.line(indent, &format!("if let Some({layer}) = &self.{field} {{"));
            self.scope.push((layer, Kind::Layer));
        } else {
            let condition = self.condition();
            self.line(indent, &format!("if {condition} {{"));
        }
        self.block(indent, loops, rebound);
        self.scope.truncate(outside);
        if self.random.below(2) == 0 {
            self.line(indent, "} else {");
            self.statement(indent + 1, loops);
            self.scope.truncate(outside);
        }
        self.line(indent, "}");
    }

    /// A list is filled by a loop, walked by another one, and read at a place.
    fn collect(&mut self, indent: usize, loops: usize) {
        let Some(rebound) = self.pick(|k| k == Kind::Tensor { mutable: true }) else { return };
        let outside = self.scope.len();
        let list = ["list", "inner_list", "innermost_list"][2 - loops.min(2)];
        self.line(indent, &format!("let mut {list} = Vec::new();"));
        self.line(indent, "for i in 0..3 {");
        self.scope.push(("i", Kind::Index));
        self.block(indent, loops, rebound);
        let value = self.tensor(1);
        self.line(indent + 1, &format!("{list}.push(tanh({value}));"));
        self.line(indent, "}");
        self.scope.truncate(outside);
        if self.random.below(2) == 0 {
            self.line(indent, &format!("for item in {list}.iter().rev() {{"));
        } else {
            self.line(indent, &format!("for (j, item) in {list}.iter().enumerate() {{"));
            self.scope.push(("j", Kind::Index));
        }
        self.line(indent + 1, "let item = *item;");
        self.scope.push(("item", Kind::Tensor { mutable: false }));
        let value = self.tensor(1);
        self.line(indent + 1, &format!("{rebound} = {value} + 0.1 * {list}[2] * item;"));
        for _ in 0..1 + self.random.below(2) {
            self.statement(indent + 1, 0);
        }
        self.line(indent, "}");
        self.scope.truncate(outside);
        self.line(indent, &format!("{rebound} = tanh({rebound} + {list}[0]);"));
    }

    /// Statements, of which the first rebinds a value from outside.
    fn block(&mut self, indent: usize, loops: usize, rebound: &str) {
        let value = self.tensor(2);
        self.line(indent + 1, &format!("{rebound} = {value};"));
        for _ in 0..self.random.below(2) {
            self.statement(indent + 1, loops);
        }
    }

    /// A loop rebinds something from outside.
    fn repeat(&mut self, indent: usize, loops: usize) {
        let Some(rebound) = self.pick(|k| k == Kind::Tensor { mutable: true }) else { return };
        let layer = NAMES.into_iter().filter(|n| *n != rebound).nth(self.random.below(3)).unwrap_or("block");
        let (field, kind) = [("blocks", Kind::Layer), ("inner", Kind::Layer), ("pairs", Kind::Pair)][self.random.below(3)];
        let outside = self.scope.len();
        match self.random.below(7) {
            0 => {
                let (range, count) = ("0..", self.random.below(4));
                let range = match self.random.below(2) {
                    0 => format!("{range}{count}"),
                    _ => format!("({range}{count}).rev()"),
                };
                self.line(indent, &format!("for i in {range} {{"));
                self.scope.push(("i", Kind::Index));
            }
            1 => {
                let order = self.random.one(&["", ".rev()"]);
                self.line(indent, &format!("for (i, {layer}) in self.blocks.iter().enumerate(){order} {{"));
                self.scope.extend([("i", Kind::Index), (layer, Kind::Layer)]);
            }
            2 => {
                let order = self.random.one(&["", ".rev()"]);
                self.line(indent, &format!("for (down, {layer}) in self.blocks.iter().zip(self.more.iter(){order}) {{"));
                self.scope.extend([("down", Kind::Layer), (layer, Kind::Layer)]);
            }
            3 => {
                self.line(indent, &format!("for {layer} in self.{field}.iter().rev() {{"));
                self.scope.push((layer, kind));
            }
            _ => {
                self.line(indent, &format!("for {layer} in &self.{field} {{"));
                self.scope.push((layer, kind));
            }
        }
        let value = self.tensor(2);
        self.line(indent + 1, &format!("{rebound} = {value};"));
        for _ in 0..1 + self.random.below(4) {
            self.statement(indent + 1, loops);
        }
        self.line(indent, "}");
        self.scope.truncate(outside);
    }
}

/// The text of `seeded.rs`.
pub fn programs() -> String {
    let mut text = String::from(
        "// Written by `generator.rs`: `WRITE_PROGRAMS=1 cargo test -p ivon-tests --test programs`.\nboth! {\nimpl Net {\n",
    );
    for i in 0..PROGRAMS {
        let scope = vec![("input", Kind::Tensor { mutable: false }), ("x", Kind::Tensor { mutable: true })];
        let mut program = Program { random: Random(i as u64), scope, text: String::new() };
        program.line(2, "let mut x = tanh(input);");
        for _ in 0..3 + program.random.below(5) {
            program.statement(2, 2);
        }
        program.repeat(2, 1);
        let result = program.tensor(2);
        program.line(2, &format!("tanh({result}) + input * 0.5"));
        write!(text, "    pub fn program_{i}<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {{\n{}    }}\n", program.text)
            .expect("a string takes everything");
    }
    text += "    pub fn all<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {\n        let (mut y, _) = (self.up.forward(input), input);\n";
    text += "        for block in &self.blocks {\n            y = block.forward(y);\n        }\n        for block in &self.inner {\n            y = block.forward(y);\n        }\n";
    text += "        for block in &self.more {\n            y = block.forward(y);\n        }\n";
    text += "        if let Some(layer) = &self.present {\n            y = layer.forward(y);\n        }\n        if let Some(layer) = &self.absent {\n            y = layer.forward(y);\n        }\n";
    text += "        for pair in &self.pairs {\n            let (a, b) = pair.forward(y);\n            y = a + b;\n        }\n        y\n    }\n";
    text += "}\n}\n\nprograms! {\n";
    for i in 0..PROGRAMS {
        writeln!(text, "    program_{i} program_{i}_saving program_{i}_backward").expect("a string takes everything");
    }
    text + "}\n"
}
