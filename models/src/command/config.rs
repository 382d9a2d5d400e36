//! The flags of a run as a file: every flag of `ivon train` is a key, by the same name.
//!
//! ```toml
//! preset = "nano"
//! optimizer = "ivon"
//! lr = 3.0
//! no-bias = true
//! data = ["a.txt", "b.txt"]
//! ```
//!
//! `--config FILE` reads it; flags on the command line override it. A run directory holds the file of its run, which `--resume DIR` reads.
//! Tables in it, such as `[text]`, record values that were derived, and are not read.

use super::flags::NAMES;
use super::flags::values::Bound;
use super::{Cli, Command};
use clap::builder::ArgAction;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use ivon_runtime::{Error, Result};
use serde_json::{Map, Value};
use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

mod file;
use file::File;
pub use file::Found;

/// Flags that are about one call and not about the run.
const OF_THE_CALL: [&str; 6] = ["out", "json", "resume", "config", "trace", "trace-steps"];
/// Flags that say `none` for no bound.
const BOUNDS: [&str; 2] = ["clip-radius", "grad-clip"];
/// The model is the first word after `train`; a file says it for its readers.
const MODEL: &str = "model";
/// Flags of which each says how long a run is.
const LENGTH: [&str; 2] = ["epochs", "steps"];

/// The command line, with what a configuration file adds to it.
///
/// # Errors
/// If the file cannot be read, or has a key that is not a flag. A command line that makes no sense ends the process with a message.
pub fn parse() -> Result<Cli> {
    let (cli, matches) = matched(std::env::args_os().collect(), None);
    let (Command::Train(train), Some((model, given))) = (&cli.command, of_train(&matches)) else { return Ok(cli) };
    let flags = flags(model);
    let on_the_command_line = |flag: &&Flag| given.value_source(&flag.id) == Some(ValueSource::CommandLine);
    let named: Vec<String> = flags.iter().filter(on_the_command_line).map(|flag| flag.name.clone()).collect();
    if LENGTH.iter().all(|name| named.iter().any(|n| n == name)) {
        return Err(Error::config("--epochs and --steps both say how long the run is: give one of them"));
    }
    let Some(path) = train.config_file()? else { return told(cli, model, given, named, vec![]) };
    let file = File::read(&path)?;
    if file.is_empty() && given.value_source("resume") == Some(ValueSource::CommandLine) {
        let message = "is empty, so nothing is known of how the run was trained: put back a copy, or train anew with --init RUN";
        return Err(Error::file(&path, message));
    }
    let more = file.arguments(model, &flags, &named)?;
    let (cli, matches) = matched(std::env::args_os().chain(more).collect(), Some(&file));
    match of_train(&matches) {
        Some((model, given)) => told(cli, model, given, named, file.found()),
        None => Ok(cli),
    }
}

/// The model's name and the flags given to it, for `ivon train`; `None` if there is no such model.
fn of_train(matches: &ArgMatches) -> Option<(&str, &ArgMatches)> {
    let (model, given) = matches.subcommand()?.1.subcommand()?;
    NAMES.contains(&model).then_some((model, given))
}

/// `file`: where some of the arguments come from.
fn matched(arguments: Vec<OsString>, file: Option<&File>) -> (Cli, ArgMatches) {
    let end = |error: clap::Error| -> ! {
        if let Some(file) = file.filter(|_| error.use_stderr()) {
            let flag = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(flag)) => Some(flag),
                Some(ContextValue::Strings(flags)) => flags.first(),
                _ => None,
            };
            // `--lr <RATE>`.
            let key = flag.and_then(|flag| flag.split(['=', ' ', '<', '[']).next()?.strip_prefix("--"));
            tell!("{}", file.blame(key));
        }
        error.exit()
    };
    let matches = Cli::command().try_get_matches_from(arguments).unwrap_or_else(|e| end(e));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| end(e));
    (cli, matches)
}

/// A flag of `ivon train MODEL` that says something about a run.
struct Flag {
    /// Its long name.
    name: String,
    /// The id of the flag in clap.
    id: String,
    kind: Kind,
}

/// The values of a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Switch,
    Number,
    Path,
    Text,
}

impl Kind {
    fn of(flag: &Arg) -> Kind {
        let value = flag.get_value_parser().type_id();
        let numbers =
            [TypeId::of::<f64>(), TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<Bound>()];
        match flag.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Kind::Switch,
            _ if numbers.iter().any(|number| value == *number) => Kind::Number,
            _ if value == TypeId::of::<PathBuf>() => Kind::Path,
            _ => Kind::Text,
        }
    }

    /// A value of the command line as the run keeps it. Only what is read as a number is kept as one: a directory may be called 2024.10.
    fn kept(self, text: &OsStr) -> Result<Value> {
        let Some(text) = text.to_str() else {
            let message = "is not UTF-8, and config.toml cannot hold it: rename it, or give another path";
            return Err(Error::file(text, message));
        };
        Ok(match self {
            Kind::Number => number(text),
            Kind::Path => absolute(text),
            Kind::Switch | Kind::Text => text.into(),
        })
    }
}

/// The flags of `ivon train MODEL` that say something about a run.
fn flags(model: &str) -> Vec<Flag> {
    let command = Cli::command();
    let train = command.find_subcommand("train").and_then(|train| train.find_subcommand(model));
    let all = train.into_iter().flat_map(|c| c.get_arguments());
    let named = all.filter_map(|a| Some(Flag { name: a.get_long()?.into(), id: a.get_id().to_string(), kind: Kind::of(a) }));
    named.filter(|flag| !OF_THE_CALL.contains(&flag.name.as_str()) && flag.name != "help").collect()
}

/// Tells the command what it was told: every flag that has a value, given or by default. `named` stood on the command line.
fn told(mut cli: Cli, model: &str, given: &ArgMatches, named: Vec<String>, found: Vec<Found>) -> Result<Cli> {
    let Command::Train(train) = &mut cli.command else { return Ok(cli) };
    for Flag { name, id, kind } in flags(model) {
        let switch = given.try_get_one::<bool>(&id).ok().flatten();
        let values = given.try_get_raw(&id).ok().flatten();
        let values = values.map(|all| all.map(|v| kind.kept(v)).collect::<Result<Vec<_>>>()).transpose()?;
        let value = match (switch, values) {
            (Some(on), _) => Value::Bool(*on),
            (None, Some(values)) if name.ends_with("data") => Value::Array(values),
            (None, Some(values)) => values.into_iter().next().unwrap_or(Value::Null),
            (None, None) => continue,
        };
        train.told.flags.insert(name, value);
    }
    train.told.named = named;
    train.told.found = found;
    Ok(cli)
}

/// A number where the text is one; `none` and numbers that no JSON number holds stay text.
fn number(text: &str) -> Value {
    let number = match text.contains(['.', 'e', 'E']) {
        true => text.parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::from),
        false => text.parse::<i64>().ok().map(Value::from),
    };
    number.unwrap_or_else(|| text.into())
}

/// A path that means the same from another directory.
fn absolute(path: &str) -> Value {
    std::path::absolute(path).ok().and_then(|p| p.to_str().map(Value::from)).unwrap_or_else(|| path.into())
}

/// Adds what the command worked out to what it was told: `found` with `_` for `-`, where there is a flag of that name that has no value. A bound that
/// is null is `none`.
pub fn resolve(told: &mut Map<String, Value>, model: &str, found: &Value) {
    let flags = flags(model);
    for (key, value) in found.as_object().into_iter().flatten() {
        let name = key.replace('_', "-");
        let open = told.get(&name).is_none_or(Value::is_null) && flags.iter().any(|flag| flag.name == name);
        if open && (value.is_number() || value.is_string()) {
            told.insert(name, value.clone());
        } else if open && value.is_null() && BOUNDS.contains(&name.as_str()) {
            told.insert(name, "none".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_as_a_number_is_kept_as_one() {
        assert_eq!(
            ["3", "1e-3", "none", "18446744073709551615", "1e999"].map(number),
            [Value::from(3), Value::from(0.001), Value::from("none"), Value::from("18446744073709551615"), Value::from("1e999")]
        );
        for name in ["2024.10", "007", "1e3", "-1", "nan", "true", "0x10", "1_000"] {
            assert_eq!(Kind::Text.kept(name.as_ref()), Ok(name.into()));
            let path = std::env::current_dir().unwrap().join(name);
            assert_eq!(Kind::Path.kept(name.as_ref()), Ok(path.to_str().unwrap().into()));
        }
    }

    #[test]
    fn every_flag_of_a_run_is_a_key() {
        let kind = |model: &str, name: &str| flags(model).iter().find(|flag| flag.name == name).map(|flag| flag.kind);
        for (name, expected) in [
            ("preset", Kind::Text),
            ("optimizer", Kind::Text),
            ("lr", Kind::Number),
            ("clip-radius", Kind::Number),
            ("seed", Kind::Number),
            ("keep", Kind::Number),
            ("data", Kind::Path),
            ("init", Kind::Path),
            ("no-bias", Kind::Switch),
        ] {
            assert!(kind("gpt2", name) == Some(expected), "{name}");
        }
        assert!(kind("lenet", "data") == Some(Kind::Path));
        for name in OF_THE_CALL {
            assert!(kind("gpt2", name).is_none(), "{name}");
        }
    }
}
