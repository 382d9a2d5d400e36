//! Statements: what a name stands for from here on.

use super::*;
use crate::names;

impl Lower<'_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { pattern, value } => self.bind(pattern, value),
                Statement::Assign { name, value } => self.assign(name, value),
                Statement::For(l) => self.for_loop(l),
                Statement::If(i) => self.if_statement(i),
                Statement::Push { list, value, place, text } => self.push_to(list, value, *place, text),
            }
        }
    }

    fn bind(&mut self, pattern: &Pattern, value: &Expression) {
        let operand = self.expression(value);
        match (pattern, operand) {
            (Pattern::Name(name, mutable), Some(operand)) => {
                let binding = self.named(operand, name, *mutable, value.place);
                self.scope.declare(name, binding);
            }
            (Pattern::Name(name, _), None) => self.scope.declare(name, Binding::Unknown),
            (Pattern::Tuple(names, place), Some(Operand::Tuple(parts))) => {
                if names.len() != parts.len() {
                    self.errors.at(*place, format!("this names {} values, but the expression has {}", names.len(), parts.len()));
                }
                let mut parts = parts.into_iter();
                for name in names {
                    let part = parts.next();
                    let Some((name, mutable)) = name else { continue };
                    let binding = match part {
                        Some(part) => self.named(part, name, *mutable, *place),
                        None => Binding::Unknown,
                    };
                    self.scope.declare(name, binding);
                }
            }
            (Pattern::Tuple(names, place), other) => {
                if other.is_some() {
                    self.errors.at(*place, "this is a tuple, but the expression is a single value");
                }
                names.iter().flatten().for_each(|(name, _)| self.scope.declare(name, Binding::Unknown));
            }
            (Pattern::Ignored, _) => {}
        }
    }

    /// Binds the value of a `let`. A `mut` name belongs to the loop that rebinds it; see `Names`.
    fn named(&mut self, operand: Operand, name: &Ident, mutable: bool, place: Place) -> Binding {
        match &operand {
            Operand::Value(v) if !mutable => self.rename(*v, name),
            Operand::List(v) => self.name_list(*v, name),
            _ => {}
        }
        self.binding_of(operand, mutable, place)
    }

    fn binding_of(&mut self, operand: Operand, mutable: bool, place: Place) -> Binding {
        match operand {
            Operand::Value(value) => Binding::Value { value, mutable },
            Operand::Number(tokens) => Binding::Number(tokens),
            Operand::Flag(tokens) => Binding::Flag(tokens),
            Operand::List(list) => Binding::List { list, mutable },
            Operand::Tuple(_) => {
                self.errors.at(place, "this is a tuple: name its parts, `let (a, b) = ..`");
                Binding::Unknown
            }
            Operand::Absent => {
                self.errors.at(place, "`None` stands for an optional argument of an op, and nowhere else");
                Binding::Unknown
            }
        }
    }

    /// A `let` names the value of its expression, unless that has a name already.
    fn rename(&mut self, value: ValueId, name: &Ident) {
        if self.values[value].role == Role::Local && self.home.is_none() && self.given.insert(value) {
            self.values[value].name = name.to_string();
        }
    }

    fn assign(&mut self, name: &Ident, value: &Expression) {
        let operand = self.expression(value);
        let Some(slot) = self.scope.find(name) else {
            return match self.dims.contains_key(&name.to_string()) {
                true => self.errors.at(name, format!("`{name}` is a dimension and cannot be rebound")),
                false => self.unknown_name(name),
            };
        };
        match *self.scope.at(slot) {
            Binding::Value { value: before, mutable: true } => {
                let binding = match operand {
                    Some(Operand::Value(v)) if self.values[v].kind == self.values[before].kind => {
                        self.rename(v, &Ident::new(&format!("next_{}", names::plain(name)), name.span()));
                        Binding::Value { value: v, mutable: true }
                    }
                    Some(Operand::Value(v)) => {
                        let [was, is] = [before, v].map(|v| self.values[v].kind.text());
                        self.errors.at(self.place(value.place), format!("`{name}` is {was}, and this is {is}"));
                        Binding::Unknown
                    }
                    Some(other) => {
                        let found = match other {
                            Operand::Number(_) => "a number",
                            Operand::Flag(_) => "true or false",
                            Operand::Tuple(_) => "a tuple",
                            Operand::List(_) => "a list",
                            Operand::Value(_) | Operand::Absent => "`None`",
                        };
                        let text = format!("`{name}` is a tensor, and this is {found}: bind it to a new name with `let`");
                        self.errors.at(self.place(value.place), text);
                        Binding::Unknown
                    }
                    None => Binding::Unknown,
                };
                self.scope.set(slot, binding);
            }
            Binding::Value { .. } => {
                self.errors.at(name, format!("`{name}` cannot be rebound: declare it with `let mut {name} = ..`"));
            }
            Binding::Unknown => {}
            Binding::List { .. } => self.errors.at(name, format!("`{name}` is a list, which is filled with `{name}.push(x);`")),
            _ => self.errors.at(name, format!("`{name}` is no tensor and cannot be rebound")),
        }
    }
}
