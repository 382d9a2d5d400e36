//! Parse: from syn's Rust to the **model language**, a documented subset.
//!
//! ```text
//! model      = #[variational] struct NAME<generics> { (attributes field: type,)* }
//!              #[variational] impl<generics> NAME<..> { function* }
//! interface  = #[variational] trait NAME<generics> { (signature;)* }         what several layers have in common
//!              #[variational] impl<generics> NAME<..> for Layer<..> {}       that a layer has it
//! generics   = NAME: interface | const NAME: usize | const NAME: bool = false
//! type       = Parameter<dims>                  a learned tensor        #[parameter(init = normal(0.02), weight_decay = 0.0, frozen)]
//!            | Option<Parameter<dims>>          one that may be absent  #[parameter(when = FLAG)]
//!            | Layer<args>                      another model           #[parameter(..)] applies to all its parameters, #[parameter(gain.init = zeros)] to one
//!            | Option<Layer<args>>              one that may be absent  #[parameter(when = FLAG)]
//!            | [Layer<args>; COUNT]             an array of them
//!            | Buffer<dims>                     kept, not learned       #[buffer(init = ones)]
//!            | f64 | usize | bool               a setting               #[setting(0.1)]
//! function   = (#[replaces(expression)])? (#[adjoint])? fn NAME<dim variables>(&self, (name: input,)*) -> output { statement* expression }
//! dim var    = T | Rest: Dims                   one dimension, or any number of leading ones
//! input      = Tensor<dims> | Ids<dims> | f64 | usize | bool
//! output     = Tensor<dims> | (Tensor<dims>, ..)
//! dim        = number | NAME | dim (+ - * /) dim | floor(dim / dim)        `{ .. }` around arithmetic
//! statement  = let pattern = expression;
//!            | name = expression;               only of a `mut` value
//!            | for loop variable in iterable { statement* }
//!            | if condition { statement* } (else { statement* })?
//!            | name.push(expression);           only of a `mut` list, `Vec::new()`
//! iterable   = &self.field | &name | start..end | iterable.rev() | iterable.zip(iterable) | iterable.enumerate()
//! condition  = flag | let Some(name) = &self.field                         a layer that may be absent
//! pattern    = (mut)? name | ((mut)? name, ..) | _
//! expression = name | number | number as f64 | self.field | (expression, ..)
//!            | - expression | expression (+ - * /) expression              broadcasting
//!            | self.layer.method(args) | self.array[index].method(args) | name.method(args) | self.method(args)
//!            | if condition { statement* expression } else { statement* expression }
//!            | Vec::new() | name[index] | stack(name, axis)                 a list of tensors of one shape
//!            | op(args) | op::<dims>(args)                             a buffer, `self.field`, is an argument of ops alone
//!            | exp ln sqrt tanh sigmoid erf sin cos abs relu is_positive (x), powf(x, number)   or as methods, x.exp()
//!            | max min (x, y) | x (> >= < <= == !=) y, or gt ge lt le eq ne (x, y) | select(mask, x, y)
//!            | zeros ones ([dims]) | full([dims], number)
//!            | x.reshape([dims, _]) | x.expand([dims]) | x.squeeze(axis) | x.unsqueeze(axis) | x.transpose(axis, axis) | x.permute([axes])
//!            | x.slice(axis, dim..dim) | x.at(axis, dim) | concat([x, ..], axis) | stack([x, ..], axis)
//!            | stop_gradient(x), x.detach()
//!            | x.sum(axes) | x.sum_keep(axes)       likewise mean, max, min, logsumexp; argmax, argmin without `_keep`
//! axes       = nothing, for all | axis | [axis, ..]
//! axis       = number | - number                from the first, or from the last
//! ```

mod attributes;
mod body;
mod control;
mod function;
mod interface;
mod replaces;
mod structure;

use crate::dims::{Division, Shape};
use crate::errors::{Errors, Found, Place};
use crate::intrinsics::{Intrinsic, Reduction};
use crate::syntax::{expr_text, last};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, Path, Visibility};

pub use attributes::{Kept, allowed, conditional, silenced, silenced_of};
pub use body::{is_new_list, is_of_a_type};
pub use control::LOOPS;
pub use function::{free_constants, function, pointwise_body};
pub use interface::{Conformance, Interface, conformance, interface};
pub use replaces::{Replaces, travels};
pub use structure::{Structure, init_tokens, is_no_layer, is_ours, layer_type, structure};

/// A model: its struct and its methods.
pub struct Model {
    pub name: Ident,
    pub layers: Vec<LayerParameter>,
    pub generics: Vec<Generic>,
    pub fields: Vec<Field>,
    pub functions: Vec<Function>,
    /// Divisions written in the types of fields.
    pub divisions: Vec<Division>,
    /// Fields with a mistake, which was reported: what reads them is silent.
    pub wrong: Vec<Ident>,
    /// Attributes of the struct and the impl that silence lints.
    pub lints: Vec<syn::Attribute>,
}

impl Model {
    /// The type as rustc knows it, without dimensions: `Block`, `Block<N>`.
    pub fn ty(&self) -> TokenStream {
        let (name, layers) = (&self.name, self.layers.iter().map(|l| &l.name));
        if self.layers.is_empty() { quote!(#name) } else { quote!(#name<#(#layers),*>) }
    }

    /// `<N: Norm>`, or nothing.
    pub fn impl_generics(&self) -> TokenStream {
        impl_generics(self.layers.iter())
    }
}

/// `N: Norm`: a type parameter, which stands for any layer of an interface.
#[derive(Clone)]
pub struct LayerParameter {
    pub name: Ident,
    pub interface: Path,
}

/// `<N: Norm>`, or nothing.
pub fn impl_generics<'a>(layers: impl Iterator<Item = &'a LayerParameter>) -> TokenStream {
    let each: Vec<_> = layers.map(|LayerParameter { name, interface }| quote!(#name: #interface)).collect();
    if each.is_empty() { quote!() } else { quote!(<#(#each),*>) }
}

/// `const WIDTH: usize` or `const BIAS: bool = true`.
#[derive(Clone)]
pub struct Generic {
    pub name: Ident,
    pub flag: bool,
    pub default: Option<Expr>,
}

pub struct Field {
    pub name: Ident,
    pub kind: FieldKind,
    pub options: Options,
    /// The flag that says when an optional layer is there.
    pub when: Option<Expr>,
    pub place: Place,
}

pub enum FieldKind {
    Parameter {
        dims: Vec<Expr>,
        shape: Shape,
        when: Option<Expr>,
    },
    Layer(LayerType),
    Array {
        of: LayerType,
        count: Expr,
    },
    /// A tensor that ops update and that is not learned: running statistics.
    Buffer {
        dims: Vec<Expr>,
        shape: Shape,
        init: Option<Expr>,
    },
    Setting {
        ty: Ident,
        default: Expr,
    },
}

/// `Linear<WIDTH, { 4 * WIDTH }>`
#[derive(Clone)]
pub struct LayerType {
    /// Without arguments, as the user wrote it.
    pub path: Path,
    /// The path whose signature lists its methods: its own, or the interface of a type parameter.
    pub signature: Path,
    /// The type as rustc knows it, without dimensions.
    pub ty: TokenStream,
    /// The number of layers that stand for type parameters of its own.
    pub chosen: usize,
    /// True if it depends on type parameters of the model.
    pub open: bool,
    pub arguments: Vec<Expr>,
    /// The dimensions that are left out, by the names of the layer's generics; known once its signature is.
    pub defaults: Vec<String>,
    pub place: Place,
}

impl LayerType {
    /// As the user wrote it.
    pub fn text(&self) -> String {
        self.with(self.arguments.iter().map(expr_text))
    }

    /// With other dimensions.
    pub fn with(&self, dims: impl Iterator<Item = String>) -> String {
        let ty = expr_text(&self.ty);
        let (name, layers) = ty.split_once('<').map_or((ty.as_str(), None), |(n, layers)| (n, layers.strip_suffix('>')));
        let arguments: Vec<String> = layers.map(str::to_string).into_iter().chain(dims).collect();
        if arguments.is_empty() { name.to_string() } else { format!("{name}<{}>", arguments.join(", ")) }
    }
}

/// The options of `#[parameter(..)]`.
#[derive(Default)]
pub struct Options {
    pub init: Option<Expr>,
    pub weight_decay: Option<Expr>,
    pub frozen: bool,
    /// Options of single parameters of a layer: `gain.init = zeros`.
    pub of: Vec<(Ident, Options)>,
}

pub struct Function {
    pub vis: Visibility,
    pub name: Ident,
    /// Attributes that generated functions have.
    pub attributes: Kept,
    /// The expression that a call of it replaces.
    pub replaces: Option<Replaces>,
    /// True if it makes the adjoint of its result itself: `#[adjoint]`.
    pub adjoint: bool,
    pub variables: Vec<Variable>,
    /// Const generics of the function itself.
    pub consts: Vec<Generic>,
    pub inputs: Vec<Input>,
    /// Arguments with a mistake, which was reported: what reads them is silent.
    pub wrong: Vec<Ident>,
    /// `Tensor`, where the signature says it by its name alone.
    pub tensor: Option<Ident>,
    pub outputs: Vec<Shape>,
    pub returns_tuple: bool,
    pub body: Vec<Statement>,
    pub result: Option<Expression>,
    pub place: Place,
    pub divisions: Vec<Division>,
}

/// `T`, or `Rest: Dims`.
pub struct Variable {
    pub name: Ident,
    pub pack: bool,
}

pub struct Input {
    pub name: Ident,
    pub mutable: bool,
    pub kind: InputKind,
    pub place: Place,
}

#[derive(Clone)]
pub enum InputKind {
    Tensor {
        shape: Shape,
        dims: Vec<Expr>,
        /// `Weight<..>`, in signatures of ops only: may come in the type that weights are stored in.
        weight: bool,
    },
    Ids {
        shape: Shape,
        dims: Vec<Expr>,
    },
    /// `Option<Tensor<..>>`: in signatures of ops only.
    Optional {
        shape: Shape,
    },
    /// `Buffer<..>`: in signatures of ops only.
    Buffer {
        shape: Shape,
    },
    /// `f64`, `usize`, `bool`.
    Number(Ident),
}

#[allow(clippy::large_enum_variant)] // there are few of them
pub enum Statement {
    Let {
        pattern: Pattern,
        value: Expression,
    },
    Assign {
        name: Ident,
        value: Expression,
    },
    For(For),
    If(If),
    /// `list.push(x);`
    Push {
        list: Ident,
        value: Expression,
        place: Place,
        text: String,
    },
}

/// `for pattern in over { .. }`
pub struct For {
    pub pattern: LoopPattern,
    pub over: Iterable,
    pub body: Vec<Statement>,
    pub place: Place,
    /// As the user wrote it, without the body.
    pub text: String,
}

pub enum LoopPattern {
    Name(Ident),
    Pair(Box<(LoopPattern, LoopPattern)>, Place),
    Ignored,
}

/// The arrays, lists and ranges of a loop.
pub struct Iterable {
    pub kind: IterableKind,
    pub place: Place,
}

#[allow(clippy::large_enum_variant)] // there are few of them
pub enum IterableKind {
    /// `&self.blocks`
    Field(Ident),
    /// `&list`
    Name(Ident),
    /// `0..T`
    Range(Expr, Expr),
    Reversed(Box<Iterable>),
    Enumerated(Box<Iterable>),
    Zip(Box<(Iterable, Iterable)>),
}

/// `if condition { .. } else { .. }`
pub struct If {
    pub condition: Condition,
    pub then: Body,
    pub otherwise: Option<Body>,
    pub place: Place,
    /// As the user wrote it, without the blocks.
    pub text: String,
}

#[allow(clippy::large_enum_variant)] // there are few of them
pub enum Condition {
    /// A flag, a setting or arithmetic of them.
    Flag(Expression),
    /// `let Some(norm) = &self.norm`
    Present { variable: Ident, field: Ident },
}

/// The block of a branch.
pub struct Body {
    pub statements: Vec<Statement>,
    pub result: Option<Expression>,
}

pub enum Pattern {
    Name(Ident, bool),
    /// Names and whether each is `mut`; `None` for `_`.
    Tuple(Vec<Option<(Ident, bool)>>, Place),
    Ignored,
}

pub struct Expression {
    pub kind: ExpressionKind,
    pub place: Place,
    /// As the user wrote it, for comments.
    pub text: String,
}

#[allow(clippy::large_enum_variant)] // there are few expressions
pub enum ExpressionKind {
    /// A mistake, which was reported: silent from here on.
    Wrong,
    Name(Ident),
    /// `self.name`
    Field(Ident),
    /// A literal as f64, and whether it is whole.
    Number(TokenStream, bool),
    /// `limits::LARGEST`: a constant of another module.
    Constant(Path),
    /// `x as f64`
    Cast(Box<Expression>),
    /// `true`, `false`
    Flag(bool),
    /// `!flag`
    Not(Box<Expression>),
    /// `a && b` (true) or `a || b`.
    Both(bool, Box<Expression>, Box<Expression>),
    /// `if FLAG { x } else { y }`
    If(Box<If>),
    /// `Vec::new()`
    List,
    /// `list[i]`
    Item {
        list: Ident,
        index: Expr,
    },
    Tuple(Vec<Expression>),
    Negate(Box<Expression>),
    Binary(char, Box<Expression>, Box<Expression>),
    /// `exp`, `max`, ...
    Intrinsic(Intrinsic, Vec<Expression>),
    /// `self.norm.forward(x)`: a method of a field's layer.
    Layer {
        field: Ident,
        method: Ident,
        arguments: Vec<Expression>,
    },
    /// `self.blocks[i].forward(x)`: a method of one layer of an array.
    ItemLayer {
        field: Ident,
        index: Expr,
        method: Ident,
        arguments: Vec<Expression>,
    },
    /// `block.forward(x)`: a method of a loop's layer.
    Element {
        variable: Ident,
        method: Ident,
        arguments: Vec<Expression>,
    },
    /// `self.forward(x)`: another method of this model.
    Own {
        method: Ident,
        arguments: Vec<Expression>,
    },
    /// `gelu(x)`
    Call {
        path: Path,
        dims: Vec<Expr>,
        arguments: Vec<Expression>,
    },
    /// `relu(x)`, `x.relu()`: a name of the language, unless it is one of the user's own: a function with `#[variational]` in scope, or a method
    /// of a layer. Lowering knows.
    Either {
        own: Reading,
        built_in: Reading,
    },
    Reshape(Box<Expression>, Vec<Expr>),
    Expand(Box<Expression>, Vec<Expr>),
    Squeeze(Box<Expression>, Expr),
    Unsqueeze(Box<Expression>, Expr),
    Transpose(Box<Expression>, Expr, Expr),
    Permute(Box<Expression>, Vec<Expr>),
    Slice(Box<Expression>, Expr, Box<(Expr, Expr)>),
    Concat(Vec<Expression>, Expr),
    /// `x.at(1, t)`
    At(Box<Expression>, Expr, Expr),
    /// `stack([x, y], 1)`
    Stack(Vec<Expression>, Expr),
    /// `stack(list, 1)`
    StackList(Ident, Expr),
    /// `stop_gradient(x)`
    Detach(Box<Expression>),
    /// `zeros([B, 4])`, `full([B, 4], 0.5)`
    Fill(Vec<Expr>, Box<Expression>),
    /// `x.sum(1)`: over all axes if `axes` is empty.
    Reduce {
        reduction: Reduction,
        of: Box<Expression>,
        axes: Vec<Expr>,
        keep: bool,
    },
    /// `x.max(1)`: over axes of a tensor, or the larger of two numbers. Lowering knows.
    Extreme {
        intrinsic: Intrinsic,
        reduction: Reduction,
        of: Box<Expression>,
        argument: Box<Expression>,
        /// The argument, where it is written as axes are.
        axes: Option<Vec<Expr>>,
    },
}

/// One way to read an expression, and what is wrong with it if it is this one.
pub struct Reading {
    pub expression: Box<Expression>,
    pub mistakes: Found,
}

impl Expression {
    /// The arguments of a call.
    pub fn arguments(&self) -> &[Expression] {
        match &self.kind {
            ExpressionKind::Layer { arguments, .. }
            | ExpressionKind::ItemLayer { arguments, .. }
            | ExpressionKind::Element { arguments, .. }
            | ExpressionKind::Own { arguments, .. }
            | ExpressionKind::Call { arguments, .. } => arguments,
            ExpressionKind::Either { own, .. } => own.expression.arguments(),
            _ => &[],
        }
    }
}

/// Type parameters of a struct or an impl, each with its interface.
///
/// # Errors
/// At the first without one.
pub fn layer_parameters(generics: &syn::Generics) -> syn::Result<Vec<LayerParameter>> {
    let one = |parameter: &syn::TypeParam| {
        let bounds: Vec<_> = parameter.bounds.iter().collect();
        match bounds.as_slice() {
            [syn::TypeParamBound::Trait(bound)] if last_arguments(&bound.path).is_none() && parameter.default.is_none() => {
                Ok(LayerParameter { name: parameter.ident.clone(), interface: bound.path.clone() })
            }
            _ => Err(syn::Error::new_spanned(
                parameter,
                format!(
                    "a type parameter of a model stands for a layer and has one bound, the trait with `#[variational]` that says what the layer \
                     does: `{}: Norm`; dimensions are const generics, `const WIDTH: usize`",
                    parameter.ident
                ),
            )),
        }
    };
    generics.type_params().map(one).collect()
}

/// The arguments of a path's last segment, if it has any.
fn last_arguments(path: &Path) -> Option<&syn::PathArguments> {
    path.segments.last().map(|s| &s.arguments).filter(|a| !a.is_none())
}

/// True if a generic argument is a layer, not a dimension: one of the type parameters, or what is neither one of the const generics nor written in
/// capitals.
pub fn is_layer_argument(argument: &syn::GenericArgument, generics: &syn::Generics) -> bool {
    let syn::GenericArgument::Type(syn::Type::Path(p)) = argument else { return false };
    let is = |name: &Ident| p.path.is_ident(name);
    let is_type = generics.type_params().any(|t| is(&t.ident));
    let is_dimension = generics.const_params().any(|c| is(&c.ident));
    let lowercase = last(&p.path).to_string().chars().any(char::is_lowercase);
    p.qself.is_none() && (is_type || lowercase && !is_dimension)
}

/// Generics of a struct, an impl or a function: const generics are dimensions or flags.
pub fn const_generics(generics: &syn::Generics, errors: &Errors) -> Vec<Generic> {
    let mut all = vec![];
    for parameter in generics.const_params() {
        let ty = parameter.ty.to_token_stream().to_string();
        if !["usize", "bool"].contains(&ty.as_str()) {
            errors.at(&parameter.ty, "a const generic of a model is a dimension, `usize`, or a flag, `bool`");
        }
        all.push(Generic {
            name: parameter.ident.clone(),
            flag: ty == "bool",
            default: parameter.default.as_ref().map(|(_, e)| e.clone()),
        });
    }
    all
}
