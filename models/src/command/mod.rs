//! The `ivon` command.

mod bench;
mod flags;
mod gradients;
mod memory;
mod prepare;
mod progress;
mod run_folder;
mod trace;
mod train;
mod transfer;

use clap::{Parser, Subcommand};
use ivon_runtime::Result;

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
    Gradients(gradients::Gradients),
    Bench(bench::Bench),
    Prepare(prepare::Prepare),
    Import(transfer::Import),
    Export(transfer::Export),
}

/// Runs the command line; an error is one message on standard error.
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Train(train) => train.run(),
        Command::Gradients(gradients) => gradients.run(),
        Command::Bench(bench) => bench.run(),
        Command::Prepare(prepare) => prepare.run(),
        Command::Import(import) => import.run(),
        Command::Export(export) => export.run(),
    }
}
