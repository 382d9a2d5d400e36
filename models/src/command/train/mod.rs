//! `ivon train`: trains a model, and says how good it is at the mean and averaged over its posterior.

mod pictures;
mod session;
mod text;

use super::flags::{Chosen, Models};
use clap::Args;
use ivon_runtime::Result;
use pictures::Pictures;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::process::ExitCode;
use text::Text;

/// Train a model
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, subcommand_value_name = "MODEL", subcommand_help_heading = "Models")]
pub struct Train {
    #[command(subcommand)]
    model: Models<Text, Pictures>,
    #[arg(skip)]
    pub told: Told,
}

/// What a run was told on the command line and in its configuration file.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Every flag that has a value, given or by default.
    pub flags: Map<String, Value>,
    /// Whether the data was named on the command line.
    pub data: bool,
}

impl Train {
    /// The configuration file to read before anything else, if any.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn config_file(&self) -> Result<Option<PathBuf>> {
        match self.model.chosen()? {
            Chosen::Text(text) => text.common.config_file(),
            Chosen::Pictures(_, pictures) => pictures.common.config_file(),
        }
    }

    /// Trains from start to end, or to Ctrl-C.
    ///
    /// # Errors
    /// If flags, data or model do not go together, a file cannot be used, or training diverges.
    pub fn run(&self) -> Result<ExitCode> {
        match self.model.chosen()? {
            Chosen::Text(text) => text.run(&self.told),
            Chosen::Pictures(architecture, pictures) => pictures.run(architecture, &self.told),
        }
    }
}
