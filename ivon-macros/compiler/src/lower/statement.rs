//! Statements: what a name stands for from here on, and loops over layers.

use super::*;

impl Lower<'_> {
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { pattern, value } => self.binding(pattern, value),
                Statement::Assign { name, value } => self.assign(name, value),
                Statement::For { variable, field, body, place } => self.for_loop(variable, field, body, *place),
            }
        }
    }

    fn binding(&mut self, pattern: &Pattern, value: &Expression) {
        let operand = self.expression(value);
        match (pattern, operand) {
            (Pattern::Name(name, mutable), Some(operand)) => {
                // A `mut` name belongs to the loop that rebinds it; see `Names`.
                if let (Operand::Value(v), false) = (&operand, *mutable) {
                    self.rename(*v, name);
                }
                let binding = self.binding_of(operand, *mutable, value.place);
                self.bind(name, binding);
            }
            (Pattern::Name(name, _), None) => self.bind(name, Binding::Unknown),
            (Pattern::Tuple(names, place), Some(Operand::Tuple(parts))) => {
                if names.len() != parts.len() {
                    self.errors.at(*place, format!("this names {} values, but the expression has {}", names.len(), parts.len()));
                }
                let mut parts = parts.into_iter();
                for name in names {
                    let part = parts.next();
                    let Some(name) = name else { continue };
                    let binding = match part {
                        Some(part) => {
                            if let Operand::Value(v) = part {
                                self.rename(v, name);
                            }
                            self.binding_of(part, false, *place)
                        }
                        None => Binding::Unknown,
                    };
                    self.bind(name, binding);
                }
            }
            (Pattern::Tuple(names, place), other) => {
                if other.is_some() {
                    self.errors.at(*place, "this is a tuple, but the expression is a single value");
                }
                names.iter().flatten().for_each(|name| self.bind(name, Binding::Unknown));
            }
            (Pattern::Ignored, _) => {}
        }
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
        match self.scope.get(&name.to_string()) {
            Some(Binding::Value { mutable: true, .. }) => {
                if let Some(Operand::Value(v)) = &operand {
                    self.rename(*v, &Ident::new(&format!("next_{name}"), name.span()));
                }
                let binding = match operand {
                    Some(operand) => self.binding_of(operand, true, value.place),
                    None => Binding::Unknown,
                };
                self.bind(name, binding);
            }
            Some(Binding::Value { .. }) => {
                self.errors.at(name, format!("`{name}` cannot be rebound: declare it with `let mut {name} = ..`"));
            }
            Some(Binding::Unknown) => {}
            Some(_) => self.errors.at(name, format!("`{name}` is no tensor and cannot be rebound")),
            None => self.unknown_name(name),
        }
    }

    fn for_loop(&mut self, variable: &Ident, field: &Ident, statements: &[Statement], place: Place) {
        let Some(index) = self.field(field) else { return };
        if !matches!(self.model.fields[index].kind, FieldKind::Array { .. }) {
            self.errors.at(place, format!("`{field}` is no array: a loop goes over `[Layer<..>; COUNT]`"));
            return;
        }
        let before = self.scope.clone();
        let mut carried = vec![];
        for name in rebound(statements) {
            // Anything else that is rebound is reported by `assign`.
            let Some(Binding::Value { value: start, mutable: true }) = before.get(&name).cloned() else { continue };
            let Value { kind, place, .. } = self.values[start];
            let turn = self.value(Value { name: name.clone(), kind, role: Role::Carried, shape: None, place });
            self.scope.insert(name.clone(), Binding::Value { value: turn, mutable: true });
            carried.push(Carried { start, turn, next: turn, name });
        }
        self.bind(variable, Binding::Element(index));
        let outer = std::mem::take(&mut self.body);
        self.statements(statements);
        let body = std::mem::replace(&mut self.body, outer);
        let mut results = vec![];
        let after = std::mem::replace(&mut self.scope, before);
        for c in &mut carried {
            if let Some(Binding::Value { value, .. }) = after.get(&c.name) {
                c.next = *value;
            }
            let Value { kind, place, .. } = self.values[c.turn];
            let name = self.values[c.turn].name.clone();
            let result = self.value(Value { name, kind, role: Role::Carried, shape: None, place });
            self.scope.insert(c.name.clone(), Binding::Value { value: result, mutable: true });
            results.push(result);
        }
        if rebound(statements).is_empty() {
            self.errors.at(
                place,
                format!("this loop changes nothing: rebind a value in it, `x = {variable}.forward(x);` with `let mut x` before"),
            );
        }
        let saved = field.to_string();
        let text = format!("for {variable} in &self.{field}");
        self.body.push(Instruction {
            op: Op::Loop(Loop { field: index, variable: variable.clone(), carried, body }),
            arguments: vec![],
            argument_places: vec![],
            results,
            place,
            text,
            saved,
        });
    }
}

/// Names that statements rebind, in order of appearance, those of inner loops included.
fn rebound(statements: &[Statement]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    let mut own: Vec<String> = vec![];
    for statement in statements {
        match statement {
            Statement::Let { pattern: Pattern::Name(name, _), .. } => own.push(name.to_string()),
            Statement::Let { .. } => {}
            Statement::Assign { name, .. } => names.push(name.to_string()),
            Statement::For { body, .. } => names.extend(rebound(body)),
        }
    }
    let mut seen = vec![];
    names.retain(|n| {
        !own.contains(n) && !seen.contains(n) && {
            seen.push(n.clone());
            true
        }
    });
    names
}
