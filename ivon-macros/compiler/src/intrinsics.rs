//! The functions and methods of numbers and tensors that are part of the language.

/// A function of numbers that is part of the language; it is applied elementwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Intrinsic {
    Exp,
    Ln,
    Sqrt,
    Tanh,
    Sigmoid,
    Erf,
    Sin,
    Cos,
    Abs,
    Relu,
    IsPositive,
    Max,
    Min,
    Powf,
    Gt,
    Ge,
    Lt,
    Le,
    Eq,
    Ne,
    Select,
}

impl Intrinsic {
    /// The operator, if it is a comparison.
    pub fn comparison(self) -> Option<&'static str> {
        match self {
            Intrinsic::Gt => Some(">"),
            Intrinsic::Ge => Some(">="),
            Intrinsic::Lt => Some("<"),
            Intrinsic::Le => Some("<="),
            Intrinsic::Eq => Some("=="),
            Intrinsic::Ne => Some("!="),
            _ => None,
        }
    }

    /// The same comparison with its sides exchanged.
    pub fn exchanged(self) -> Intrinsic {
        match self {
            Intrinsic::Gt => Intrinsic::Lt,
            Intrinsic::Ge => Intrinsic::Le,
            Intrinsic::Lt => Intrinsic::Gt,
            Intrinsic::Le => Intrinsic::Ge,
            other => other,
        }
    }
}

/// A method of tensors that makes one number of many, along axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    LogSumExp,
    ArgMax,
    ArgMin,
}

impl Reduction {
    /// True if it makes places, which are ids.
    pub fn is_place(self) -> bool {
        matches!(self, Reduction::ArgMax | Reduction::ArgMin)
    }
}

/// Every reduction with its name, and that of its form which keeps the axes.
pub const REDUCTIONS: &[(Reduction, &str, Option<&str>)] = &[
    (Reduction::Sum, "sum", Some("sum_keep")),
    (Reduction::Mean, "mean", Some("mean_keep")),
    (Reduction::Max, "max", Some("max_keep")),
    (Reduction::Min, "min", Some("min_keep")),
    (Reduction::LogSumExp, "logsumexp", Some("logsumexp_keep")),
    (Reduction::ArgMax, "argmax", None),
    (Reduction::ArgMin, "argmin", None),
];

/// Every intrinsic with its name and number of arguments.
pub const INTRINSICS: &[(Intrinsic, &str, usize)] = &[
    (Intrinsic::Exp, "exp", 1),
    (Intrinsic::Ln, "ln", 1),
    (Intrinsic::Sqrt, "sqrt", 1),
    (Intrinsic::Tanh, "tanh", 1),
    (Intrinsic::Sigmoid, "sigmoid", 1),
    (Intrinsic::Erf, "erf", 1),
    (Intrinsic::Sin, "sin", 1),
    (Intrinsic::Cos, "cos", 1),
    (Intrinsic::Abs, "abs", 1),
    (Intrinsic::Relu, "relu", 1),
    (Intrinsic::IsPositive, "is_positive", 1),
    (Intrinsic::Max, "max", 2),
    (Intrinsic::Min, "min", 2),
    (Intrinsic::Powf, "powf", 2),
    (Intrinsic::Gt, "gt", 2),
    (Intrinsic::Ge, "ge", 2),
    (Intrinsic::Lt, "lt", 2),
    (Intrinsic::Le, "le", 2),
    (Intrinsic::Eq, "eq", 2),
    (Intrinsic::Ne, "ne", 2),
    (Intrinsic::Select, "select", 3),
];

/// Methods of tensors that move elements.
pub const SHAPE_METHODS: &[&str] =
    &["reshape", "expand", "squeeze", "unsqueeze", "transpose", "permute", "slice", "at", "detach"];

/// The names of all methods of tensors.
pub fn tensor_methods() -> impl Iterator<Item = &'static str> {
    let reductions = REDUCTIONS.iter().flat_map(|(_, name, keep)| std::iter::once(*name).chain(*keep));
    INTRINSICS.iter().map(|(_, name, _)| *name).chain(SHAPE_METHODS.iter().copied()).chain(reductions)
}
