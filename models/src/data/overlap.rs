//! Text that is trained on twice, or trained on and validated with.

mod stretches;

use super::Input;
use ivon_runtime::{Error, Result, disk};
use std::path::Path;
use stretches::Shared;

/// Refuses text that is both trained on and validated with: one file under two names, two files of the same content, or a file that is contained in
/// another one. Returns notes on files that share a part, and on files to train on that have the same content.
///
/// # Errors
/// If a file for validation is wholly trained on, or holds a whole file to train on: the first such file.
pub fn check(training: &[Input], validation: &[Input]) -> Result<Vec<String>> {
    for test in validation {
        if let Some(train) = training.iter().find(|train| same_file(train, test) || same_content(train, test)) {
            let (train, test) = (train.origin(), test.origin());
            let how = if train == test { String::new() } else { format!(", as {train}") };
            return Err(learnt_by_heart(&test, &format!("is validated with and trained on{how}")));
        }
    }
    let mut notes = vec![];
    for Shared { part, whole, of_validation, found, of } in stretches::shared(training, validation) {
        let (train, test) = if of_validation { (&whole, &part) } else { (&part, &whole) };
        if found == of {
            let how = if of_validation { "is contained in" } else { "contains" };
            return Err(learnt_by_heart(test, &format!("{how} {train}, which is trained on")));
        }
        notes.push(format!(
            "{found} of {of} stretches of {} bytes of {part} are also in {whole}: the validation loss is in part that of text learnt by heart",
            stretches::LENGTH
        ));
    }
    let twice = training.iter().enumerate().filter_map(|(i, input)| {
        let first = training[..i].iter().find(|first| same_content(first, input))?;
        Some(format!("{} and {} have the same content, which counts double", first.origin(), input.origin()))
    });
    notes.extend(twice);
    Ok(notes)
}

fn learnt_by_heart(test: &str, how: &str) -> Error {
    let message = format!(
        "{how}: the validation loss would be that of text learnt by heart; leave it out of --data, or leave --validation-data out to keep the \
         last tenth of --data"
    );
    Error::file(Path::new(test), message)
}

fn same_file(a: &Input, b: &Input) -> bool {
    disk::resolved(Path::new(&a.origin())) == disk::resolved(Path::new(&b.origin()))
}

/// True for files of the same bytes; empty ones do not count.
fn same_content(a: &Input, b: &Input) -> bool {
    let (a, b) = (content(a), content(b));
    !a.is_empty() && a == b // lengths first
}

fn content(input: &Input) -> &[u8] {
    match input {
        Input::Text(document) => &document.bytes,
        Input::Tokens(file) => file.content(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, read};
    use super::*;
    use std::fs;

    fn text(origin: &str, text: &str) -> Input {
        Input::Text(Document::new(origin, text.into()))
    }

    #[test]
    fn equal_content_is_refused_for_validation_and_said_of_training() {
        let (a, b, c) = (text("a", "one"), text("b", "one"), text("c", "two"));
        let error =
            check(&[c], std::slice::from_ref(&a)).and_then(|_| check(std::slice::from_ref(&a), &[b])).unwrap_err().to_string();
        assert!(error.contains("b: is validated with and trained on, as a"), "{error}");
        let said = check(&[a, text("d", "one"), text("e", ""), text("f", "")], &[]).unwrap();
        assert_eq!(said, ["a and d have the same content, which counts double"]);
    }

    /// Numbered lines from here on.
    fn lines(from: usize, count: usize) -> String {
        (from..from + count).map(|i| format!("Line {i} of a book, with {} words.\n", i * i % 97)).collect()
    }

    #[test]
    fn text_contained_in_other_text_is_refused_and_shared_parts_are_said() {
        let whole = text("whole", &lines(0, 3000));
        let of = |from, count| text("part", &lines(from, count));
        let inner = text("inner", &format!("A preface of its own. {}", lines(1000, 200)));
        for (training, validation, expected) in [
            (&whole, of(1000, 200), "part: is contained in whole, which is trained on"),
            (&of(1000, 200), text("whole", &lines(0, 3000)), "whole: contains part, which is trained on"),
        ] {
            let error = check(std::slice::from_ref(training), &[validation]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let said = check(std::slice::from_ref(&whole), &[of(2500, 1000)]).unwrap();
        assert!(said.len() == 1 && said[0].contains("of 64 stretches of 256 bytes of part are also in whole: "), "{said:?}");
        let said = check(std::slice::from_ref(&whole), &[inner]).unwrap();
        assert!(said[0].contains("stretches of 256 bytes of inner are also in whole"), "{said:?}");
        assert_eq!(check(&[whole], &[of(5000, 1000)]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn text_that_repeats_little_is_not_taken_for_shared() {
        let (a, b) = (text("a", &"ab ".repeat(5000)), text("b", &"ab ".repeat(700)));
        assert_eq!(check(&[a], &[b]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_file_of_validation_in_a_directory_of_training_is_refused_by_any_name() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("books")).unwrap();
        fs::write(path("books/1.txt"), "one").unwrap();
        fs::write(path("books/last.txt"), "last").unwrap();
        fs::write(path("apart.txt"), "apart").unwrap();
        let read = |name: &str| read(&[path(name)]).unwrap();
        for name in ["books/last.txt", "books/../books/last.txt"] {
            let error = check(&read("books"), &read(name)).unwrap_err().to_string();
            assert!(error.contains("last.txt: is validated with and trained on"), "{error}");
        }
        assert_eq!(check(&read("books"), &read("apart.txt")).unwrap(), Vec::<String>::new());
    }
}
