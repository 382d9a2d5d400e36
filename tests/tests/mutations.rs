//! The compiler takes whatever rustc hands it: mutated models and random tokens. It never panics, and what it emits are Rust items.

use ivon_compiler::{expand_source, finish, signature, variational, with_struct};
use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::quote;

/// Splitmix64 (Steele, Lea and Flood 2014): the same cases on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn token(&mut self, depth: usize) -> TokenTree {
        const WORDS: &[&str] = &[
            "self",
            "forward",
            "x",
            "Tensor",
            "Ids",
            "B",
            "T",
            "Rest",
            "Dims",
            "WIDTH",
            "Linear",
            "let",
            "mut",
            "for",
            "in",
            "if",
            "match",
            "return",
            "fn",
            "struct",
            "impl",
            "const",
            "usize",
            "pub",
            "Parameter",
            "Option",
            "concat",
            "exp",
            "max",
            "powf",
            "reshape",
            "slice",
            "sum",
            "up",
            "Self",
            "None",
            "floor",
            "super",
            "crate",
            "async",
            "r#type",
            "__comment",
        ];
        const NUMBERS: &[&str] =
            &["0", "1", "7", "0.5", "1e400", "340282366920938463463374607431768211455", "0xff", "1_000u8", "2usize", "1f32"];
        const SIGNS: &[char] = &['+', '-', '*', '/', '=', '.', ',', ';', ':', '<', '>', '&', '|', '!', '?', '#', '@', '%', '$'];
        match self.below(if depth > 3 { 7 } else { 10 }) {
            0..=2 => match WORDS[self.below(WORDS.len())] {
                "r#type" => Ident::new_raw("type", Span::call_site()).into(),
                word => Ident::new(word, Span::call_site()).into(),
            },
            3 => NUMBERS[self.below(NUMBERS.len())]
                .parse::<Literal>()
                .map_or_else(|_| Literal::u8_suffixed(1).into(), TokenTree::from),
            4 => Literal::string("text").into(),
            5 | 6 => {
                let spacing = if self.below(2) == 0 { Spacing::Alone } else { Spacing::Joint };
                Punct::new(SIGNS[self.below(SIGNS.len())], spacing).into()
            }
            _ => {
                let delimiter = [Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None][self.below(4)];
                let count = self.below(6);
                Group::new(delimiter, (0..count).map(|_| self.token(depth + 1)).collect()).into()
            }
        }
    }

    /// A few tokens deleted, doubled, swapped or replaced, at any depth.
    fn mutate(&mut self, tokens: TokenStream, chance: usize) -> TokenStream {
        let mut out: Vec<TokenTree> = vec![];
        for token in tokens {
            let token = match token {
                TokenTree::Group(g) => Group::new(g.delimiter(), self.mutate(g.stream(), chance)).into(),
                other => other,
            };
            match self.below(chance) {
                0 => {}
                1 => out.extend([token.clone(), token]),
                2 => out.push(self.token(0)),
                3 => {
                    let at = self.below(out.len() + 1);
                    out.insert(at, token);
                }
                4 => out.extend([token, self.token(0)]),
                _ => out.push(token),
            }
        }
        out.into_iter().collect()
    }
}

/// Emitted code is a list of items, with `macro_rules!` calls among them.
#[track_caller]
fn parses(what: &str, input: &TokenStream, output: TokenStream) {
    if let Err(error) = syn::parse2::<syn::File>(output.clone()) {
        panic!("{what} emitted what is no list of items: {error}\ninput: {input}\noutput: {output}");
    }
}

fn sources() -> Vec<syn::File> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let files = ["mlp", "pointwise", "recurrent", "transformer"].map(|name| format!("{folder}/{name}.rs"));
    files.iter().map(|path| syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// The input of a model's last round: signatures of callees, their paths, the runtime, and the items.
fn rounds() -> Vec<TokenStream> {
    vec![
        quote! {
            {
                impl<const IN: usize, const OUT: usize, const BIAS: bool> Linear<IN, OUT, BIAS> {
                    fn forward<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {}
                }
                fn mse<Rest: Dims>(x: Tensor<Rest>, y: Tensor<Rest>) -> Tensor<> {}
                fn swish<Rest: Dims>(x: Tensor<Rest>, beta: f64) -> Tensor<Rest> { let y = beta * x; x * sigmoid(y) }
                fn attention<const HEADS: usize, B, T, SIZE>(qkv: Tensor<B, T, { 3 * HEADS * SIZE }>) -> Tensor<B, T, { HEADS * SIZE }> {}
                fn shift<Rest: Dims, N>(x: Tensor<Rest, N>, bias: Option<Tensor<N>>) -> Tensor<Rest, N> {}
                const MISSING: () = ();
            }
            { Linear, mse, swish, attention, shift, nothing }
            { ::ivon_runtime }
            pub struct Model<const WIDTH: usize, const HEADS: usize, const BIAS: bool> {
                #[parameter(init = normal(0.02), weight_decay = 0.0, frozen)]
                scale: Parameter<WIDTH>,
                #[parameter(when = BIAS)]
                bias: Option<Parameter<WIDTH>>,
                layers: [Linear<WIDTH, WIDTH, BIAS>; 3],
                qkv: Linear<WIDTH, { 3 * WIDTH }>,
                #[setting(0.1)]
                pub rate: f64,
            }
            impl<const WIDTH: usize, const HEADS: usize, const BIAS: bool> Model<WIDTH, HEADS, BIAS> {
                pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>, factor: f64) -> (Tensor<B, T, WIDTH>, Tensor<T>) {
                    let mut y = shift(swish(x, self.rate) * self.scale, self.bias);
                    for layer in &self.layers {
                        y = layer.forward(y) + x * factor;
                    }
                    let heads = y.reshape([B, T, HEADS, WIDTH / HEADS]).transpose(1, 2);
                    let (a, b) = (attention::<HEADS>(self.qkv.forward(y)), concat([y, y], 2).slice(2, 0..WIDTH));
                    (max(a, b) / T, heads.mean().exp() + x.sum(2).mean(0))
                }
                pub fn loss<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor {
                    let (y, _) = self.forward(x, 0.5);
                    mse(y, -x)
                }
            }
        },
        quote! {
            { fn exponential<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {} }
            { exponential }
            { ::ivon_runtime }
            pub fn composed<B, N>(x: Tensor<B, N>, y: Tensor<N>, beta: f64) -> Tensor<B, N> {
                let z = exponential(x * beta) + y;
                z * z
            }
        },
    ]
}

#[test]
fn mutated_attributes() {
    let mut random = Random(1);
    let items: Vec<TokenStream> = sources().into_iter().flat_map(|f| f.items).map(|i| quote!(#i)).collect();
    for case in 0..6000 {
        let input = random.mutate(items[case % items.len()].clone(), 60);
        let arguments = if random.below(20) == 0 { (0..3).map(|_| random.token(0)).collect() } else { quote!() };
        parses("variational", &input, variational(arguments, input.clone()));
        parses("signature", &input, signature(input.clone()));
    }
}

#[test]
fn mutated_rounds() {
    let mut random = Random(2);
    let rounds = rounds();
    for case in 0..12000 {
        let chance = [40, 150, 400][random.below(3)];
        let input = random.mutate(rounds[case % rounds.len()].clone(), chance);
        parses("finish", &input, finish(input.clone()));
        parses("with_struct", &input, with_struct(input.clone()));
    }
}

#[test]
fn right_rounds_compile() {
    for round in rounds() {
        let output = finish(round).to_string();
        assert!(!output.contains("compile_error"), "{output}");
    }
}

#[test]
fn random_tokens() {
    let mut random = Random(3);
    for _ in 0..20000 {
        let count = random.below(25);
        let input: TokenStream = (0..count).map(|_| random.token(0)).collect();
        parses("variational", &input, variational(quote!(), input.clone()));
        parses("with_struct", &input, with_struct(input.clone()));
        parses("finish", &input, finish(input.clone()));
        parses("signature", &input, signature(input.clone()));
    }
}

#[test]
fn mutated_sources() {
    let mut random = Random(4);
    let sources = sources();
    for case in 0..400 {
        let file = &sources[case % sources.len()];
        let text = random.mutate(quote!(#file), 200).to_string();
        if let Ok(generated) = expand_source(&text) {
            assert!(syn::parse_file(&generated).is_ok(), "{text}\n{generated}");
        }
    }
}

/// Nesting far beyond hand-written code is refused before the stack overflows.
#[test]
fn deep_nesting_is_an_error() {
    let model =
        |expression: &str| format!("#[variational] pub fn deep<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {{ {expression} }}");
    let depth = 20_000;
    for expression in [
        format!("{}x{}", "(".repeat(depth), ")".repeat(depth)),
        format!("{}x{}", "exp(".repeat(depth), ")".repeat(depth)),
        format!("x{}", ".exp()".repeat(depth)),
        format!("{}x", "-".repeat(depth)),
        format!("x{}", " + x".repeat(depth)),
    ] {
        let tokens: TokenStream = model(&expression).parse().unwrap();
        let output = variational(quote!(), tokens.into_iter().skip(2).collect()).to_string();
        assert!(output.contains("compile_error"), "accepted nesting of {depth}");
    }
}
