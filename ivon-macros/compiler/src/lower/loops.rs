//! Loops: over arrays of layers, ranges and lists, alone, in pairs, numbered or in reverse.

use super::*;
use crate::dims::Dim;
use crate::names;
use crate::parse::{For, Iterable, IterableKind, LoopPattern};
use syn::Expr;

/// The number of iterations of a loop.
struct Count {
    expr: Expr,
    dim: Dim,
}

/// The meaning of a name of the pattern.
#[allow(clippy::large_enum_variant)] // there are few of them
enum Leaf {
    Layer { field: usize, variable: Option<Ident> },
    Item { list: ValueId, name: Ident },
    Index { name: Ident, start: Expr },
}

impl Lower<'_> {
    pub(super) fn for_loop(&mut self, l: &For) {
        let mut lengths = vec![];
        let Some(count) = self.count(&l.over, &mut lengths) else { return };
        let mut leaves = vec![];
        let bound = l.pattern.names();
        if let Some(again) = bound.iter().enumerate().find(|(i, name)| bound[..*i].contains(name)) {
            return self.errors.at(*again.1, format!("`{}` is bound twice by this loop", again.1));
        }
        if self.leaves(&l.pattern, &l.over, false, &mut leaves).is_none() {
            return;
        }
        let (rebound, pushed) = (self.scope.rebound(&l.body), self.pushed(&l.body));
        let walked = leaves.iter().find_map(|(leaf, _)| if let Leaf::Item { list, .. } = leaf { Some(*list) } else { None });
        if let Some(list) = walked.filter(|list| pushed.contains(list)) {
            let name = &self.values[list].name;
            return self.errors.at(l.place, format!("this loop goes over `{name}` and pushes to it: fill another list"));
        }
        if rebound.is_empty() && pushed.is_empty() {
            let layer = leaves.iter().find_map(|(leaf, _)| match leaf {
                Leaf::Layer { variable, .. } => variable.as_ref(),
                _ => None,
            });
            let example = layer.map_or("x = self.cell.forward(x);".into(), |variable| format!("x = {variable}.forward(x);"));
            let text = format!("this loop changes nothing: rebind a value in it, `{example}` with `let mut x` before");
            self.errors.at(l.place, text);
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
        let around = self.loops.len();
        let lists = self.open(&pushed);
        let (elements, counter) = self.bind_leaves(leaves, &count, l);
        let saved = match elements.first() {
            Some(element) => self.model.fields[element.field].name.to_string(),
            None => format!("for_{}", counter.as_ref().map_or("each".into(), |c: &Counter| names::plain(&c.index))),
        };
        self.statements(&l.body);
        self.scope.leave(block);
        self.loops.truncate(around);
        self.close(lists, &count.dim, counter.as_ref());
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
        let op = Op::Loop(Loop { elements, counter, lengths, carried, body });
        let (text, place) = (l.text.clone(), l.place);
        self.body.push(Instruction { op, arguments: vec![], argument_places: vec![], results, place, text, saved });
    }

    /// The number of iterations. Arrays that are walked in pairs have one length, which is checked later.
    fn count(&mut self, over: &Iterable, lengths: &mut Vec<(Dim, Dim, Place)>) -> Option<Count> {
        match &over.kind {
            IterableKind::Reversed(inner) | IterableKind::Enumerated(inner) => self.count(inner, lengths),
            IterableKind::Zip(pair) => {
                let (first, second) = (self.count(&pair.0, lengths), self.count(&pair.1, lengths));
                let (first, second) = (first?, second?);
                lengths.push((first.dim.clone(), second.dim, over.place));
                Some(first)
            }
            IterableKind::Field(field) => {
                let index = self.field(field)?;
                let FieldKind::Array { count, .. } = &self.model.fields[index].kind else {
                    self.errors.at(over.place, format!("`{field}` is no array: a loop goes over `[Layer<..>; COUNT]`"));
                    return None;
                };
                // A mistake in a length is reported at the field.
                Some(Count { expr: count.clone(), dim: Dim::parse(count, &mut vec![]).ok()? })
            }
            IterableKind::Name(name) => match self.binding(name).cloned() {
                Some(Binding::List { list, .. }) => {
                    let dim = self.length(list, over.place)?;
                    Some(Count { expr: syn::parse_str(&dim.to_string()).ok()?, dim })
                }
                Some(Binding::Unknown) => None,
                Some(Binding::Value { .. }) => {
                    let text =
                        format!("`{name}` is a tensor: a loop goes over a range, `for t in 0..T`, and reads `{name}.at(0, t)`");
                    self.errors.at(over.place, text);
                    None
                }
                Some(_) => {
                    self.errors.at(over.place, parse::LOOPS);
                    None
                }
                None => {
                    self.unknown_name(name);
                    None
                }
            },
            IterableKind::Range(start, end) => {
                let bounds = self.dimensions([start, end])?;
                let [start, end] = <[Expr; 2]>::try_from(bounds).ok()?;
                let mut divisions = vec![];
                let dims = [&start, &end].map(|e| self.errors.take(Dim::parse(e, &mut divisions)));
                let [Some(from), Some(to)] = dims else { return None };
                if let Some(division) = divisions.first() {
                    self.errors
                        .at(division.span, "a range ends at a whole number: write `floor(a / b)`, or a dimension of its own");
                    return None;
                }
                let expr = if from == Dim::default() { end } else { syn::parse_quote!(#end - #start) };
                Some(Count { expr, dim: to.minus(&from) })
            }
        }
    }

    /// Finds the meaning of each name of the pattern.
    fn leaves(&mut self, pattern: &LoopPattern, over: &Iterable, reversed: bool, leaves: &mut Vec<(Leaf, bool)>) -> Option<()> {
        let pair = || match pattern {
            LoopPattern::Pair(pair, _) => Some(&**pair),
            LoopPattern::Ignored => Some(&(LoopPattern::Ignored, LoopPattern::Ignored)),
            LoopPattern::Name(name) => {
                self.errors.at(name, "`zip` and `enumerate` give pairs: name both parts, `(first, second)`");
                None
            }
        };
        let name = || match pattern {
            LoopPattern::Name(name) => Some(Some(name.clone())),
            LoopPattern::Ignored => Some(None),
            LoopPattern::Pair(_, place) => {
                self.errors.at(*place, "this is a pair, but the loop goes over single values: `zip` and `enumerate` give pairs");
                None
            }
        };
        let zero: Expr = syn::parse_quote!(0);
        match &over.kind {
            IterableKind::Reversed(inner) => self.leaves(pattern, inner, !reversed, leaves)?,
            IterableKind::Enumerated(inner) => {
                let (index, rest) = pair()?;
                match index {
                    LoopPattern::Name(name) => leaves.push((Leaf::Index { name: name.clone(), start: zero }, reversed)),
                    LoopPattern::Ignored => {}
                    LoopPattern::Pair(_, place) => {
                        self.errors.at(*place, "`enumerate` gives a number and what it counts: `(i, block)`");
                        return None;
                    }
                }
                self.leaves(rest, inner, reversed, leaves)?;
            }
            IterableKind::Zip(both) => {
                let (first, second) = pair()?;
                self.leaves(first, &both.0, reversed, leaves)?;
                self.leaves(second, &both.1, reversed, leaves)?;
            }
            IterableKind::Field(field) => {
                let variable = name()?;
                let field = self.field(field)?;
                leaves.push((Leaf::Layer { field, variable }, reversed));
            }
            IterableKind::Name(list) => {
                if let (Some(name), Some(Binding::List { list, .. })) = (name()?, self.binding(list)) {
                    leaves.push((Leaf::Item { list: *list, name }, reversed));
                }
            }
            IterableKind::Range(start, _) => {
                if let Some(name) = name()? {
                    let start = self.dimensions([start])?.pop()?;
                    leaves.push((Leaf::Index { name, start }, reversed));
                }
            }
        }
        Some(())
    }

    /// Declares the names of a loop. A loop over layers alone needs no counter.
    fn bind_leaves(&mut self, leaves: Vec<(Leaf, bool)>, count: &Count, l: &For) -> (Vec<Element>, Option<Counter>) {
        let alone = leaves.len() == 1;
        let layers = leaves.iter().any(|(leaf, _)| matches!(leaf, Leaf::Layer { .. }));
        let counted = !layers || leaves.iter().any(|(leaf, _)| !matches!(leaf, Leaf::Layer { .. }));
        let index = leaves.iter().find_map(|(leaf, reversed)| match leaf {
            Leaf::Index { name, start } => Some((name.clone(), start.clone(), *reversed)),
            _ => None,
        });
        let counter = counted.then(|| {
            let hidden = || (Ident::new("i", l.place.first()), syn::parse_quote!(0), leaves.first().is_some_and(|(_, r)| *r));
            let (name, start, reversed) = index.unwrap_or_else(hidden);
            let index = self.variable(&name);
            let end: Expr = match &l.over.innermost().kind {
                IterableKind::Range(_, end) if alone => {
                    self.dimensions([end]).and_then(|mut e| e.pop()).unwrap_or(count.expr.clone())
                }
                _ => count.expr.clone(),
            };
            let start = if alone { start } else { syn::parse_quote!(0) };
            Counter { index, start, end, reversed }
        });
        // The place of what is walked this way.
        let place = |reversed: bool| -> Expr {
            let count = &count.expr;
            match &counter {
                Some(Counter { index, reversed: of_counter, .. }) if *of_counter == reversed => syn::parse_quote!(#index),
                Some(Counter { index, .. }) => syn::parse_quote!((#count) - 1 - #index),
                None => syn::parse_quote!(0),
            }
        };
        let mut elements = vec![];
        for (leaf, reversed) in leaves {
            match leaf {
                Leaf::Index { name, start } => {
                    let place = place(reversed);
                    let zero = alone || Dim::parse(&start, &mut vec![]).is_ok_and(|d| d == Dim::default());
                    let index = if zero { place } else { syn::parse_quote!(#start + #place) };
                    self.scope.declare(&name, Binding::Index(index));
                }
                Leaf::Item { list, name } => {
                    let (place, text) = (place(reversed), l.text.clone());
                    let item = self.push_item(list, place, name.to_string(), l.place, text);
                    self.scope.declare(&name, Binding::Value { value: item, mutable: false });
                }
                Leaf::Layer { field, variable } => {
                    let name = variable.clone().unwrap_or_else(|| Ident::new("_layer", l.place.first()));
                    let named = self.loop_variable(&name);
                    if let Some(variable) = &variable {
                        self.scope.declare(variable, Binding::Element(field, named.clone()));
                    }
                    elements.push(Element { field, variable: named, reversed });
                }
            }
        }
        (elements, counter)
    }

    /// The names of loops within each other differ, whether or not one hides the other.
    fn loop_variable(&mut self, name: &Ident) -> Ident {
        let named = (1..).map(|i| names::numbered(name, i)).find(|name| !self.loops.contains(name));
        let named = named.unwrap_or_else(|| name.clone());
        self.loops.push(named.clone());
        named
    }

    /// A variable of generated code that is called what it is called here, or by a number after it.
    pub(super) fn variable(&mut self, name: &Ident) -> Ident {
        let free = |n: &Ident| !self.loops.contains(n) && !self.taken.contains(&names::plain(n));
        let named = (1..).map(|i| names::numbered(name, i)).find(free).unwrap_or_else(|| name.clone());
        self.loops.push(named.clone());
        if !self.variables.contains(&named) {
            self.variables.push(named.clone());
        }
        named
    }
}

impl Iterable {
    /// Itself, without `rev` and `enumerate` around it.
    fn innermost(&self) -> &Iterable {
        match &self.kind {
            IterableKind::Reversed(inner) | IterableKind::Enumerated(inner) => inner.innermost(),
            _ => self,
        }
    }
}
