//! The `ivon` command.

// `println!` and `eprintln!` panic when the output is closed: `say!` and `tell!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod bench;
mod compare;
mod config;
mod devices;
mod evaluate;
mod flags;
mod generate;
mod gradients;
mod inspect;
mod memory;
mod merge;
mod predict;
mod prepare;
mod progress;
mod signals;
mod trace;
mod train;
mod transfer;
mod variables;

use clap::{CommandFactory, Parser, Subcommand};
use ivon_runtime::Result;
use std::process::ExitCode;

/// Variational learning for deep networks: IVON at the cost of Adam.
#[derive(Parser, Debug)]
#[command(name = "ivon", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Train(Box<train::Train>),
    Evaluate(Box<evaluate::Evaluate>),
    Predict(predict::Predict),
    Compare(compare::Compare),
    Generate(Box<generate::Generate>),
    Merge(merge::Merge),
    Gradients(gradients::Gradients),
    Bench(bench::Bench),
    Inspect(inspect::Inspect),
    Devices(devices::Devices),
    Prepare(prepare::Prepare),
    Import(transfer::Import),
    Export(transfer::Export),
}

/// All subcommands with their flags, as they are parsed: for tests and for completions.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Runs the command line. An error is one message on standard error; a closed standard output is not an error.
pub fn main() -> ExitCode {
    signals::limits_are_errors();
    let parsed = config::parse().and_then(|cli| ivon_runtime::variables::check().map(|()| cli));
    variables::unknown(std::env::vars_os().map(|(name, _)| name)).iter().for_each(|note| tell!("note: {note}"));
    match parsed.and_then(|cli| run(&cli)) {
        Ok(code) => code,
        Err(_) if output::closed() => ExitCode::SUCCESS,
        Err(error) => {
            tell!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Train(train) => return train.run(),
        Command::Evaluate(evaluate) => evaluate.run()?,
        Command::Predict(predict) => predict.run()?,
        Command::Compare(compare) => compare.run()?,
        Command::Generate(generate) => generate.run()?,
        Command::Merge(merge) => merge.run()?,
        Command::Gradients(gradients) => gradients.run()?,
        Command::Bench(bench) => bench.run()?,
        Command::Inspect(inspect) => inspect.run()?,
        Command::Devices(devices) => devices.run()?,
        Command::Prepare(prepare) => prepare.run()?,
        Command::Import(import) => import.run()?,
        Command::Export(export) => export.run()?,
    }
    Ok(ExitCode::SUCCESS)
}
