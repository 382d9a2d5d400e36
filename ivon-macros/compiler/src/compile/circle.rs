//! Models that contain each other, and functions that call each other: neither has an end.

use super::{Finish, Subject};
use crate::syntax::path_text;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use syn::Error;

/// What each model and function of the crate calls, by its id.
static CALLS: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// The error, if one of the callees leads back to what is compiled. The last one of a circle that is compiled finds it.
pub fn circle(finish: &Finish) -> Option<Error> {
    let id = finish.id.as_ref()?;
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    calls.insert(id.clone(), finish.ids.iter().flatten().cloned().collect());
    let is_model = matches!(finish.subject, Subject::Model(..));
    let callees = finish.callees.iter().zip(&finish.ids).filter_map(|(path, callee)| Some((path, callee.as_ref()?)));
    let (path, direct) = callees.map(|(path, callee)| (path, callee == id, callee)).find_map(|(path, direct, callee)| {
        // A field of the model's own type is reported with the fields.
        let found = if direct { !is_model } else { leads_to(&calls, callee, id) };
        found.then_some((path, direct))
    })?;
    let callee = path_text(path);
    let text = match is_model {
        true => {
            format!("`{callee}` contains this model in turn, so neither has an end: a model has a finite number of parameters")
        }
        false if direct => format!("`{callee}` calls itself: there is no recursion in a forward pass"),
        false => format!("`{callee}` leads back to this function: there is no recursion in a forward pass"),
    };
    Some(Error::new_spanned(path, text))
}

fn leads_to(calls: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        if next == to {
            return true;
        }
        if seen.insert(next) {
            open.extend(calls.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    false
}
