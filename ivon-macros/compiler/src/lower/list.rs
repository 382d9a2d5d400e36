//! Lists: tensors of one shape that a pass collects.

use super::*;
use crate::dims::Dim;
use crate::parse::If;
use syn::Expr;

/// A list at a point of a pass.
#[derive(Clone)]
pub struct List {
    /// The number of its tensors; `None` if that depends on the iteration of a loop.
    length: Option<Dim>,
    /// True inside a loop that fills it.
    open: bool,
}

/// The lists as they were before a loop.
pub struct Before(BTreeMap<ValueId, List>);

impl Lower<'_> {
    /// `Vec::new()`
    pub(super) fn new_list(&mut self, e: &Expression) -> Option<Operand> {
        let list = *self.push(Op::List, vec![], "list", 1, e).first()?;
        self.values[list].kind = Kind::List;
        self.lists.insert(list, List { length: Some(Dim::default()), open: false });
        Some(Operand::List(list))
    }

    /// A list goes by the name of its `let`.
    pub(super) fn name_list(&mut self, list: ValueId, name: &Ident) {
        if self.given.insert(list) {
            self.values[list].name = name.to_string();
        } else {
            self.errors.at(name, format!("`{}` is a list, which has one name", self.values[list].name));
        }
    }

    /// `list.push(x);`
    pub(super) fn push_to(&mut self, name: &Ident, value: &Expression, place: Place, text: &str) {
        let tensor = self.tensor(value);
        let Some(list) = self.list(name) else { return };
        if let Some(Binding::List { mutable: false, .. }) = self.binding(name) {
            self.errors.at(name, format!("`{name}` cannot be changed: declare it with `let mut {name} = Vec::new();`"));
        }
        let Some(tensor) = tensor else { return };
        if let Some(length) = self.lists.get_mut(&list).and_then(|l| l.length.as_mut()) {
            *length = length.plus(&Dim::constant(1));
        }
        self.body.push(Instruction {
            op: Op::Push,
            arguments: vec![Argument::Value(list), Argument::Value(tensor)],
            argument_places: vec![place, self.place(value.place)],
            results: vec![],
            place,
            text: text.to_string(),
            saved: format!("{}_push", crate::names::plain(name)),
        });
    }

    /// `list[i]`
    pub(super) fn item(&mut self, name: &Ident, index: &Expr, e: &Expression) -> Option<Operand> {
        let index = self.dimensions([index])?.pop()?;
        let list = self.list(name)?;
        let place = self.errors.take(Dim::parse(&index, &mut vec![]))?;
        if let (Some(place), Some(length)) =
            (place.as_number(), self.lists.get(&list).filter(|l| !l.open).and_then(|l| l.length.as_ref()?.as_number()))
            && place >= length
        {
            self.errors.at(e.place, format!("`{name}` has {length} tensors, counted from 0: there is no `{name}[{place}]`"));
            return None;
        }
        let hint = format!("{}_item", crate::names::plain(name));
        Some(Operand::Value(self.push_item(list, index, hint, e.place, e.text.clone())))
    }

    /// One tensor of a list.
    pub(super) fn push_item(&mut self, list: ValueId, index: Expr, name: String, place: Place, text: String) -> ValueId {
        let saved = name.clone();
        let item = self.value(Value { name, kind: Kind::Float, role: Role::Local, shape: None, place });
        self.body.push(Instruction {
            op: Op::Item(index),
            arguments: vec![Argument::Value(list)],
            argument_places: vec![place],
            results: vec![item],
            place,
            text,
            saved,
        });
        item
    }

    /// `stack(list, axis)`
    pub(super) fn stack_list(&mut self, name: &Ident, axis: &Expr, e: &Expression) -> Option<Operand> {
        if let Some(Binding::Value { .. }) = self.binding(name) {
            self.errors.at(e.place, format!("`{name}` is a tensor: `stack` takes a list, `Vec::new()`, or `stack([{name}], 0)`"));
            return None;
        }
        let list = self.list(name)?;
        let length = self.length(list, e.place)?;
        self.one(Op::Stack(axis.clone(), length), vec![Argument::Value(list)], "stacked", e)
    }

    /// The list of this name.
    fn list(&mut self, name: &Ident) -> Option<ValueId> {
        match self.binding(name).cloned() {
            Some(Binding::List { list, .. }) => Some(list),
            Some(Binding::Unknown) => None,
            Some(Binding::Value { .. }) => {
                let text = format!(
                    "`{name}` is a tensor, not a list: tensors are collected in a `let mut list = Vec::new();`, and `{name}.at(0, i)` reads one place"
                );
                self.errors.at(name, text);
                None
            }
            Some(_) => {
                self.errors.at(name, format!("`{name}` is no list: tensors are collected in a `let mut list = Vec::new();`"));
                None
            }
            None => {
                self.unknown_name(name);
                None
            }
        }
    }

    /// The number of tensors of a list that is read as a whole.
    pub(super) fn length(&mut self, list: ValueId, place: Place) -> Option<Dim> {
        let name = &self.values[list].name;
        match self.lists.get(&list)? {
            List { open: true, .. } => {
                self.errors.at(
                    place,
                    format!("`{name}` is being filled by this loop: read it as a whole after the loop, or `{name}[i]`"),
                );
                None
            }
            List { length: None, .. } => {
                let text =
                    format!("how many tensors `{name}` has depends on the iteration of a loop: push as many in each of them");
                self.errors.at(place, text);
                None
            }
            List { length: Some(length), .. } if *length == Dim::default() => {
                self.errors.at(place, format!("`{name}` is empty here: fill it before, `{name}.push(x);`"));
                None
            }
            List { length: Some(length), .. } => Some(length.clone()),
        }
    }

    /// The lists from outside that statements fill.
    pub(super) fn pushed(&self, statements: &[Statement]) -> BTreeSet<ValueId> {
        let mut names = vec![];
        pushes(statements, &mut names);
        let list = |name: &Ident| match self.binding(name) {
            Some(Binding::List { list, .. }) => Some(*list),
            _ => None,
        };
        names.iter().filter_map(list).collect()
    }

    /// Before the body of a loop that fills these lists.
    pub(super) fn open(&mut self, lists: &BTreeSet<ValueId>) -> Before {
        let before = Before(self.lists.clone());
        lists.iter().filter_map(|list| self.lists.get_mut(list).map(|l| l.open = true)).count();
        before
    }

    /// After it: what one iteration has pushed was pushed as often as there are iterations.
    pub(super) fn close(&mut self, before: Before, count: &Dim, counter: Option<&Counter>) {
        for (list, before) in before.0 {
            let Some(after) = self.lists.get(&list).and_then(|l| l.length.clone()) else { continue };
            let length = before.length.as_ref().and_then(|start| {
                let pushed = after.minus(start);
                let varies = counter.is_some_and(|c| pushed.names().any(|name| c.index == name));
                (!varies).then(|| start.plus(&pushed.times(count)))
            });
            self.lists.insert(list, List { length, ..before });
        }
    }

    /// The lengths of all lists.
    pub(super) fn lengths(&self) -> BTreeMap<ValueId, Option<Dim>> {
        self.lists.iter().map(|(list, l)| (*list, l.length.clone())).collect()
    }

    /// Sets them back to what they were.
    pub(super) fn restore(&mut self, lengths: &BTreeMap<ValueId, Option<Dim>>) {
        for (list, length) in lengths {
            if let Some(l) = self.lists.get_mut(list) {
                l.length = length.clone();
            }
        }
    }
}

/// The names that are pushed to.
fn pushes(statements: &[Statement], names: &mut Vec<Ident>) {
    let of_if = |i: &If, names: &mut Vec<Ident>| {
        pushes(&i.then.statements, names);
        i.otherwise.iter().for_each(|b| pushes(&b.statements, names));
    };
    for statement in statements {
        match statement {
            Statement::Push { list, .. } => names.push(list.clone()),
            Statement::For(l) => pushes(&l.body, names),
            Statement::If(i) => of_if(i, names),
            Statement::Let { value, .. } | Statement::Assign { value, .. } => {
                if let ExpressionKind::If(i) = &value.kind {
                    of_if(i, names);
                }
            }
        }
    }
}
