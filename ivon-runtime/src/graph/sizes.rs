//! Values of a model's dimensions, put for their names: `[B, T, 4 * WIDTH]` is `[B, T, 1536]`.

/// Names of dimensions and flags, with their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes(Vec<(&'static str, String)>);

impl Sizes {
    pub fn push(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// A text with every known name replaced by its value.
    pub fn replaced(&self, text: &str) -> String {
        words(text).map(|word| self.get(word).unwrap_or(word)).collect()
    }

    /// A shape, its dimensions worked out where all their names are known.
    pub fn shape(&self, text: &str) -> String {
        let inside = text.trim_start_matches('[').trim_end_matches(']');
        let dims: Vec<String> = inside
            .split(", ")
            .map(|dim| {
                let dim = self.replaced(dim);
                number(&dim).map_or(dim, |n| n.to_string())
            })
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

/// Identifiers, and what stands between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// The value of an expression of numbers, `+ - * /`, parentheses and `floor(..)`; `None` where it has a name in it.
fn number(text: &str) -> Option<i64> {
    let tokens: Vec<&str> = words(text).flat_map(symbols).filter(|t| !t.trim().is_empty()).collect();
    let mut tokens = tokens.as_slice();
    let value = sum(&mut tokens)?;
    tokens.is_empty().then_some(value)
}

/// A word as it is; what stands between words, character by character.
fn symbols(word: &str) -> Vec<&str> {
    match word.starts_with(char::is_alphanumeric) {
        true => vec![word],
        false => word.char_indices().map(|(at, c)| &word[at..at + c.len_utf8()]).collect(),
    }
}

fn sum(tokens: &mut &[&str]) -> Option<i64> {
    let mut value = 0;
    let mut sign = if take(tokens, "-") { -1 } else { 1 };
    loop {
        value += sign * product(tokens)?;
        sign = match () {
            () if take(tokens, "+") => 1,
            () if take(tokens, "-") => -1,
            () => return Some(value),
        };
    }
}

fn product(tokens: &mut &[&str]) -> Option<i64> {
    let mut value = atom(tokens)?;
    loop {
        match () {
            () if take(tokens, "*") => value = value.checked_mul(atom(tokens)?)?,
            () if take(tokens, "/") => value = value.checked_div(atom(tokens)?)?,
            () => return Some(value),
        }
    }
}

fn atom(tokens: &mut &[&str]) -> Option<i64> {
    take(tokens, "floor");
    if take(tokens, "(") {
        let value = sum(tokens)?;
        return take(tokens, ")").then_some(value);
    }
    let (first, rest) = tokens.split_first()?;
    *tokens = rest;
    first.parse().ok()
}

fn take(tokens: &mut &[&str], expected: &str) -> bool {
    match tokens.split_first() {
        Some((first, rest)) if *first == expected => {
            *tokens = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dimensions_become_numbers() {
        let mut sizes = Sizes::default();
        sizes.push("WIDTH", "384".into());
        sizes.push("HEADS", "6".into());
        sizes.push("K", "3".into());
        for (shape, expected) in [
            ("[B, T, 4 * WIDTH]", "[B, T, 1536]"),
            ("[.., WIDTH / HEADS]", "[.., 64]"),
            ("[floor((WIDTH + 2 - K) / 2) + 1, 1]", "[192, 1]"),
            ("[2 * (WIDTH - K), -K + WIDTH]", "[762, 381]"),
            ("[B * T + WIDTH, WIDTHS]", "[B * T + 384, WIDTHS]"),
            ("[]", "[]"),
            ("[WIDTH / 0, 7]", "[384 / 0, 7]"),
        ] {
            assert_eq!(sizes.shape(shape), expected);
        }
        assert_eq!(sizes.replaced("causal_attention<HEADS>"), "causal_attention<6>");
    }
}
