//! Which variable a name stands for, as Rust scopes it: a `let` makes a new variable until the end of its block, an assignment changes one.

use super::Binding;
use crate::hygiene::Variable;
use crate::parse::{Pattern, Statement};
use proc_macro2::Ident;

/// A variable: an index into [`Scope::bindings`].
pub type Slot = usize;

#[derive(Default)]
pub struct Scope {
    /// Innermost last.
    names: Vec<(Variable, Slot)>,
    /// The value of each variable now.
    bindings: Vec<Binding>,
}

impl Scope {
    /// A new variable, which hides others of its name.
    pub fn declare(&mut self, name: &Ident, binding: Binding) {
        self.names.push((Variable::of(name), self.bindings.len()));
        self.bindings.push(binding);
    }

    pub fn find(&self, name: &Ident) -> Option<Slot> {
        let wanted = Variable::of(name);
        self.names.iter().rev().find(|(known, _)| *known == wanted).map(|(_, slot)| *slot)
    }

    pub fn get(&self, name: &Ident) -> Option<&Binding> {
        self.find(name).map(|slot| &self.bindings[slot])
    }

    pub fn at(&self, slot: Slot) -> &Binding {
        &self.bindings[slot]
    }

    pub fn set(&mut self, slot: Slot, binding: Binding) {
        self.bindings[slot] = binding;
    }

    /// The start of a block: to be given to [`Scope::leave`].
    pub fn enter(&self) -> usize {
        self.names.len()
    }

    /// The end of a block: what was declared in it is gone.
    pub fn leave(&mut self, block: usize) {
        self.names.truncate(block);
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(variable, _)| variable.name.as_str())
    }

    /// The variables from outside that the statements of a block rebind, in order of appearance, those of inner loops included.
    pub fn rebound(&self, statements: &[Statement]) -> Vec<Ident> {
        let mut names = vec![];
        rebound(statements, &mut vec![], &mut names);
        names
    }
}

/// `declared`: variables of the block itself, up to the statement at hand.
fn rebound(statements: &[Statement], declared: &mut Vec<Variable>, names: &mut Vec<Ident>) {
    let block = declared.len();
    for statement in statements {
        match statement {
            Statement::Let { pattern, .. } => declared.extend(pattern.names().map(Variable::of)),
            Statement::Assign { name, .. } => {
                let variable = Variable::of(name);
                if !declared.contains(&variable) && !names.iter().any(|known| Variable::of(known) == variable) {
                    names.push(name.clone());
                }
            }
            Statement::For { variable, body, .. } => {
                declared.push(Variable::of(variable));
                rebound(body, declared, names);
                declared.pop();
            }
        }
    }
    declared.truncate(block);
}

impl Pattern {
    fn names(&self) -> impl Iterator<Item = &Ident> {
        let names: Vec<&Ident> = match self {
            Pattern::Name(name, _) => vec![name],
            Pattern::Tuple(names, _) => names.iter().flatten().map(|(name, _)| name).collect(),
            Pattern::Ignored => vec![],
        };
        names.into_iter()
    }
}
