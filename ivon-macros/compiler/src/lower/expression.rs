//! Expressions: arithmetic, shapes, and reads of fields.

use super::*;
use crate::intrinsics::{INTRINSICS, Intrinsic, Reduction};
use syn::visit_mut::{self, VisitMut};

impl Lower<'_> {
    /// A tensor.
    pub(super) fn tensor(&mut self, e: &Expression) -> Option<ValueId> {
        match self.expression(e)? {
            Operand::Value(v) => Some(v),
            Operand::Number(_) | Operand::Flag(_) => {
                self.errors.at(self.place(e.place), "a tensor is needed here, and this is a number");
                None
            }
            Operand::List(list) => {
                self.list_misuse(list, e);
                None
            }
            Operand::Tuple(_) | Operand::Absent => {
                self.errors.at(self.place(e.place), "a tensor is needed here, and this is none");
                None
            }
        }
    }

    pub(super) fn arguments(&mut self, list: &[Expression]) -> Option<Vec<Argument>> {
        // All are lowered before giving up, so that every mistake is reported.
        let all: Vec<Option<Argument>> = list
            .iter()
            .map(|e| match self.expression(e)? {
                Operand::Value(v) => Some(Argument::Value(v)),
                Operand::Number(n) => Some(Argument::Number(n.tokens)),
                Operand::Flag(f) => Some(Argument::Flag(f)),
                Operand::Absent => Some(Argument::Absent),
                Operand::List(list) => {
                    self.list_misuse(list, e);
                    None
                }
                Operand::Tuple(_) => {
                    self.errors.at(
                        self.place(e.place),
                        "an argument is a single value, and this is a tuple: name its parts with `let (a, b) = ..`",
                    );
                    None
                }
            })
            .collect();
        all.into_iter().collect()
    }

    pub(super) fn expression(&mut self, e: &Expression) -> Option<Operand> {
        match &e.kind {
            ExpressionKind::Wrong => None,
            ExpressionKind::Flag(value) => Some(Operand::Flag(quote!(#value))),
            ExpressionKind::Number(tokens, true) => Some(Operand::Number(Number::literal(tokens.clone()))),
            ExpressionKind::Number(tokens, false) => Some(Operand::Number(Number::float(tokens.clone()))),
            ExpressionKind::Constant(path) => Some(Operand::Number(Number::constant(path))),
            ExpressionKind::Cast(inner) => match self.expression(inner)? {
                Operand::Number(n) => Some(Operand::Number(Number::float(n.tokens))),
                Operand::Flag(_) => self.no_flag(inner),
                Operand::Value(_) | Operand::Tuple(_) | Operand::List(_) | Operand::Absent => {
                    self.errors
                        .at(self.place(e.place), "a cast is for numbers: a tensor has the type that the model computes in");
                    None
                }
            },
            ExpressionKind::Name(name) if name == "None" => Some(Operand::Absent),
            ExpressionKind::Name(name) => self.name(name),
            ExpressionKind::Field(name) => self.read_field(name, e),
            ExpressionKind::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.expression(p)).collect();
                Some(Operand::Tuple(parts.into_iter().collect::<Option<_>>()?))
            }
            ExpressionKind::Negate(inner) => match self.expression(inner)? {
                Operand::Number(n) => Some(Operand::Number(n.negated())),
                Operand::Value(v) => self.one(Op::Pointwise(Primitive::Negate), vec![Argument::Value(v)], "negated", e),
                Operand::Flag(_) => self.no_flag(inner),
                Operand::Tuple(_) | Operand::List(_) | Operand::Absent => self.no_arithmetic(e),
            },
            ExpressionKind::Not(inner) => {
                let flag = self.flag(inner)?;
                Some(Operand::Flag(quote!(!#flag)))
            }
            ExpressionKind::Both(and, left, right) => {
                let (left, right) = (self.flag(left), self.flag(right));
                let (left, right) = (left?, right?);
                Some(Operand::Flag(if *and { quote!((#left && #right)) } else { quote!((#left || #right)) }))
            }
            ExpressionKind::If(i) => self.if_expression(i),
            ExpressionKind::List => self.new_list(e),
            ExpressionKind::Item { list, index } => self.item(list, index, e),
            ExpressionKind::StackList(list, axis) => self.stack_list(list, axis, e),
            ExpressionKind::Binary(operator, left, right) => self.binary(*operator, left, right, e),
            ExpressionKind::Either { own, built_in } => {
                let reading = if self.is_own(&own.expression) { own } else { built_in };
                self.errors.extend(&reading.mistakes);
                self.expression(&reading.expression)
            }
            ExpressionKind::Intrinsic(intrinsic, list) => {
                let operands: Vec<_> = list.iter().map(|x| self.expression(x)).collect();
                let operands = operands.into_iter().collect::<Option<_>>()?;
                self.intrinsic(*intrinsic, operands, &list.iter().collect::<Vec<_>>(), e)
            }
            ExpressionKind::Layer { field, method, arguments } => self.field_call(field, method, arguments, e),
            ExpressionKind::ItemLayer { field, index, method, arguments } => self.item_call(field, index, method, arguments, e),
            ExpressionKind::Element { variable, method, arguments } => self.element_call(variable, method, arguments, e),
            ExpressionKind::Own { method, arguments } => {
                self.mentioned.borrow_mut().extend(self.model.fields.iter().position(|f| f.name == *method));
                let arguments = self.arguments(arguments)?;
                self.layer_call(Target::Own, method, arguments, &method.to_string(), e)
            }
            ExpressionKind::Call { path, dims, arguments } => self.call(path, dims, arguments, e),
            ExpressionKind::Reshape(..)
            | ExpressionKind::Expand(..)
            | ExpressionKind::Squeeze(..)
            | ExpressionKind::Unsqueeze(..)
            | ExpressionKind::Permute(..)
            | ExpressionKind::Transpose(..)
            | ExpressionKind::Slice(..)
            | ExpressionKind::At(..)
            | ExpressionKind::Detach(..)
            | ExpressionKind::Concat(..)
            | ExpressionKind::Stack(..) => self.shaped(e),
            ExpressionKind::Fill(dims, value) => self.filled(dims, value, e),
            ExpressionKind::Reduce { reduction, of, axes, keep } => {
                let of = self.tensor(of)?;
                self.reduce(*reduction, of, axes, *keep, e)
            }
            ExpressionKind::Extreme { intrinsic, reduction, of, argument, axes } => match (self.expression(of)?, axes) {
                (Operand::Value(v), Some(axes)) => self.reduce(*reduction, v, axes, false, e),
                (Operand::Value(_), None) => self.no_axes(*intrinsic, of, argument, e),
                (number, _) => {
                    let operands = vec![number, self.expression(argument)?];
                    self.intrinsic(*intrinsic, operands, &[of, argument], e)
                }
            },
        }
    }

    /// `x.max(y)`, of two tensors.
    fn no_axes(&self, intrinsic: Intrinsic, of: &Expression, argument: &Expression, e: &Expression) -> Option<Operand> {
        let name = INTRINSICS.iter().find(|(i, _, _)| *i == intrinsic).map_or("max", |(_, name, _)| name);
        let text = format!(
            "as a method, `{name}` is over an axis, `x.{name}(1)`; element by element it is a function: `{name}({}, {})`",
            of.text, argument.text
        );
        self.errors.at(self.place(e.place), text);
        None
    }

    /// `full([B, 4], 0.5)`
    fn filled(&mut self, dims: &[syn::Expr], value: &Expression, e: &Expression) -> Option<Operand> {
        let (dims, value) = (self.dimensions(dims), self.expression(value)?);
        let Operand::Number(value) = value else {
            self.errors.at(self.place(e.place), "`full` takes a number: `full([B, 4], 0.5)`");
            return None;
        };
        self.one(Op::Fill(dims?), vec![Argument::Number(value.tokens)], "filled", e)
    }

    fn compare_ids(&mut self, comparison: Intrinsic, operands: Vec<Operand>, e: &Expression) -> Option<Operand> {
        let is_ids = |o: &Operand| matches!(o, Operand::Value(v) if self.values[*v].kind == Kind::Ids);
        let (comparison, operands) = match operands.as_slice() {
            [ids, Operand::Number(_)] if is_ids(ids) => (comparison, operands),
            [left, right] if is_ids(left) && is_ids(right) => (comparison, operands),
            [Operand::Number(_), ids] if is_ids(ids) => (comparison.exchanged(), operands.into_iter().rev().collect()),
            _ => {
                self.errors.at(self.place(e.place), "ids are compared with a number, `ids != 0`, or with ids");
                return None;
            }
        };
        let arguments = operands.into_iter().filter_map(argument).collect();
        self.one(Op::CompareIds(comparison), arguments, "mask", e)
    }

    fn reduce(&mut self, reduction: Reduction, of: ValueId, axes: &[syn::Expr], keep: bool, e: &Expression) -> Option<Operand> {
        let hint = match reduction {
            Reduction::Sum => "total",
            Reduction::Mean => "mean",
            Reduction::Max => "largest",
            Reduction::Min => "smallest",
            Reduction::LogSumExp => "logsumexp",
            Reduction::ArgMax | Reduction::ArgMin => "place",
        };
        let op = Op::Reduce { reduction, axes: axes.to_vec(), keep };
        let result = self.push(op, vec![Argument::Value(of)], hint, 1, e).first().copied()?;
        if reduction.is_place() {
            self.values[result].kind = Kind::Ids;
        }
        Some(Operand::Value(result))
    }

    /// True if a name that the language has, too, is one of the user's own here.
    fn is_own(&mut self, own: &Expression) -> bool {
        match &own.kind {
            ExpressionKind::Layer { field, .. } => {
                let field = self.model.fields.iter().find(|f| f.name == *field);
                field.is_some_and(|f| matches!(f.kind, FieldKind::Layer(_) | FieldKind::Array { .. }))
            }
            ExpressionKind::Element { variable, .. } => matches!(self.binding(variable), Some(Binding::Element(..))),
            // The body of a pointwise function was read where it was written.
            ExpressionKind::Call { .. } if self.depth > 0 => false,
            ExpressionKind::Call { path, .. } => {
                let Some(name) = path.get_ident() else { return true };
                let own = self.scope.get(name).is_some() || !self.callees.is_missing(path);
                let list = if own { &mut self.own } else { &mut self.built_in };
                list.push(name.clone());
                own
            }
            _ => false,
        }
    }

    /// The meaning of a name: a variable, or a generic or dimension that none hides.
    pub(super) fn binding(&self, name: &Ident) -> Option<&Binding> {
        self.scope.get(name).or_else(|| self.dims.get(&name.to_string()))
    }

    /// Dimensions, with the numbers of loops' iterations as generated code knows them; `None` where a variable that is no dimension is read, which is
    /// reported.
    pub(super) fn dimensions<'e>(&self, list: impl IntoIterator<Item = &'e syn::Expr>) -> Option<Vec<syn::Expr>> {
        let mut all = Some(vec![]);
        for dim in list {
            let mut names = vec![];
            crate::names::each_ident(&quote!(#dim), &mut |name| names.push(name.clone()));
            let is_variable = |name: &&Ident| !matches!(self.scope.get(name), None | Some(Binding::Index(_)));
            for name in names.iter().filter(is_variable) {
                let text = match self.dims.contains_key(&name.to_string()) {
                    true => {
                        format!("`{name}` is a variable here, which hides the dimension `{name}`: give the variable another name")
                    }
                    false => format!(
                        "`{name}` is a variable, not a dimension: dimensions are numbers, const generics, constants, the names in `fn f<B, T>` and \
                         the numbers of loops"
                    ),
                };
                self.errors.at(name, text);
                all = None;
            }
            let mut dim = dim.clone();
            Indices(&self.scope).visit_expr_mut(&mut dim);
            all.iter_mut().for_each(|all| all.push(dim.clone()));
        }
        all
    }

    /// A condition, or a part of one.
    fn flag(&mut self, e: &Expression) -> Option<TokenStream> {
        match self.expression(e)? {
            Operand::Flag(tokens) => Some(tokens),
            other => {
                let hint = match other {
                    Operand::Value(_) => {
                        ": of masks, which hold 1 and 0, `a * b` is where both are 1, `max(a, b)` where one is, and `1.0 - a` the opposite"
                    }
                    _ => "",
                };
                let text =
                    format!("`!`, `&&` and `||` are for what is true or false, and `{}` is {}{hint}", e.text, other.text());
                self.errors.at(self.place(e.place), text);
                None
            }
        }
    }

    fn list_misuse(&mut self, list: ValueId, e: &Expression) {
        let name = &self.values[list].name;
        let text = format!("`{name}` is a list: read one of its tensors, `{name}[0]`, or make one of all, `stack({name}, 0)`");
        self.errors.at(self.place(e.place), text);
    }

    fn name(&mut self, name: &Ident) -> Option<Operand> {
        match self.binding(name) {
            Some(Binding::Value { value, .. }) => Some(Operand::Value(*value)),
            Some(Binding::Number(tokens)) => Some(Operand::Number(tokens.clone())),
            Some(Binding::Flag(tokens)) => Some(Operand::Flag(tokens.clone())),
            Some(Binding::Index(index)) => Some(Operand::Number(Number::unsigned(quote!((#index))))),
            Some(Binding::List { list, .. }) => Some(Operand::List(*list)),
            Some(Binding::Unknown) => None,
            Some(Binding::Element(..)) => {
                self.errors.at(name, format!("`{name}` is a layer: call it, `{name}.forward(x)`"));
                None
            }
            // A constant of the module.
            None if name.to_string().chars().all(|c| c.is_uppercase() || c == '_' || c.is_numeric()) => {
                Some(Operand::Number(Number::constant(name)))
            }
            None => {
                self.unknown_name(name);
                None
            }
        }
    }

    fn binary(&mut self, operator: char, left: &Expression, right: &Expression, e: &Expression) -> Option<Operand> {
        let places = (left, right);
        let (left, right) = (self.expression(left), self.expression(right));
        let (primitive, hint) = match operator {
            '+' => (Primitive::Add, "sum"),
            '-' => (Primitive::Subtract, "difference"),
            '*' => (Primitive::Multiply, "product"),
            _ => (Primitive::Divide, "quotient"),
        };
        match (left?, right?) {
            (Operand::Flag(_), _) => self.no_flag(places.0),
            (_, Operand::Flag(_)) => self.no_flag(places.1),
            (Operand::Number(l), Operand::Number(r)) => self.number(operator, l, r, e),
            (Operand::List(list), _) => {
                self.list_misuse(list, places.0);
                None
            }
            (_, Operand::List(list)) => {
                self.list_misuse(list, places.1);
                None
            }
            (Operand::Tuple(_) | Operand::Absent, _) | (_, Operand::Tuple(_) | Operand::Absent) => self.no_arithmetic(e),
            (left, right) => {
                let arguments = [left, right].into_iter().filter_map(argument).collect();
                self.one(Op::Pointwise(primitive), arguments, hint, e)
            }
        }
    }

    fn intrinsic(
        &mut self,
        intrinsic: Intrinsic,
        operands: Vec<Operand>,
        list: &[&Expression],
        e: &Expression,
    ) -> Option<Operand> {
        // Comparisons of numbers are those of Rust.
        if let (Some(comparison), [Operand::Number(l), Operand::Number(r)]) = (intrinsic.comparison(), operands.as_slice()) {
            let (l, r, comparison) = (&l.tokens, &r.tokens, comparison.parse::<TokenStream>().unwrap_or_default());
            return Some(Operand::Flag(quote!((#l #comparison #r))));
        }
        if let (Intrinsic::Select, [Operand::Flag(flag), Operand::Number(l), Operand::Number(r)]) =
            (intrinsic, operands.as_slice())
        {
            let (l_tokens, r_tokens, whole) = (&l.tokens, &r.tokens, l.whole.clone().with(r.whole.clone()));
            return Some(Operand::Number(Number { tokens: quote!((if #flag { #l_tokens } else { #r_tokens })), whole }));
        }
        let is_ids = |o: &Operand| matches!(o, Operand::Value(v) if self.values[*v].kind == Kind::Ids);
        if intrinsic.comparison().is_some() && operands.iter().any(is_ids) {
            return self.compare_ids(intrinsic, operands, e);
        }
        if let Some(flag) = operands.iter().position(|o| matches!(o, Operand::Flag(_))) {
            return self.no_flag(list[flag]);
        }
        if operands.iter().any(|o| matches!(o, Operand::Tuple(_) | Operand::List(_) | Operand::Absent)) {
            return self.no_arithmetic(e);
        }
        let known = INTRINSICS.iter().find(|(i, _, _)| *i == intrinsic).map_or("value", |(_, n, _)| n);
        let name = if intrinsic.comparison().is_some() { "mask" } else { known };
        if let (Intrinsic::Select, Some(Operand::Number(_))) = (intrinsic, operands.first()) {
            self.errors
                .at(self.place(e.place), "the mask of `select(mask, a, b)` is a tensor, such as `x > 0.0`, and this is a number");
            return None;
        }
        let numbers: Vec<&Number> =
            operands.iter().filter_map(|o| if let Operand::Number(n) = o { Some(n) } else { None }).collect();
        if numbers.len() == operands.len() {
            let method = Ident::new(name, e.place.first());
            let whole = Whole::of_call(intrinsic, numbers.iter().map(|n| n.whole.clone()));
            let numbers = numbers.iter().map(|n| &n.tokens);
            return Some(Operand::Number(Number { tokens: quote!(ivon::Real::#method(#(#numbers),*)), whole }));
        }
        let arguments: Vec<Argument> = operands.into_iter().filter_map(argument).collect();
        if intrinsic == Intrinsic::Powf && arguments.get(1).is_some_and(|a| a.value().is_some()) {
            self.errors.at(self.place(e.place), "the exponent of `powf` is a number: for a tensor write `exp(y * ln(x))`");
            return None;
        }
        self.one(Op::Pointwise(Primitive::Call(intrinsic)), arguments, name, e)
    }

    fn no_arithmetic(&mut self, e: &Expression) -> Option<Operand> {
        self.errors
            .at(self.place(e.place), "arithmetic is for tensors and numbers: name the parts of a tuple with `let (a, b) = ..`");
        None
    }

    fn no_flag(&mut self, e: &Expression) -> Option<Operand> {
        let message = format!("`{}` is true or false: there is no arithmetic with it, give it to an op or a layer", e.text);
        self.errors.at(self.place(e.place), message);
        None
    }

    fn read_field(&mut self, name: &Ident, e: &Expression) -> Option<Operand> {
        let index = self.field(name)?;
        match &self.model.fields[index].kind {
            FieldKind::Setting { ty, .. } if ty == "bool" => Some(Operand::Flag(quote!(self.#name))),
            FieldKind::Setting { ty, .. } if ty == "usize" => Some(Operand::Number(Number::unsigned(quote!(self.#name)))),
            FieldKind::Setting { .. } => Some(Operand::Number(Number::float(quote!(self.#name)))),
            FieldKind::Parameter { shape, when, .. } => {
                if let Some(value) = self.parameters.get(&index) {
                    return Some(Operand::Value(*value));
                }
                let role = Role::Parameter { field: index, optional: when.is_some() };
                let shape = Some(shape.clone());
                let value = self.value(Value { name: crate::names::plain(name), kind: Kind::Float, role, shape, place: e.place });
                self.parameters.insert(index, value);
                Some(Operand::Value(value))
            }
            FieldKind::Buffer { shape, .. } => {
                if let Some(value) = self.parameters.get(&index) {
                    return Some(Operand::Value(*value));
                }
                let (role, shape) = (Role::Buffer { field: index }, Some(shape.clone()));
                let value =
                    self.value(Value { name: crate::names::plain(name), kind: Kind::Buffer, role, shape, place: e.place });
                self.parameters.insert(index, value);
                Some(Operand::Value(value))
            }
            FieldKind::Layer(_) => {
                self.errors.at(e.place, format!("`self.{name}` is a layer: call it, `self.{name}.forward(x)`"));
                None
            }
            FieldKind::Array { .. } => {
                self.errors.at(e.place, format!("`self.{name}` is an array of layers: `for layer in &self.{name} {{ .. }}`"));
                None
            }
        }
    }
}

fn argument(operand: Operand) -> Option<Argument> {
    match operand {
        Operand::Value(v) => Some(Argument::Value(v)),
        Operand::Number(n) => Some(Argument::Number(n.tokens)),
        Operand::Flag(f) => Some(Argument::Flag(f)),
        Operand::Tuple(_) | Operand::List(_) | Operand::Absent => None,
    }
}

/// Puts the numbers of iterations in the place of their names.
struct Indices<'a>(&'a Scope);

impl VisitMut for Indices<'_> {
    fn visit_expr_mut(&mut self, e: &mut syn::Expr) {
        if let syn::Expr::Path(p) = e
            && let Some(Binding::Index(index)) = p.path.get_ident().and_then(|name| self.0.get(name))
        {
            *e = match index {
                syn::Expr::Path(_) => index.clone(),
                _ => syn::parse_quote!((#index)),
            };
            return;
        }
        visit_mut::visit_expr_mut(self, e);
    }
}
