//! The parameters of kernels, read from the text that declares them.

use crate::core::error::{Error, Result};
use std::collections::HashMap;
use std::fmt;

/// The kernels of a text by name. For a kernel whose parameters cannot be read, the reason.
pub(crate) struct Signatures(HashMap<String, Result<Signature, String>>);

/// The parameters of one kernel, in order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Signature(Vec<Parameter>);

/// One parameter.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Parameter {
    /// The text of the parameter, for messages.
    text: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    U32,
    I32,
    U64,
    F32,
    Pointer { constant: bool, to: Pointee },
}

/// The type of the elements behind a pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pointee {
    /// The type in which the model computes.
    Real,
    F32,
    Bf16,
    U32,
    /// `void`: the kernel receives the type in another way, or does not depend on it.
    Any,
    /// A type that the kernel defines, which no tensor has.
    Own,
}

impl Kind {
    pub fn bytes(self) -> usize {
        match self {
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::Pointer { .. } => 8,
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Signature {
    pub fn parameters(&self) -> &[Parameter] {
        &self.0
    }

    /// The size of each argument in bytes.
    pub fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(|parameter| parameter.kind.bytes()).collect()
    }
}

impl Signatures {
    /// Reads all kernels that a text declares as `extern "C" __global__ void [__launch_bounds__(..)] name(parameters)`. Replaces
    /// macros without arguments among the parameters if the text defines them.
    pub fn of(text: &str) -> Signatures {
        let plain = without_comments(text);
        let tokens = tokens(&plain);
        let macros = macros(text);
        let mut all: HashMap<String, Result<Signature, String>> = HashMap::new();
        let start = ["extern", "\"C\"", "__global__", "void"];
        for at in (0..tokens.len()).filter(|&at| tokens[at..].iter().take(4).eq(start.iter())) {
            let Some((name, parameters)) = declaration(&tokens[at + 4..]) else { continue };
            let found = signature(&expanded(parameters, &macros));
            all.entry(name.to_string())
                .and_modify(|known| {
                    if *known != found {
                        *known = Err("it is declared twice, with different parameters".into());
                    }
                })
                .or_insert(found);
        }
        Signatures(all)
    }

    /// # Errors
    /// If there is no such kernel, or its parameters could not be read.
    pub fn get(&self, source: &str, kernel: &str) -> Result<&Signature> {
        match self.0.get(kernel) {
            Some(Ok(signature)) => Ok(signature),
            Some(Err(reason)) => Err(Error::value(format!("kernel `{kernel}` of `{source}`"), reason.as_str())),
            None => {
                let mut names: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
                names.sort();
                let names = if names.is_empty() { "none".to_string() } else { names.join(", ") };
                let message = format!(
                    "the text declares no such kernel; it declares {names}. A kernel is declared as \
                     `extern \"C\" __global__ void {kernel}(..)`"
                );
                Err(Error::value(format!("kernel `{kernel}` of `{source}`"), message))
            }
        }
    }
}

/// Reads name and parameters of a kernel from the tokens after `void`.
fn declaration<'a>(mut rest: &'a [&'a str]) -> Option<(&'a str, &'a [&'a str])> {
    if rest.first() == Some(&"__launch_bounds__") {
        rest = &rest[1..];
        rest = &rest[in_brackets(rest)?.len() + 2..];
    }
    let (name, rest) = rest.split_first()?;
    Some((name, in_brackets(rest)?))
}

/// The tokens between the bracket at the start and its closing bracket.
fn in_brackets<'a>(tokens: &'a [&'a str]) -> Option<&'a [&'a str]> {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match *token {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (i > 0).then(|| &tokens[1..i]);
        }
    }
    None
}

fn signature(tokens: &[String]) -> Result<Signature, String> {
    if tokens.is_empty() || tokens == ["void"] {
        return Ok(Signature(vec![]));
    }
    tokens.split(|token| token == ",").map(parameter).collect::<Result<_, _>>().map(Signature)
}

fn parameter(tokens: &[String]) -> Result<Parameter, String> {
    let text = tokens.join(" ").replace(" *", "*");
    let unknown = || {
        format!(
            "the parameter `{text}` is none that a launch can pass: a parameter is `uint32_t`, `int32_t`, `uint64_t`, `float`, or a \
             pointer to one type, with a name"
        )
    };
    let Some((name, declared)) = tokens.split_last() else { return Err(unknown()) };
    if !is_word(name) {
        return Err(unknown());
    }
    let star = declared.iter().position(|token| token == "*");
    let (type_of, behind) = declared.split_at(star.unwrap_or(declared.len()));
    let constant = type_of.iter().any(|token| token == "const");
    let words: Vec<&str> = type_of.iter().map(String::as_str).filter(|token| *token != "const").collect();
    if star.is_some() {
        let qualifiers = behind[1..].iter().all(|token| ["const", "__restrict__"].contains(&token.as_str()));
        let to = match words[..] {
            _ if !qualifiers => return Err(unknown()),
            ["real"] => Pointee::Real,
            ["float"] => Pointee::F32,
            ["bf16"] => Pointee::Bf16,
            ["uint32_t"] => Pointee::U32,
            ["void"] => Pointee::Any,
            [word] if is_word(word) => Pointee::Own,
            _ => return Err(unknown()),
        };
        return Ok(Parameter { text, kind: Kind::Pointer { constant, to } });
    }
    let kind = match words[..] {
        ["uint32_t"] => Kind::U32,
        ["int32_t"] | ["int"] => Kind::I32,
        ["uint64_t"] => Kind::U64,
        ["float"] => Kind::F32,
        _ => return Err(unknown()),
    };
    Ok(Parameter { text, kind })
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Replaces each comment of a text by a space.
fn without_comments(text: &str) -> String {
    let (mut rest, mut plain) = (text, String::with_capacity(text.len()));
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        plain += &rest[..at];
        plain.push(' ');
        let (comment, end) = (&rest[at..], if rest[at..].starts_with("/*") { "*/" } else { "\n" });
        // The line end after a `//` comment stays; the end of a `/* */` comment is removed.
        let kept = if end == "\n" { 0 } else { 2 };
        rest = comment[2..].find(end).map_or("", |length| &comment[2 + length + kept..]);
    }
    plain + rest
}

/// Splits a text into words, numbers, quoted texts and other single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut all = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if inside(c) => rest.find(|c| !inside(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        all.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    all
}

/// The macros without arguments that a text defines, with their tokens. A macro with several different definitions is left out.
fn macros(text: &str) -> HashMap<String, Vec<String>> {
    let joined = without_comments(&text.replace("\\\n", " "));
    let definitions = joined.lines().filter_map(|line| line.trim_start().strip_prefix("#define"));
    let named = definitions.filter_map(|definition| {
        let (name, body) = definition.trim().split_once(char::is_whitespace).unwrap_or((definition.trim(), ""));
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        plain.then(|| (name.to_string(), tokens(body).into_iter().map(str::to_string).collect::<Vec<_>>()))
    });
    let mut all: HashMap<String, Option<Vec<String>>> = HashMap::new();
    for (name, body) in named {
        all.entry(name).and_modify(|known| *known = known.take().filter(|known| *known == body)).or_insert(Some(body));
    }
    all.into_iter().filter_map(|(name, body)| Some((name, body?))).collect()
}

fn expanded(given: &[&str], macros: &HashMap<String, Vec<String>>) -> Vec<String> {
    let replace = |token: &&str| macros.get(*token).cloned().unwrap_or_else(|| vec![token.to_string()]);
    given.iter().flat_map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, kernel: &str) -> Vec<Kind> {
        Signatures::of(text).get("test", kernel).unwrap().parameters().iter().map(|parameter| parameter.kind).collect()
    }

    fn refused(text: &str, kernel: &str) -> String {
        Signatures::of(text).get("test", kernel).unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_those_of_the_text() {
        let text = r#"
            // extern "C" __global__ void k(float commented_out)
            #define SIZES uint32_t height, \
                          uint64_t width /* of an image */
            extern "C" __global__ void __launch_bounds__(SIZE == 128 ? 256 : f(128), 2) k(
                const real* __restrict__ x, real *y, float const* sums, uint32_t* taps, // a comment, too
                const void* loss, Part* parts, const bf16* half, SIZES, int32_t shift, float eps) { k2(1, 2); }
            extern "C" __global__ void none() {}
            __global__ void hidden(float x) {}
        "#;
        let to = |constant, to| Kind::Pointer { constant, to };
        let expected = [
            to(true, Pointee::Real),
            to(false, Pointee::Real),
            to(true, Pointee::F32),
            to(false, Pointee::U32),
            to(true, Pointee::Any),
            to(false, Pointee::Own),
            to(true, Pointee::Bf16),
            Kind::U32,
            Kind::U64,
            Kind::I32,
            Kind::F32,
        ];
        assert_eq!(kinds(text, "k"), expected);
        assert_eq!(kinds(text, "none"), []);
        let message = refused(text, "hidden");
        assert!(message.contains("declares no such kernel; it declares `k`, `none`"), "{message}");
    }

    #[test]
    fn parameters_that_a_launch_cannot_pass_are_refused_by_name() {
        for parameter in
            ["bool log", "double x", "Part part", "real x", "float** x", "float (*f)(float)", "float", "float x[3]", "float& x"]
        {
            let message = refused(&format!("extern \"C\" __global__ void k(float ok, {parameter}) {{}}"), "k");
            assert!(message.contains("the parameter `") && message.contains("is none that a launch can pass"), "{message}");
        }
        let twice = "extern \"C\" __global__ void k(float x) {}\nextern \"C\" __global__ void k(uint32_t x) {}";
        assert!(refused(twice, "k").contains("declared twice"));
        let either = "#if A\n#define N float n\n#else\n#define N uint64_t n\n#endif\nextern \"C\" __global__ void k(N) {}";
        assert!(refused(either, "k").contains("the parameter `N`"));
    }

    #[test]
    fn no_text_breaks_the_reader() {
        let text = "extern \"C\" __global__ void __launch_bounds__(256) k(const real* __restrict__ x, /* y */ uint64_t n) {} \"é";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = Signatures::of(&text[..end]);
            let _ = Signatures::of(&text[end..]);
        }
    }
}
