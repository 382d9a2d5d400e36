//! Text that is trained on twice, or trained on and validated with.

use super::Input;
use ivon_runtime::{Error, Result, disk};
use std::path::Path;

/// Refuses text that is both trained on and validated with: one file under two names, or two files of the same content. Returns which files to train
/// on have the same content.
///
/// # Errors
/// Names the first such file.
pub fn check(training: &[Input], validation: &[Input]) -> Result<Vec<String>> {
    for test in validation {
        if let Some(train) = training.iter().find(|train| same_file(train, test) || same_content(train, test)) {
            let (train, test) = (train.origin(), test.origin());
            let how = if train == test { String::new() } else { format!(", as {train}") };
            let message = format!(
                "is validated with and trained on{how}: the validation loss would be that of text learnt by heart; leave it out of --data, or \
                 leave --validation-data out to keep the last tenth of --data"
            );
            return Err(Error::file(Path::new(&test), message));
        }
    }
    let twice = training.iter().enumerate().filter_map(|(i, input)| {
        let first = training[..i].iter().find(|first| same_content(first, input))?;
        Some(format!("{} and {} have the same content, which counts double", first.origin(), input.origin()))
    });
    Ok(twice.collect())
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
