//! Loops, branches and lists: shapes are the same in each iteration, in each block and of each tensor of a list.

use super::Checker;
use crate::dims::{Shape, show};
use crate::ir::*;

impl Checker<'_> {
    pub(super) fn check_loop(&self, l: &mut Loop, results: &[ValueId], values: &mut Vec<Value>) {
        for (first, second, place) in &l.lengths {
            let text = format!(
                "`zip` goes over {first} and {second}: both must have one length, or the rest of the longer one is left out"
            );
            if !self.same(first, second, *place, &text) {
                self.errors.at(*place, text);
            }
        }
        for c in &l.carried {
            values[c.turn].shape = values[c.start].shape.clone();
        }
        self.instructions(&mut l.body, values);
        for (c, result) in l.carried.iter().zip(results) {
            if let (Some(before), Some(after)) = (&values[c.turn].shape, &values[c.next].shape)
                && !self.same_shape(before, after, values[c.next].place)
            {
                let text = format!(
                    "`{}` is {} before the loop but {} after one turn: a loop keeps shapes",
                    c.name,
                    show(before),
                    show(after)
                );
                self.errors.at(values[c.next].place, text);
                continue;
            }
            values[*result].shape = values[c.turn].shape.clone();
        }
    }

    pub(super) fn check_branch(&self, b: &mut Branch, results: &[ValueId], values: &mut Vec<Value>) {
        self.instructions(&mut b.then.body, values);
        self.instructions(&mut b.otherwise.body, values);
        for ((then, otherwise), result) in b.then.results.iter().zip(&b.otherwise.results).zip(results) {
            let place = values[*result].place;
            let (Some(a), Some(b)) = (&values[*then].shape, &values[*otherwise].shape) else { continue };
            if !self.same_shape(a, b, place) {
                let (a, b) = (show(a), show(b));
                self.errors.at(place, format!("this is {a} where the condition holds, and {b} where not: an `if` has one shape"));
                continue;
            }
            values[*result].shape = Some(a.clone());
        }
    }

    /// `list.push(x)`: the first tensor that a list gets says what shape they have.
    pub(super) fn push(&self, instruction: &Instruction, values: &mut [Value]) {
        let [list, pushed] = instruction.arguments.iter().filter_map(Argument::value).collect::<Vec<_>>()[..] else { return };
        let place = instruction.place;
        if values[pushed].kind != Kind::Float || matches!(values[pushed].role, Role::Parameter { optional: true, .. }) {
            let text = format!("`{}` holds tensors of numbers, and this is {}", values[list].name, values[pushed].kind.text());
            return self.errors.at(place, text);
        }
        let Some(found) = values[pushed].shape.clone() else { return };
        if let Some(counter) = found.iter().flat_map(|d| d.names()).find(|n| self.counters.contains(*n)) {
            let text = format!("this is {}, which changes with `{counter}`: the tensors of a list have one shape", show(&found));
            return self.errors.at(place, text);
        }
        match &values[list].shape {
            None => values[list].shape = Some(found),
            Some(known) if !self.same_shape(known, &found, place) => {
                let (name, known, found) = (&values[list].name, show(known), show(&found));
                self.errors.at(
                    place,
                    format!("`{name}` has tensors of shape {known}, and this is {found}: those of a list have one shape"),
                );
            }
            Some(_) => {}
        }
    }

    /// `list[i]`
    pub(super) fn item(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        let list = instruction.arguments.first().and_then(Argument::value)?;
        let shape = values[list].shape.clone();
        if shape.is_none() && self.errors.is_empty() {
            let name = &values[list].name;
            self.errors.at(instruction.place, format!("nothing is in `{name}` here: fill it before, `{name}.push(x);`"));
        }
        shape
    }
}
