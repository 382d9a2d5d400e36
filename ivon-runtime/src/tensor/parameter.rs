//! Parameters and buffers, and the builder that numbers and names them.

use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::tensor::graph::Graph;
use std::sync::Arc;

/// The initial mean of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// Every element has this value.
    Constant(f64),
    /// N(0, std²).
    Normal(f64),
    /// Uniform on [-bound, bound].
    Uniform(f64),
    /// He et al. 2015 for ReLU: N(0, 2 / fan_in); fan_in is the product of all dimensions but the first.
    KaimingNormal,
    /// Uniform on ±1 / sqrt(fan_in), the initial values of PyTorch's `Linear` and `Conv2d`.
    KaimingUniform,
    /// Glorot and Bengio 2010: uniform on ±sqrt(6 / (fan_in + fan_out)).
    XavierUniform,
}

impl Init {
    /// All zeros.
    pub const fn zeros() -> Self {
        Init::Zeros
    }
    /// All ones.
    pub const fn ones() -> Self {
        Init::Ones
    }
    /// Every element has this value.
    pub const fn constant(value: f64) -> Self {
        Init::Constant(value)
    }
    /// N(0, std²).
    pub const fn normal(std: f64) -> Self {
        Init::Normal(std)
    }
    /// Uniform on [-bound, bound].
    pub const fn uniform(bound: f64) -> Self {
        Init::Uniform(bound)
    }
    /// See [`Init::KaimingNormal`].
    pub const fn kaiming_normal() -> Self {
        Init::KaimingNormal
    }
    /// See [`Init::KaimingUniform`].
    pub const fn kaiming_uniform() -> Self {
        Init::KaimingUniform
    }
    /// See [`Init::XavierUniform`].
    pub const fn xavier_uniform() -> Self {
        Init::XavierUniform
    }
}

/// The options of `#[parameter(..)]` for a parameter or for all parameters of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// The initial mean. On a layer: for its tensors of two or more dimensions.
    pub init: Option<Init>,
    /// Weight decay (delta), in place of the optimizer's.
    pub weight_decay: Option<f64>,
    /// True for a parameter without gradient and noise, which keeps its initial value.
    pub frozen: Option<bool>,
}

impl Options {
    /// Fills options that are not set with those of `other`.
    fn or(self, other: Options) -> Options {
        Options {
            init: self.init.or(other.init),
            weight_decay: self.weight_decay.or(other.weight_decay),
            frozen: self.frozen.or(other.frozen),
        }
    }
}

/// The options of `#[parameter(..)]` for a layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerOptions<'a> {
    /// The options of all its parameters.
    pub all: Options,
    /// The options of single parameters by name: `#[parameter(gain.init = zeros)]`.
    pub of: &'a [(&'a str, Options)],
}

impl From<Options> for LayerOptions<'_> {
    fn from(all: Options) -> Self {
        LayerOptions { all, of: &[] }
    }
}

/// True if `names` contains `name`. For checks at compile time.
#[doc(hidden)]
pub const fn contains(names: &[&str], name: &str) -> bool {
    let (name, mut i) = (name.as_bytes(), 0);
    while i < names.len() {
        let other = names[i].as_bytes();
        let mut same = other.len() == name.len();
        let mut byte = 0;
        while same && byte < name.len() {
            same = other[byte] == name[byte];
            byte += 1;
        }
        if same {
            return true;
        }
        i += 1;
    }
    false
}

/// A learned tensor of a model: an index, a name and a shape. Its values lie in the flat buffers of a training state.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    index: usize,
    name: Arc<str>,
    shape: Shape,
    init: Init,
    weight_decay: Option<f64>,
    frozen: bool,
}

impl Parameter {
    /// The index among the model's parameters, in declaration order.
    pub fn index(&self) -> usize {
        self.index
    }
    /// The path in the model, `blocks.3.mlp.up.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The name, without a copy.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }
    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
    /// The initial mean.
    pub fn init(&self) -> Init {
        self.init
    }
    /// The weight decay of `#[parameter(weight_decay = ..)]`, if it is set.
    pub fn weight_decay(&self) -> Option<f64> {
        self.weight_decay
    }
    /// True if the parameter keeps its initial value.
    pub fn frozen(&self) -> bool {
        self.frozen
    }
}

/// A tensor of a model that ops update in training and that is not learned, such as running statistics: an index, a name, a shape
/// and an initial value. It has no posterior and no gradient. Its values are f32 and lie in the running statistics of a training
/// [`State`](crate::optimizers::state::State). An op reads them with [`Context::running`](crate::context::Context::running).
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Its index counts buffers, not parameters.
    place: Parameter,
}

impl Buffer {
    /// The index among the model's buffers, in declaration order.
    pub fn index(&self) -> usize {
        self.place.index
    }
    /// The path in the model, `layer1.0.bn1.running_mean`.
    pub fn name(&self) -> &str {
        &self.place.name
    }
    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.place.shape
    }
    /// The initial value.
    pub fn init(&self) -> Init {
        self.place.init
    }
    /// The parameter that represents the buffer's place in a flat buffer.
    pub(crate) fn place(&self) -> &Parameter {
        &self.place
    }
}

/// Numbers and names parameters and buffers while a model is built. Options of outer layers take precedence.
#[derive(Debug, Default)]
pub struct Builder {
    prefix: String,
    next: usize,
    next_buffer: usize,
    /// The options of the layers being built, the outermost first.
    outer: Vec<Level>,
}

/// The options of `#[parameter(..)]` for one of the layers being built.
#[derive(Debug)]
struct Level {
    all: Options,
    /// The options of single parameters, by path.
    of: Vec<(String, Options)>,
}

impl Builder {
    /// A builder for a whole model.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Builds a layer under `name`. The options take precedence over the layer's own.
    pub fn layer<'a, L>(
        &mut self,
        name: &str,
        options: impl Into<LayerOptions<'a>>,
        build: impl FnOnce(&mut Builder) -> Result<L>,
    ) -> Result<L> {
        let (length, LayerOptions { all, of }) = (self.prefix.len(), options.into());
        if !self.prefix.is_empty() {
            self.prefix.push('.');
        }
        self.prefix.push_str(name);
        let of = of.iter().map(|(name, options)| (self.path(name), *options)).collect();
        self.outer.push(Level { all, of });
        let layer = build(self);
        self.prefix.truncate(length);
        self.outer.pop();
        layer
    }

    /// Builds an array of layers, `name.0`, `name.1`, ...
    pub fn layers<'a, L>(
        &mut self,
        name: &str,
        count: usize,
        options: impl Into<LayerOptions<'a>>,
        mut build: impl FnMut(&mut Builder) -> Result<L>,
    ) -> Result<Box<[L]>> {
        const MOST: usize = 1 << 20;
        if count > MOST {
            return Err(crate::core::error::Error::config(format!(
                "`{name}` has {count} layers, and an array has at most {MOST}"
            )));
        }
        let options = options.into();
        (0..count).map(|i| self.layer(&format!("{name}.{i}"), options, &mut build)).collect()
    }

    /// Adds a parameter.
    pub fn parameter(&mut self, name: &str, shape: impl Into<Shape>, options: Options) -> Parameter {
        let shape = shape.into();
        let name = self.path(name);
        let outer = self.outer.iter().fold(Options::default(), |outer, level| {
            let own = level.of.iter().find(|(path, _)| *path == name).map_or(Options::default(), |(_, options)| *options);
            let all = match shape.rank() {
                0 | 1 => Options { init: None, ..level.all },
                _ => level.all,
            };
            outer.or(own).or(all)
        });
        let options = outer.or(options);
        let index = self.next;
        self.next += 1;
        let default = if shape.rank() < 2 { Init::Zeros } else { Init::KaimingUniform };
        Parameter {
            index,
            name: name.into(),
            shape,
            init: options.init.unwrap_or(default),
            weight_decay: options.weight_decay,
            frozen: options.frozen.unwrap_or(false),
        }
    }

    /// Adds a buffer. The options of outer layers apply only to parameters.
    pub fn buffer(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Buffer {
        let (index, name) = (self.next_buffer, self.path(name).into());
        self.next_buffer += 1;
        Buffer { place: Parameter { index, name, shape: shape.into(), init, weight_decay: None, frozen: true } }
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

/// A model: a type with parameters, and possibly buffers. `#[variational]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model: `#[variational]` is missing on its struct or on its impl",
    label = "a model is a struct and an impl, both with `#[variational]`"
)]
pub trait Model {
    /// The name of the model's type.
    const NAME: &'static str;

    /// Calls `visit` with every parameter, in declaration order.
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter));

    /// All parameters, in declaration order.
    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![];
        self.visit_parameters(&mut |p| all.push(p));
        all
    }

    /// The graph of the methods, for drawing: `model.graph().svg("loss")`.
    fn graph(&self) -> Graph {
        Graph::new(Self::NAME, &[])
    }

    /// Calls `visit` with every buffer, in declaration order. Most models have none.
    fn visit_buffers<'a>(&'a self, visit: &mut dyn FnMut(&'a Buffer)) {
        let _ = visit;
    }

    /// Calls `visit` with every number of the model that may determine the allocations of its passes, such as dimensions and
    /// settings. By default these are the dimensions of its parameters.
    fn visit_settings(&self, visit: &mut dyn FnMut(u64)) {
        self.visit_parameters(&mut |p| p.shape().iter().for_each(|dim| visit(*dim as u64)));
    }

    /// All buffers, in declaration order.
    fn buffers(&self) -> Vec<&Buffer> {
        let mut all = vec![];
        self.visit_buffers(&mut |b| all.push(b));
        all
    }
}

/// The values that a method of `M` keeps for its backward pass; `METHOD` is [`method`] of its name.
pub trait Differentiable<const METHOD: u64> {
    /// The saved values.
    type Saved;
}

/// The saved values of a model's method: `Saved<Linear, { method("forward") }>`.
pub type Saved<M, const METHOD: u64> = <M as Differentiable<METHOD>>::Saved;

/// A number for a method's name (FNV-1a), because a string cannot be a const argument in stable Rust.
pub const fn method(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (mut hash, mut i) = (0xcbf29ce484222325, 0);
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x100000001b3);
        i += 1;
    }
    hash
}
