//! Statements: what a name stands for from here on, and loops over layers.

use super::*;
use crate::names;

impl Lower<'_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { pattern, value } => self.bind(pattern, value),
                Statement::Assign { name, value } => self.assign(name, value),
                Statement::For { variable, field, body, place } => self.for_loop(variable, field, body, *place),
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
        if let (Operand::Value(v), false) = (&operand, mutable) {
            self.rename(*v, name);
        }
        self.binding_of(operand, mutable, place)
    }

    fn binding_of(&mut self, operand: Operand, mutable: bool, place: Place) -> Binding {
        match operand {
            Operand::Value(value) => Binding::Value { value, mutable },
            Operand::Number(tokens) => Binding::Number(tokens),
            Operand::Flag(tokens) => Binding::Flag(tokens),
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
            _ => self.errors.at(name, format!("`{name}` is no tensor and cannot be rebound")),
        }
    }

    fn for_loop(&mut self, variable: &Ident, field: &Ident, statements: &[Statement], place: Place) {
        let Some(index) = self.field(field) else { return };
        if !matches!(self.model.fields[index].kind, FieldKind::Array { .. }) {
            self.errors.at(place, format!("`{field}` is no array: a loop goes over `[Layer<..>; COUNT]`"));
            return;
        }
        let rebound = self.scope.rebound(statements);
        if rebound.is_empty() {
            self.errors.at(
                place,
                format!("this loop changes nothing: rebind a value in it, `x = {variable}.forward(x);` with `let mut x` before"),
            );
        }
        let mut carried = vec![];
        for name in rebound {
            // Anything else that is rebound is reported by `assign`.
            let Some(slot) = self.scope.find(&name) else { continue };
            let Binding::Value { value: start, mutable: true } = *self.scope.at(slot) else { continue };
            let Value { kind, place, role, .. } = self.values[start];
            if kind == Kind::Buffer || matches!(role, Role::Parameter { optional: true, .. }) {
                self.errors.at(&name, format!("`{name}` is no tensor that a loop can rebind: it may be absent, or is a buffer"));
                self.scope.set(slot, Binding::Unknown);
                continue;
            }
            let name = name.to_string();
            let turn = self.value(Value { name: name.clone(), kind, role: Role::Carried, shape: None, place });
            self.scope.set(slot, Binding::Value { value: turn, mutable: true });
            carried.push((slot, Carried { start, turn, next: turn, name }));
        }
        let outer = std::mem::take(&mut self.body);
        let block = self.scope.enter();
        // The names of loops within each other differ, whether or not one hides the other.
        let named = (1..).map(|i| names::numbered(variable, i)).find(|name| !self.loops.contains(name));
        let named = named.unwrap_or_else(|| variable.clone());
        self.loops.push(named.clone());
        self.scope.declare(variable, Binding::Element(index, named.clone()));
        self.statements(statements);
        self.scope.leave(block);
        self.loops.pop();
        let body = std::mem::replace(&mut self.body, outer);
        let mut results = vec![];
        for (slot, c) in &mut carried {
            if let Binding::Value { value, .. } = self.scope.at(*slot) {
                c.next = *value;
            }
            let Value { kind, place, .. } = self.values[c.turn];
            let name = self.values[c.turn].name.clone();
            let result = self.value(Value { name, kind, role: Role::Carried, shape: None, place });
            self.scope.set(*slot, Binding::Value { value: result, mutable: true });
            results.push(result);
        }
        let carried = carried.into_iter().map(|(_, c)| c).collect();
        let saved = field.to_string();
        let text = format!("for {variable} in &self.{field}");
        self.body.push(Instruction {
            op: Op::Loop(Loop { field: index, variable: named, carried, body }),
            arguments: vec![],
            argument_places: vec![],
            results,
            place,
            text,
            saved,
        });
    }
}
