//! Finds the command lines of the pages.

use std::fmt;
use std::path::{Path, PathBuf};

/// A command line of a page.
pub struct Line {
    /// The page, relative to the repository.
    page: PathBuf,
    /// Its line, counted from 1.
    number: usize,
    /// The program that it calls.
    pub program: Program,
    /// The text after `ivon`, or the whole line of other programs.
    pub text: String,
}

/// The program that a line calls.
pub enum Program {
    /// `ivon`, or `cargo run --release --`, which stands for it.
    Ivon,
    /// Any other call of cargo.
    Cargo,
    /// A script of the repository.
    Script,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = if matches!(self.program, Program::Ivon) { "ivon " } else { "" };
        write!(f, "{}:{}: {name}{}", self.page.display(), self.number, self.text)
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every command line of README.md and of the pages under docs/, in the order of the pages.
pub fn all() -> Vec<Line> {
    let mut pages = vec![root().join("README.md")];
    for pattern in ["docs/*.md", "docs/*/*.md"] {
        let found = glob::glob(&root().join(pattern).to_string_lossy()).unwrap();
        pages.extend(found.map(Result::unwrap));
    }
    pages.iter().flat_map(|page| of_page(page)).collect()
}

fn of_page(page: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(page).unwrap();
    let name = page.strip_prefix(root()).unwrap();
    let mut lines = vec![];
    let mut block: Option<&str> = None;
    for (i, line) in text.lines().enumerate() {
        let mut push = |command: &str| {
            if let Some((program, text)) = command_line(command) {
                lines.push(Line { page: name.into(), number: i + 1, program, text });
            }
        };
        match (line.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language),
            (None, Some("sh")) => push(line),
            (None, Some(_)) => {}
            (None, None) if line.starts_with("    ") => push(line.trim()),
            // Odd parts lie between backticks.
            (None, None) => line.split('`').skip(1).step_by(2).for_each(push),
        }
    }
    lines
}

/// The program and its arguments, without variables in front and a comment behind; `None` where the text calls no program of ours.
fn command_line(text: &str) -> Option<(Program, String)> {
    let mut rest = text.split(" #").next()?.trim();
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let is_variable = |word: &str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    while let Some((_, behind)) = rest.split_once(' ').filter(|(word, _)| is_variable(word)) {
        rest = behind.trim_start();
    }
    let rest = rest.strip_prefix("nsys profile ").unwrap_or(rest);
    // Only the part in front of a pipe is ours.
    let ours = rest.split(" | ").next()?.trim();
    for name in ["ivon ", "cargo run --release -- "] {
        if let Some(arguments) = ours.strip_prefix(name) {
            return Some((Program::Ivon, arguments.to_string()));
        }
    }
    match ours.split(' ').next()? {
        "cargo" if ours != "cargo run --release --" => Some((Program::Cargo, ours.to_string())),
        word if word.ends_with(".sh") => Some((Program::Script, ours.to_string())),
        _ => None,
    }
}

/// The target of a call of cargo.
pub enum Call<'a> {
    /// An example of `models`, or a benchmark of a package, with these arguments.
    Program { is_bench: bool, name: &'a str, arguments: Vec<&'a str> },
    /// Nothing that is executed here: why.
    Other(&'static str),
}

/// A call of cargo names a package, a target and flags that exist.
pub fn check_cargo(line: &str) -> Result<Call<'_>, String> {
    let (call, arguments) = line.split_once(" -- ").unwrap_or((line, ""));
    let words: Vec<&str> = call.split(' ').collect();
    let after = |flag: &str| words.iter().position(|w| *w == flag).and_then(|i| words.get(i + 1)).copied();
    let directory = package(after("-p").unwrap_or("ivon-cli"))?;
    for (flag, place) in [("--example", "examples"), ("--bench", "benches"), ("--test", "tests")] {
        let Some(target) = after(flag) else { continue };
        let place = directory.join(place);
        if !place.join(format!("{target}.rs")).is_file() && !place.join(target).join("main.rs").is_file() {
            return Err(format!("{} has no target `{target}`", place.display()));
        }
    }
    let arguments = arguments.split(' ').filter(|word| !word.is_empty()).collect();
    match (words[1], after("--example"), after("--bench")) {
        ("run", Some(name), _) => Ok(Call::Program { is_bench: false, name, arguments }),
        ("bench", _, Some(name)) => Ok(Call::Program { is_bench: true, name, arguments }),
        ("test", ..) => Ok(Call::Other("a test: `cargo test` runs it")),
        ("install" | "add" | "build" | "bench" | "run", ..) => Ok(Call::Other("changes the user's installation or crate")),
        (other, ..) => Err(format!("`cargo {other}` is not known to this test")),
    }
}

/// The directory of a package of this workspace.
fn package(name: &str) -> Result<PathBuf, String> {
    let manifest = |path: &Path| std::fs::read_to_string(path.join("Cargo.toml")).map_err(|e| e.to_string());
    let workspace = manifest(&root())?;
    let members = workspace.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).unwrap_or_default().0;
    for member in members.split('"').skip(1).step_by(2) {
        let directory = root().join(member);
        if manifest(&directory)?.contains(&format!("\nname = \"{name}\"\n")) {
            return Ok(directory);
        }
    }
    Err(format!("there is no package `{name}`: the workspace has {members}"))
}

/// A script exists and is one that the shell can parse.
pub fn check_script(line: &str) -> Result<&'static str, String> {
    let script = line.split(' ').next().unwrap_or_default();
    let path = root().join(script);
    let parsed = std::process::Command::new("sh").arg("-n").arg(&path).output().map_err(|e| e.to_string())?;
    let bash = std::process::Command::new("bash").arg("-n").arg(&path).output().map_err(|e| e.to_string())?;
    match parsed.status.success() || bash.status.success() {
        false => Err(format!("{}: {}", path.display(), String::from_utf8_lossy(&bash.stderr))),
        true if script.ends_with("gpu-check.sh") => Ok("needs a GPU"),
        true if script.ends_with("features.sh") || script.ends_with("targets.sh") => Ok("a check of this repository"),
        true => Ok("a study of many runs"),
    }
}
