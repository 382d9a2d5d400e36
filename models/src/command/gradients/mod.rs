//! `ivon gradients`: loss and gradients of one batch on given weights, to be compared with another implementation.

mod pictures;
mod text;

use super::flags::{Chosen, Models};
use clap::Args;
use ivon_runtime::Result;
use pictures::Pictures;
use text::Text;

/// Loss and gradients of one batch on given weights, in other programs' names and layouts
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, subcommand_value_name = "MODEL", subcommand_help_heading = "Models")]
pub struct Gradients {
    #[command(subcommand)]
    model: Models<Text, Pictures>,
}

impl Gradients {
    /// Computes and writes them.
    ///
    /// # Errors
    /// If a file does not fit the model.
    pub fn run(&self) -> Result<()> {
        match self.model.chosen()? {
            Chosen::Text(text) => text.run(),
            Chosen::Pictures(architecture, pictures) => pictures.run(architecture),
        }
    }
}
