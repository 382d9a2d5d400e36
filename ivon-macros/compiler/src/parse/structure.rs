//! The struct of a model: its fields, and what their attributes say.

use super::{
    Field, FieldKind, Generic, LayerParameter, LayerType, Options, conditional, const_generics, is_layer_argument,
    layer_parameters,
};
use crate::dims::{Dim, Division, MAX_RANK, Shape, argument_expr};
use crate::errors::{Errors, Place, did_you_mean_or};
use crate::syntax::{bare, expr_text, last};
use quote::{ToTokens, quote};
use syn::parse::Parse;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Fields, Ident, ItemStruct, Meta, Path, PathArguments, Token, Type};

/// More layers than any network has in an array: a number above is a mistake, and to build them would take all memory.
const MOST_LAYERS: i64 = 1 << 20;

/// The generics of a model, and the layers among them.
pub type Own<'a> = (&'a syn::Generics, &'a [LayerParameter]);

/// The parsed struct of a model.
pub struct Structure {
    pub layers: Vec<LayerParameter>,
    pub generics: Vec<Generic>,
    pub fields: Vec<Field>,
    pub divisions: Vec<Division>,
    /// Fields with a mistake.
    pub wrong: Vec<Ident>,
}

/// Reads the struct; what is wrong goes to `errors`.
pub fn structure(item: &ItemStruct, errors: &Errors) -> Structure {
    let layers = errors.take(layer_parameters(&item.generics)).unwrap_or_default();
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, "a model has no `where` clause: dimensions are checked from the forward pass");
    }
    let generics = const_generics(&item.generics, errors);
    let mut divisions = vec![];
    let named = match &item.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unnamed(fields) => {
            errors.at(fields, "the fields of a model have names: write `struct Model { up: Linear<..> }`");
            vec![]
        }
        Fields::Unit => vec![],
    };
    let (mut fields, mut wrong) = (vec![], vec![]);
    for f in named {
        match field(f, (&item.generics, &layers), errors, &mut divisions) {
            Some(field) => fields.push(field),
            None => wrong.extend(f.ident.clone()),
        }
    }
    Structure { layers, generics, fields, divisions, wrong }
}

fn field(field: &syn::Field, own: Own, errors: &Errors, divisions: &mut Vec<Division>) -> Option<Field> {
    let name = field.ident.clone()?;
    let mut options = Options::default();
    let (mut when, mut setting, mut start) = (None, None, None);
    let (mut at_parameter, mut at_setting, mut at_buffer) = (None, None, None);
    for attribute in &field.attrs {
        match attribute.path().get_ident().map(Ident::to_string).as_deref() {
            Some("parameter") => {
                at_parameter = Some(Place::of(attribute));
                parameter_attribute(attribute, &mut options, &mut when, errors);
            }
            Some("setting") => {
                at_setting = Some(Place::of(attribute));
                setting = errors.take(attribute.parse_args::<Expr>());
            }
            Some("buffer") => {
                at_buffer = Some(Place::of(attribute));
                start = buffer_attribute(attribute, errors);
            }
            _ => conditional(attribute, errors),
        }
    }
    let place = Place::of(field);
    let kind = kind(&field.ty, own, errors, divisions)?;
    let mut layer_when = None;
    let kind = match (kind, when) {
        (Kind::Optional(dims), Some(when)) => parameter(dims, Some(when), errors, divisions),
        (Kind::OptionalLayer(layer), Some(when)) => {
            layer_when = Some(when);
            FieldKind::Layer(layer)
        }
        (Kind::Optional(_) | Kind::OptionalLayer(_), None) => {
            errors.at(
                &field.ty,
                format!("`{name}` may be absent: say when it is there, `#[parameter(when = BIAS)]` with `const BIAS: bool`"),
            );
            return None;
        }
        (_, Some(when)) => {
            let text = format!(
                "`when` makes a parameter or a layer optional: declare `{name}: Option<Parameter<..>>` or `Option<Layer<..>>`"
            );
            errors.at(&when, text);
            return None;
        }
        (Kind::Parameter(dims), None) => parameter(dims, None, errors, divisions),
        (Kind::Buffer(dims), None) => buffer(dims, start.take(), errors, divisions),
        (Kind::Layer(layer), None) => FieldKind::Layer(layer),
        (Kind::Array(of, count), None) => FieldKind::Array { of, count },
        (Kind::Setting(ty), None) => match setting.take() {
            Some(default) => FieldKind::Setting { ty, default },
            None => {
                errors.at(&field.ty, format!("`{name}` is a setting and needs a default: `#[setting(0.1)] {name}: {ty}`"));
                return None;
            }
        },
    };
    if let (Some(at), false) = (at_buffer, matches!(kind, FieldKind::Buffer { .. })) {
        errors.at(at, format!("`#[buffer(..)]` is for fields of type `Buffer<..>`, and `{name}` is none"));
    }
    if let (Some((part, _)), false) = (options.of.first(), matches!(kind, FieldKind::Layer(_) | FieldKind::Array { .. })) {
        errors.at(part, format!("`{part}.` speaks of a parameter in a layer, and `{name}` is no layer"));
    }
    match (&kind, at_parameter, at_setting) {
        (FieldKind::Buffer { .. }, Some(at), _) => errors.at(
            at,
            format!("`{name}` is a buffer, which is not learned: `#[parameter(..)]` is for parameters and layers, `#[buffer(init = ones)]` for buffers"),
        ),
        (FieldKind::Setting { .. }, Some(at), _) => {
            errors.at(at, format!("`{name}` is a setting, which is not learned: `#[parameter(..)]` is for parameters and layers"))
        }
        (FieldKind::Setting { .. }, ..) => {}
        (_, _, Some(at)) => {
            errors.at(at, format!("`#[setting(..)]` is for fields of type f64, usize or bool, and `{name}` is none"))
        }
        _ => {}
    }
    Some(Field { name, kind, options, when: layer_when, place })
}

#[allow(clippy::large_enum_variant)] // one at a time
enum Kind {
    Parameter(Vec<Expr>),
    Optional(Vec<Expr>),
    OptionalLayer(LayerType),
    Buffer(Vec<Expr>),
    Layer(LayerType),
    Array(LayerType, Expr),
    Setting(Ident),
}

fn kind(ty: &Type, own: Own, errors: &Errors, divisions: &mut Vec<Division>) -> Option<Kind> {
    let not_a_layer =
        || {
            errors.at(ty, format!(
            "`{}` cannot be a field of a model: a field is a layer (`Linear<..>`), an array of layers (`[Block<..>; 4]`), a \
             `Parameter<..>`, a `Buffer<..>`, or a setting (f64, usize, bool)", expr_text(ty)));
            None
        };
    match ty {
        Type::Group(g) => kind(&g.elem, own, errors, divisions),
        Type::Paren(p) => kind(&p.elem, own, errors, divisions),
        Type::Array(array) => match kind(&array.elem, own, errors, divisions)? {
            Kind::Layer(layer) => {
                if errors.take(Dim::parse(&array.len, divisions)).and_then(|n| n.as_number()).is_some_and(|n| n > MOST_LAYERS) {
                    errors.at(&array.len, format!("an array has at most {MOST_LAYERS} layers"));
                }
                Some(Kind::Array(layer, array.len.clone()))
            }
            _ => {
                errors.at(ty, "an array in a model holds layers: `[Block<WIDTH>; LAYERS]`; several parameters are one with a further dimension");
                None
            }
        },
        Type::Path(p) if p.qself.is_none() => {
            let name = last(&p.path).to_string();
            let segment = &p.path.segments[p.path.segments.len() - 1];
            match name.as_str() {
                "Parameter" => Some(Kind::Parameter(arguments(&p.path, errors)?)),
                "Buffer" => Some(Kind::Buffer(arguments(&p.path, errors)?)),
                "f64" | "usize" | "bool" => Some(Kind::Setting(last(&p.path).clone())),
                "Option" => match &segment.arguments {
                    PathArguments::AngleBracketed(a) if a.args.len() == 1 => match a.args.first()? {
                        syn::GenericArgument::Type(inner) => match kind(inner, own, errors, divisions)? {
                            Kind::Parameter(dims) => Some(Kind::Optional(dims)),
                            Kind::Layer(layer) => Some(Kind::OptionalLayer(layer)),
                            _ => not_a_layer(),
                        },
                        _ => not_a_layer(),
                    },
                    _ => not_a_layer(),
                },
                "Tensor" | "Ids" => {
                    errors.at(
                        ty,
                        format!(
                            "a model keeps no tensors: make `{}` a `Parameter<..>` (learned), a `Buffer<..>` (running statistics), or an argument \
                             of `forward`",
                            expr_text(ty)
                        ),
                    );
                    None
                }
                _ if is_no_layer(last(&p.path)) => not_a_layer(),
                _ => Some(Kind::Layer(layer_type(&p.path, own, errors, divisions)?)),
            }
        }
        _ => not_a_layer(),
    }
}

/// `Linear<WIDTH, { 4 * WIDTH }>`, `Block<N, WIDTH>`, or `N<WIDTH>` of a type parameter.
pub fn layer_type(path: &Path, own: Own, errors: &Errors, divisions: &mut Vec<Division>) -> Option<LayerType> {
    let (generics, layers) = own;
    let is_layer = |a: &&syn::GenericArgument| is_layer_argument(a, generics);
    let mut dims = path.clone();
    let mut chosen = vec![];
    if let Some(PathArguments::AngleBracketed(a)) = dims.segments.last_mut().map(|s| &mut s.arguments) {
        chosen = a.args.iter().filter(is_layer).cloned().collect();
        a.args = a.args.iter().filter(|a| !is_layer(a)).cloned().collect();
    }
    let arguments = arguments(&dims, errors)?;
    for argument in &arguments {
        // `true` and `false` are flags, not dimensions.
        if !matches!(bare(argument), Expr::Lit(l) if matches!(l.lit, syn::Lit::Bool(_))) {
            errors.take(Dim::parse(argument, divisions))?;
        }
    }
    for layer in &chosen {
        if let syn::GenericArgument::Type(Type::Path(p)) = layer
            && p.path
                .segments
                .iter()
                .any(|s| matches!(&s.arguments, PathArguments::AngleBracketed(a) if !a.args.iter().all(|a| is_layer(&a))))
        {
            errors.at(
                layer,
                "a layer that stands for a type parameter is named without dimensions: its `impl .. for` says what they are",
            );
            return None;
        }
    }
    let place = Place::of(path);
    let mut path = path.clone();
    path.segments.iter_mut().for_each(|s| s.arguments = PathArguments::None);
    let parameter = layers.iter().find(|l| path.is_ident(&l.name));
    let names = |tokens: &proc_macro2::TokenStream| {
        let mut read = std::collections::BTreeSet::new();
        crate::names::idents(tokens, &mut read);
        layers.iter().any(|l| read.contains(&l.name.to_string()))
    };
    let ty = if chosen.is_empty() { quote!(#path) } else { quote!(#path<#(#chosen),*>) };
    let signature = parameter.map_or(&path, |l| &l.interface).clone();
    Some(LayerType { signature, open: names(&ty), chosen: chosen.len(), ty, path, arguments, defaults: vec![], place })
}

/// True for well-known types that a user might try as a field.
pub fn is_no_layer(name: &Ident) -> bool {
    const TYPES: &[&str] = &[
        "Vec", "Box", "Rc", "Arc", "String", "HashMap", "BTreeMap", "f32", "i8", "i16", "i32", "i64", "i128", "isize", "u8",
        "u16", "u32", "u64", "u128", "char", "str",
    ];
    TYPES.iter().any(|t| name == t)
}

fn parameter(dims: Vec<Expr>, when: Option<Expr>, errors: &Errors, divisions: &mut Vec<Division>) -> FieldKind {
    let shape = shape("parameter", &dims, errors, divisions);
    FieldKind::Parameter { dims, shape, when }
}

fn buffer(dims: Vec<Expr>, init: Option<Expr>, errors: &Errors, divisions: &mut Vec<Division>) -> FieldKind {
    let shape = shape("buffer", &dims, errors, divisions);
    FieldKind::Buffer { dims, shape, init }
}

fn shape(what: &str, dims: &[Expr], errors: &Errors, divisions: &mut Vec<Division>) -> Shape {
    if let Some(extra) = dims.get(MAX_RANK) {
        errors.at(extra, format!("a {what} has at most {MAX_RANK} dimensions, not {}", dims.len()));
    }
    dims.iter().filter_map(|d| errors.take(Dim::parse(d, divisions))).collect()
}

fn arguments(path: &Path, errors: &Errors) -> Option<Vec<Expr>> {
    match &path.segments[path.segments.len() - 1].arguments {
        PathArguments::None => Some(vec![]),
        PathArguments::AngleBracketed(a) => a.args.iter().map(|a| errors.take(argument_expr(a))).collect(),
        PathArguments::Parenthesized(p) => {
            errors.at(p, "dimensions are listed in angle brackets: `Linear<WIDTH, { 4 * WIDTH }>`");
            None
        }
    }
}

/// `#[parameter(init = normal(0.02), weight_decay = 0.0, frozen, when = BIAS)]`
fn parameter_attribute(attribute: &Attribute, options: &mut Options, when: &mut Option<Expr>, errors: &Errors) {
    let Some(items) = errors.take(attribute.parse_args_with(Punctuated::<Item, Token![,]>::parse_terminated)) else { return };
    for Item { part, key, value } in items {
        let options = match &part {
            None => &mut *options,
            Some(part) => part_of(options, part),
        };
        let set = |slot: &mut Option<Expr>| match (&value, slot.is_some()) {
            (_, true) => errors.at(&key, format!("`{key}` is given twice")),
            (Some(value), _) => *slot = Some(value.clone()),
            (None, _) => errors.at(&key, format!("`{key}` needs a value: `{key} = ..`")),
        };
        match key.to_string().as_str() {
            "init" => {
                set(&mut options.init);
                if let Some(init) = &options.init {
                    check_init(init, errors);
                }
            }
            "weight_decay" => set(&mut options.weight_decay),
            "when" if part.is_some() => errors.at(&key, "whether a parameter of a layer is there is a flag of the layer's own"),
            "when" => set(when),
            "frozen" => {
                if let Some(value) = &value {
                    errors.at(value, "`frozen` stands alone: `#[parameter(frozen)]`");
                }
                options.frozen = true;
            }
            other => {
                let known = ["init", "weight_decay", "frozen", "when"];
                errors.at(
                    &key,
                    format!(
                        "`#[parameter]` knows no `{other}`{}",
                        did_you_mean_or(
                            other,
                            known,
                            "; it takes `init = normal(0.02)`, `weight_decay = 0.0`, `frozen` and `when = FLAG`"
                        )
                    ),
                );
            }
        }
    }
}

/// Returns the options of one parameter of a layer; adds them if they do not exist.
fn part_of<'a>(options: &'a mut Options, part: &Ident) -> &'a mut Options {
    let at = options.of.iter().position(|(name, _)| name == part).unwrap_or_else(|| {
        options.of.push((part.clone(), Options::default()));
        options.of.len() - 1
    });
    &mut options.of[at].1
}

/// `#[buffer(init = ones)]`
fn buffer_attribute(attribute: &Attribute, errors: &Errors) -> Option<Expr> {
    let items = errors.take(attribute.parse_args_with(Punctuated::<Item, Token![,]>::parse_terminated))?;
    let mut init = None;
    for Item { part, key, value } in items {
        if let Some(part) = part {
            errors.at(&part, "`#[buffer]` takes `init = ones`");
            continue;
        }
        match (key.to_string().as_str(), value) {
            ("init", _) if init.is_some() => errors.at(&key, "`init` is given twice"),
            ("init", None) => errors.at(&key, "`init` needs a value: `init = ones`"),
            ("init", Some(value)) => {
                const STARTS: &[&str] = &["zeros", "ones", "constant"];
                match init_name(&value) {
                    name if STARTS.contains(&name.as_str()) => check_init(&value, errors),
                    name => {
                        errors.at(&value, format!("a buffer starts from `zeros`, `ones` or `constant(c)`, not from `{name}`"))
                    }
                }
                init = Some(value);
            }
            (other, _) => errors.at(&key, format!("`#[buffer]` knows no `{other}`; it takes `init = ones`")),
        }
    }
    init
}

/// The names of `ivon_runtime::Init`'s constructors, and how many numbers each takes.
const INITS: &[(&str, usize)] = &[
    ("zeros", 0),
    ("ones", 0),
    ("constant", 1),
    ("normal", 1),
    ("uniform", 1),
    ("kaiming_normal", 0),
    ("kaiming_uniform", 0),
    ("xavier_uniform", 0),
];

fn init_name(init: &Expr) -> String {
    match init {
        Expr::Path(p) if p.path.get_ident().is_some() => last(&p.path).to_string(),
        Expr::Call(c) => expr_text(&c.func),
        other => expr_text(other),
    }
}

fn check_init(init: &Expr, errors: &Errors) {
    let (name, count) = (init_name(init), if let Expr::Call(c) = init { c.args.len() } else { 0 });
    match INITS.iter().find(|(n, _)| *n == name) {
        Some((_, wanted)) if *wanted == count => {
            let Expr::Call(call) = init else { return };
            let negative = |e: &&Expr| crate::syntax::constant(&e.to_token_stream()).is_some_and(|value| value < 0.0);
            if let (true, Some(number)) = (["normal", "uniform"].contains(&name.as_str()), call.args.iter().find(negative)) {
                let what = if name == "normal" { "a standard deviation" } else { "a bound" };
                errors.at(number, format!("`{name}` takes {what}, which is not below zero: it is drawn around 0 on both sides"));
            }
        }
        Some((_, wanted)) => {
            errors.at(init, format!("`{name}` takes {wanted} number{}, not {count}", if *wanted == 1 { "" } else { "s" }))
        }
        None => {
            let known: Vec<&str> = INITS.iter().map(|(n, _)| *n).collect();
            errors.at(
                init,
                format!(
                    "`init` knows no `{name}`{}",
                    did_you_mean_or(&name, known.iter().copied(), &format!("; it is one of {}", known.join(", ")))
                ),
            );
        }
    }
}

/// `init = zeros`, `frozen`, `gain.init = zeros`
struct Item {
    part: Option<Ident>,
    key: Ident,
    value: Option<Expr>,
}

impl Parse for Item {
    fn parse(input: syn::parse::ParseStream) -> syn::Result<Self> {
        let mut key: Ident = input.parse()?;
        let mut part = None;
        if input.peek(Token![.]) {
            input.parse::<Token![.]>()?;
            part = Some(std::mem::replace(&mut key, input.parse()?));
        }
        let value = match input.peek(Token![=]) {
            true => {
                input.parse::<Token![=]>()?;
                Some(input.parse()?)
            }
            false => None,
        };
        Ok(Item { part, key, value })
    }
}

/// True if an attribute is one of ours, so that it does not reach rustc.
pub fn is_ours(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(_) | Meta::Path(_) | Meta::NameValue(_))
        && ["parameter", "setting", "buffer"].iter().any(|name| attribute.path().is_ident(name))
}

/// `init` as tokens of the runtime: `normal(0.02)` becomes `Init::normal(0.02)`.
pub fn init_tokens(init: &Expr, runtime: &Path) -> proc_macro2::TokenStream {
    let init = match init {
        Expr::Path(_) => quote!(#init()),
        other => other.to_token_stream(),
    };
    quote!(#runtime::Init::#init)
}
