//! Links of the pages: files that exist, and headings that the linked page has.

use super::lines::root;
use std::path::Path;

/// A link of every page of the repository that leads nowhere, with its page and line; links to other hosts are left out.
pub fn broken() -> (usize, Vec<String>) {
    let (mut count, mut broken) = (0, vec![]);
    for pattern in ["*.md", "docs/*.md", "docs/*/*.md", "tests/*.md", "tests/*/*.md"] {
        for page in glob::glob(&root().join(pattern).to_string_lossy()).unwrap().map(Result::unwrap) {
            let text = std::fs::read_to_string(&page).unwrap();
            for (i, target) in targets(&text) {
                count += 1;
                if let Err(message) = check(&page, &text, target) {
                    broken.push(format!("{}:{}: ({target}) {message}", page.strip_prefix(root()).unwrap().display(), i + 1));
                }
            }
        }
    }
    (count, broken)
}

/// The targets of links and images outside of code, each with the number of its line.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let mut all = vec![];
    for (i, line) in text.lines().enumerate() {
        is_code ^= line.starts_with("```");
        if is_code || line.starts_with("    ") {
            continue;
        }
        let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        all.extend(links.filter(|target| !target.contains("://") && !target.contains(' ')).map(|target| (i, target)));
    }
    all
}

fn check(page: &Path, text: &str, target: &str) -> Result<(), String> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = page.parent().unwrap().join(file);
    if !file.is_empty() && !path.exists() {
        return Err("does not exist".into());
    }
    if heading.is_empty() {
        return Ok(());
    }
    let other = if file.is_empty() { text.to_string() } else { std::fs::read_to_string(&path).map_err(|e| e.to_string())? };
    let is_there = other.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
    if is_there { Ok(()) } else { Err("has no such heading".into()) }
}

/// The name that a page gives a heading: its words in small letters, joined by hyphens.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("README.md");
    let text = "## A heading, with `code`\n[a](docs/command.md) [b](docs/nothing.md)\n```\n[c](nothing)\n```\n[d](#a-heading-with-code) [e](#none)";
    let found: Vec<bool> = targets(text).into_iter().map(|(_, target)| check(&page, text, target).is_ok()).collect();
    assert_eq!(found, [true, false, true, false]);
}
