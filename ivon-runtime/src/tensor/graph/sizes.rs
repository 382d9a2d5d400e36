//! Replaces the names of a model's dimensions by their values and simplifies the rest: `[B, T, 4 * WIDTH]` becomes
//! `[B, T, 1536]`, and `floor((H - 1) / 2) + 1` becomes `⌈H/2⌉`.

use std::collections::BTreeMap;
use std::fmt;

/// The names of a model's dimensions and flags, with their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes(Vec<Size>);

#[derive(Clone, Debug)]
struct Size {
    name: &'static str,
    value: String,
    /// True if the value is the default.
    usual: bool,
}

impl Sizes {
    pub fn push(&mut self, name: &'static str, value: String, usual: bool) {
        self.0.push(Size { name, value, usual });
    }

    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|s| (s.name, s.value.as_str()))
    }

    /// The values, without the default values at the end.
    pub fn stated(&self) -> impl Iterator<Item = &str> {
        let count = self.0.iter().rposition(|s| !s.usual).map_or(0, |last| last + 1);
        self.0[..count].iter().map(|s| s.value.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// The values of the names in one method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    dims: BTreeMap<String, Dim>,
    /// The dimensions that `..` stands for.
    rest: Option<Vec<Dim>>,
}

impl Known {
    /// The dimensions of the model itself.
    pub fn of(sizes: &Sizes) -> Known {
        let dims = sizes.all().filter_map(|(name, value)| Some((name.to_string(), Dim::number(value.parse().ok()?))));
        Known { dims: dims.collect(), rest: None }
    }

    pub fn set(&mut self, name: &str, size: usize) {
        self.dims.insert(name.to_string(), Dim::number(i64::try_from(size).unwrap_or(i64::MAX)));
    }

    /// Binds the names in a shape of the signature, such as `[.., H, W, IN]`, to the dimensions of an argument.
    pub fn bind(&mut self, promised: &str, found: &[Dim]) {
        let promised = split(promised);
        let fixed: Vec<&str> = promised.iter().filter(|d| **d != "..").copied().collect();
        let Some(lead) = found.len().checked_sub(fixed.len()) else {
            return;
        };
        if fixed.len() < promised.len() {
            self.rest.get_or_insert_with(|| found[..lead].to_vec());
        }
        for (name, dim) in fixed.into_iter().zip(&found[lead..]) {
            if name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit()) {
                self.dims.entry(name.to_string()).or_insert_with(|| dim.clone());
            }
        }
    }

    /// Evaluates a shape as far as its names are known.
    pub fn shape(&self, text: &str) -> Vec<Dim> {
        let dim = |text: &str| match (text, &self.rest) {
            ("..", Some(rest)) => rest.clone(),
            _ => vec![Dim::parse(text, &self.dims)],
        };
        split(text).into_iter().flat_map(dim).collect()
    }

    /// Replaces every name in a text by its value.
    pub fn replaced(&self, text: &str, flags: &Sizes) -> String {
        let value = |word: &str| match self.dims.get(word) {
            Some(dim) => dim.to_string(),
            None => flags.get(word).unwrap_or(word).to_string(),
        };
        words(text).map(value).collect()
    }
}

/// `[B, T, 384]`, or `scalar`.
pub(crate) fn show(shape: &[Dim]) -> String {
    let dims: Vec<String> = shape.iter().map(Dim::to_string).collect();
    if dims.is_empty() { "scalar".into() } else { format!("[{}]", dims.join(", ")) }
}

fn split(shape: &str) -> Vec<&str> {
    shape.trim_start_matches('[').trim_end_matches(']').split(", ").filter(|d| !d.is_empty()).collect()
}

/// A dimension: a sum of products, each with a factor.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dim(BTreeMap<Vec<Atom>, i64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Atom {
    Name(String),
    Quotient(Dim, Dim),
    /// A dimension divided by a number, rounded down.
    Floor(Dim, i64),
}

impl Dim {
    fn number(n: i64) -> Dim {
        Dim::default().plus(n, &[])
    }

    fn atom(atom: Atom) -> Dim {
        Dim::default().plus(1, &[atom])
    }

    /// Parses an expression of numbers and names with `+ - * /`, parentheses and `floor(..)`.
    fn parse(text: &str, known: &BTreeMap<String, Dim>) -> Dim {
        let tokens: Vec<&str> = words(text).flat_map(symbols).filter(|t| !t.trim().is_empty()).collect();
        let mut reader = Reader { tokens: &tokens, known };
        match reader.sum() {
            Some(dim) if reader.tokens.is_empty() => dim,
            _ => Dim::atom(Atom::Name(text.to_string())),
        }
    }

    fn as_number(&self) -> Option<i64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&[][..]).copied(),
            _ => None,
        }
    }

    /// Adds one term.
    fn plus(mut self, factor: i64, atoms: &[Atom]) -> Dim {
        let mut key = atoms.to_vec();
        key.sort();
        let sum = self.0.get(&key).copied().unwrap_or(0).saturating_add(factor);
        match sum {
            0 => self.0.remove(&key),
            _ => self.0.insert(key, sum),
        };
        self
    }

    fn add(self, other: &Dim, sign: i64) -> Dim {
        other.0.iter().fold(self, |sum, (atoms, factor)| sum.plus(factor.saturating_mul(sign), atoms))
    }

    fn times(&self, other: &Dim) -> Dim {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        pairs.fold(Dim::default(), |sum, ((a, m), (b, n))| sum.plus(m.saturating_mul(*n), &[a.as_slice(), b].concat()))
    }

    fn over(self, other: Dim) -> Dim {
        match other.as_number() {
            Some(n) if n != 0 && self.0.values().all(|factor| factor % n == 0) => {
                Dim(self.0.into_iter().map(|(atoms, factor)| (atoms, factor / n)).collect())
            }
            _ => Dim::atom(Atom::Quotient(self, other)),
        }
    }

    /// Rounds down.
    fn floor(self) -> Dim {
        match self.0.iter().next() {
            Some((atoms, 1)) if self.0.len() == 1 => match atoms.as_slice() {
                [Atom::Quotient(above, below)] => match below.as_number() {
                    Some(n) if n > 0 => above.clone().floor_by(n),
                    _ => self,
                },
                _ => self,
            },
            _ => self,
        }
    }

    /// floor(self / n). Moves multiples of n out of the floor, and combines nested floors: floor(floor(x / m) / n) = floor(x / (m
    /// n)).
    fn floor_by(self, n: i64) -> Dim {
        let (mut out, mut rest) = (Dim::default(), Dim::default());
        for (atoms, factor) in self.0 {
            out = out.plus(factor.div_euclid(n), &atoms);
            rest = rest.plus(factor.rem_euclid(n), &atoms);
        }
        if rest.as_number().is_some() {
            return out; // the rest is less than n
        }
        let constant = rest.0.get(&[][..]).copied().unwrap_or(0);
        let mut others = rest.0.iter().filter(|(atoms, _)| !atoms.is_empty());
        if let (Some((atoms, 1)), None) = (others.next(), others.next())
            && let [Atom::Floor(x, m)] = atoms.as_slice()
        {
            let x = x.clone().plus(constant * m, &[]);
            return out.add(&x.floor_by(m * n), 1);
        }
        out.plus(1, &[Atom::Floor(rest, n)])
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        // Print products before numbers.
        for (i, (atoms, factor)) in self.0.iter().rev().enumerate() {
            match (i, *factor < 0) {
                (0, false) => {}
                (0, true) => f.write_str("-")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            let factors = (factor.abs() != 1 || atoms.is_empty()).then(|| factor.abs().to_string());
            let all: Vec<String> = factors.into_iter().chain(atoms.iter().map(Atom::to_string)).collect();
            f.write_str(&all.join(" * "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let group = |d: &Dim| {
            if d.0.len() > 1 { format!("({d})") } else { d.to_string() }
        };
        match self {
            Atom::Name(name) => f.write_str(name),
            Atom::Quotient(above, below) => write!(f, "{} / {}", group(above), group(below)),
            Atom::Floor(x, n) => match x.0.get(&[][..]) {
                // floor((x + n - 1) / n) is x / n rounded up.
                Some(constant) if *constant == n - 1 => {
                    write!(f, "⌈{}/{n}⌉", group(&x.clone().plus(-constant, &[])))
                }
                _ => write!(f, "⌊{}/{n}⌋", group(x)),
            },
        }
    }
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    known: &'a BTreeMap<String, Dim>,
}

impl Reader<'_> {
    fn sum(&mut self) -> Option<Dim> {
        let mut value = Dim::default();
        let mut sign = if self.take("-") { -1 } else { 1 };
        loop {
            value = value.add(&self.product()?, sign);
            sign = match () {
                () if self.take("+") => 1,
                () if self.take("-") => -1,
                () => return Some(value),
            };
        }
    }

    fn product(&mut self) -> Option<Dim> {
        let mut value = self.atom()?;
        loop {
            match () {
                () if self.take("*") => value = value.times(&self.atom()?),
                () if self.take("/") => value = value.over(self.atom()?),
                () => return Some(value),
            }
        }
    }

    fn atom(&mut self) -> Option<Dim> {
        let floor = self.take("floor");
        if self.take("(") {
            let value = self.sum()?;
            return self.take(")").then(|| if floor { value.floor() } else { value });
        }
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        if let Ok(number) = first.parse() {
            return Some(Dim::number(number));
        }
        let name = || Dim::atom(Atom::Name(first.to_string()));
        first.chars().all(is_word).then(|| self.known.get(*first).cloned().unwrap_or_else(name))
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = self.tokens.first() == Some(&expected);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits a text into identifiers and the text between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// An identifier unchanged; other text character by character.
fn symbols(word: &str) -> Vec<&str> {
    match word.starts_with(is_word) {
        true => vec![word],
        false => word.char_indices().map(|(at, c)| &word[at..at + c.len_utf8()]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> (Sizes, Known) {
        let mut sizes = Sizes::default();
        for (name, value) in [("WIDTH", "384"), ("HEADS", "6"), ("K", "3"), ("ONE", "1"), ("BIAS", "true")] {
            sizes.push(name, value.into(), name == "BIAS");
        }
        let known = Known::of(&sizes);
        (sizes, known)
    }

    #[test]
    fn known_dimensions_become_numbers() {
        let (sizes, known) = known();
        for (shape, expected) in [
            ("[B, T, 4 * WIDTH]", "[B, T, 1536]"),
            ("[.., WIDTH / HEADS]", "[.., 64]"),
            ("[floor((WIDTH + 2 - K) / 2) + 1, 1]", "[192, 1]"),
            ("[2 * (WIDTH - K), -K + WIDTH]", "[762, 381]"),
            ("[B * T + WIDTH, WIDTHS]", "[B * T + 384, WIDTHS]"),
            ("[]", "scalar"),
            ("[WIDTH / 0, 7]", "[384 / 0, 7]"),
            ("[T / 2, 2 * B - T]", "[T / 2, -T + 2 * B]"),
            ("[?]", "[?]"),
        ] {
            assert_eq!(show(&known.shape(shape)), expected);
        }
        assert_eq!(known.replaced("causal_attention<HEADS, BIAS>", &sizes), "causal_attention<6, true>");
        assert_eq!(sizes.stated().collect::<Vec<_>>(), ["384", "6", "3", "1"]);
    }

    #[test]
    fn what_is_left_is_as_short_as_it_can_be() {
        let (_, known) = known();
        for (dim, expected) in [
            ("floor((H - 1) / ONE) + 1", "H"),
            ("floor((H - 1) / 2) + 1", "⌈H/2⌉"),
            ("floor((H + 6 - 6 - 1) / 2) + 1", "⌈H/2⌉"),
            ("floor((floor((H - 1) / 2) + 1 - 1) / 2) + 1", "⌈H/4⌉"),
            ("floor(H / 2)", "⌊H/2⌋"),
            ("floor((2 * H + 4 * B + 3) / 2)", "H + 2 * B + 1"),
            ("floor(floor(H / 2) / 3)", "⌊H/6⌋"),
            ("floor((H + W) / 2)", "⌊(W + H)/2⌋"),
        ] {
            assert_eq!(show(&known.shape(&format!("[{dim}]"))), format!("[{expected}]"), "{dim}");
        }
    }

    /// Compares with arithmetic for all small sizes.
    #[test]
    fn simplified_dimensions_have_the_same_value() {
        let value = |text: &str, h: i64| {
            let known = BTreeMap::from([("H".to_string(), Dim::number(h))]);
            Dim::parse(text, &known).as_number()
        };
        let back = |dim: &Dim, h: i64| {
            // Writes the dimension with `floor`, to evaluate it for a size.
            fn text(dim: &Dim) -> String {
                let term = |(atoms, factor): (&Vec<Atom>, &i64)| {
                    let atoms = atoms.iter().map(|a| match a {
                        Atom::Name(name) => name.clone(),
                        Atom::Quotient(a, b) => format!("(({}) / ({}))", text(a), text(b)),
                        Atom::Floor(x, n) => format!("floor(({}) / {n})", text(x)),
                    });
                    std::iter::once(format!("({factor})").replace("(-", "(0-")).chain(atoms).collect::<Vec<_>>().join(" * ")
                };
                dim.0.iter().map(term).collect::<Vec<_>>().join(" + ")
            }
            value(&format!("0 + {}", text(dim)), h)
        };
        let inner = ["H", "floor((H - 1) / 2) + 1", "floor((H + 5) / 3)", "floor((3 * H - 7) / 2)"];
        for (x, n, add) in inner.iter().flat_map(|x| (1..5).flat_map(move |n| (-3..4).map(move |add| (x, n, add)))) {
            let text = format!("floor(({x} + 10 + {add} - 10) / {n}) + 1").replace("+ -", "- ");
            let symbolic = Dim::parse(&text, &BTreeMap::new());
            for h in 0..20 {
                assert_eq!(back(&symbolic, h), value(&text, h), "{text} at {h}: {symbolic}");
            }
        }
    }
}
