//! Every command line of README.md and docs/ is parsed with the flags that it really has, and executed at a reduced scale.
//!
//! | file | |
//! |---|---|
//! | `lines.rs` | finds the command lines: in `sh` and indented blocks, and in code spans |
//! | `faults.rs` | the table of tests for faults of other tools |
//! | `links.rs` | files and headings that the pages link to |
//! | `built.rs` | the examples and benchmarks, as cargo has built them |
//! | `reduce.rs` | the reduced scale, as a table: fewer steps, a smaller model, fewer samples |
//! | `world.rs` | data and runs under the names that the pages use |
//!
//! A line that needs a GPU, a peer's package or a study of many runs is parsed only; the test prints which and why.
#![cfg(unix)]

mod built;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod lines;
mod links;
mod reduce;
mod world;

use lines::{Call, Line, Program};
use std::fmt::Write;
use world::World;

#[test]
fn every_command_line_of_the_pages_does_what_it_says() {
    let lines = lines::all();
    let world = World::new();
    let (mut executed, mut parsed, mut wrong) = (0, String::new(), String::new());
    for line in &lines {
        match check(&world, line) {
            Ok(None) => executed += 1,
            Ok(Some(reason)) => writeln!(parsed, "  {line}: {reason}").unwrap(),
            Err(message) => writeln!(wrong, "{line}\n{message}\n").unwrap(),
        }
    }
    println!("{executed} of {} command lines executed, {}; parsed only:\n{parsed}", lines.len(), reduce::SCALE);
    assert!(wrong.is_empty(), "{wrong}");
    // A bound on the number of executed lines catches a page that is no longer read, or a rule that excuses every line.
    assert!(executed >= 80, "only {executed} command lines were executed");
}

/// Parses a line, and executes it unless it is one to be parsed only; then the reason.
fn check(world: &World, line: &Line) -> Result<Option<&'static str>, String> {
    match &line.program {
        Program::Ivon if reduce::is_mention(&line.text) => reduce::check_mention(&line.text).map(|()| Some("names a command")),
        Program::Ivon => {
            let words = world.expanded(&reduce::filled(&line.text));
            let arguments = std::iter::once("ivon").chain(words.iter().map(String::as_str));
            match models::command::definition().try_get_matches_from(arguments) {
                Ok(_) => {}
                // `--help` and `--version` end the parser with their text.
                Err(error) if !error.use_stderr() => {}
                Err(error) => return Err(error.to_string()),
            }
            match reduce::parse_only(&words) {
                Some(reason) => Ok(Some(reason)),
                None => world.executes(&reduce::reduced(&words)).map(|()| None),
            }
        }
        Program::Cargo => match lines::check_cargo(&line.text)? {
            Call::Other(reason) => Ok(Some(reason)),
            Call::Program { is_bench, name, arguments } => match built::program(is_bench, name)? {
                Some(program) => {
                    let arguments = reduce::reduced_program(is_bench, name, &arguments);
                    world.runs_program(&program, &arguments).map(|()| None)
                }
                None => Ok(Some("a benchmark: executed where IVON_REQUIRE_TOOLS is set, which builds it")),
            },
        },
        Program::Script => lines::check_script(&line.text).map(Some),
    }
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let (count, broken) = links::broken();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn the_figure_of_a_graph_is_what_the_command_draws() {
    let folder = tempfile::tempdir().unwrap();
    common::succeeds(folder.path(), "inspect gpt2 --preset small --graph gpt2.svg");
    let drawn = std::fs::read_to_string(folder.path().join("gpt2.svg")).unwrap();
    let page = std::fs::read_to_string(lines::root().join("docs/images/gpt2.svg")).unwrap();
    assert!(drawn == page, "docs/images/gpt2.svg is not what `ivon inspect` draws: run `scripts/figures.sh graph`");
}
