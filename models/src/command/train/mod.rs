//! `ivon train`: trains a model, and says how good it is at the mean and averaged over its posterior.

mod pictures;
mod session;
mod text;

use super::config::Found;
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

/// The flags of a run, from the command line and its configuration file.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Every flag that has a value, given or by default.
    pub flags: Map<String, Value>,
    /// The flags on the command line, by their long names.
    pub named: Vec<String>,
    /// Keys of tables in the configuration file.
    pub found: Vec<Found>,
}

impl Told {
    /// True for a flag on the command line, by its long name.
    pub fn named(&self, flag: &str) -> bool {
        self.named.iter().any(|name| name == flag)
    }
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
