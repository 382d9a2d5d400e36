//! Which variable a name stands for, as Rust scopes it: a `let` makes a new variable until the end of its block, an assignment changes one.

use super::Binding;
use crate::hygiene::Variable;
use crate::parse::{Condition, If, LoopPattern, Pattern, Statement};
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

    /// The same for the blocks of an `if`.
    pub fn rebound_in(&self, i: &If) -> Vec<Ident> {
        let mut names = vec![];
        rebound_in(i, &mut vec![], &mut names);
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
            Statement::Push { .. } => {}
            Statement::For(l) => {
                let outside = declared.len();
                declared.extend(l.pattern.names().into_iter().map(Variable::of));
                rebound(&l.body, declared, names);
                declared.truncate(outside);
            }
            Statement::If(i) => rebound_in(i, declared, names),
        }
    }
    declared.truncate(block);
}

/// The same of both blocks of an `if`.
fn rebound_in(i: &If, declared: &mut Vec<Variable>, names: &mut Vec<Ident>) {
    let outside = declared.len();
    if let Condition::Present { variable, .. } = &i.condition {
        declared.push(Variable::of(variable));
    }
    rebound(&i.then.statements, declared, names);
    declared.truncate(outside);
    i.otherwise.iter().for_each(|b| rebound(&b.statements, declared, names));
}

impl LoopPattern {
    /// The names that it binds.
    pub fn names(&self) -> Vec<&Ident> {
        match self {
            LoopPattern::Name(name) => vec![name],
            LoopPattern::Pair(pair, _) => pair.0.names().into_iter().chain(pair.1.names()).collect(),
            LoopPattern::Ignored => vec![],
        }
    }
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
