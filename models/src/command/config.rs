//! What a run was told, as a file: every flag of `ivon train` is a key, by the same name.
//!
//! ```toml
//! preset = "nano"
//! optimizer = "ivon"
//! lr = 3.0
//! no-bias = true
//! data = ["a.txt", "b.txt"]
//! ```
//!
//! `--config FILE` reads it, and what stands on the command line wins. A run folder holds the one of its run, which `--resume DIR` reads; tables in
//! it, such as `[text]`, say what was found and are not read.

use super::flags::NAMES;
use super::{Cli, Command};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use ivon_runtime::{Error, Result, run};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::Path;

/// Flags that are about one call and not about the run.
const OF_THE_CALL: [&str; 6] = ["out", "json", "resume", "config", "trace", "trace-steps"];
/// Flags that say `none` for no bound.
const BOUNDS: [&str; 2] = ["clip-radius", "grad-clip"];
/// The model is the first word after `train`; a file says it for people.
const MODEL: &str = "model";

/// The command line, with what a configuration file adds to it.
///
/// # Errors
/// If the file cannot be read, or has a key that is no flag. A command line that makes no sense ends the process with a message.
pub fn parse() -> Result<Cli> {
    let (cli, matches) = matched(std::env::args_os().collect());
    let (Command::Train(train), Some((model, given))) = (&cli.command, of_train(&matches)) else { return Ok(cli) };
    let Some(file) = train.config_file()? else { return Ok(told(cli, model, given)) };
    let table: Map<String, Value> = run::read_config(&file)?;
    if table.is_empty() && given.value_source("resume") == Some(ValueSource::CommandLine) {
        let message = "is empty, so nothing is known of how the run was trained: put back a copy, or train anew with --init RUN";
        return Err(Error::file(&file, message));
    }
    let more = arguments(&file, &table, model, given)?;
    let given_data = given.value_source("data") == Some(ValueSource::CommandLine);
    let (mut cli, matches) = matched_with(std::env::args_os().chain(more).collect(), Some(&file));
    if let Command::Train(train) = &mut cli.command {
        train.told.data = given_data;
    }
    Ok(match of_train(&matches) {
        Some((model, given)) => told(cli, model, given),
        None => cli,
    })
}

/// The model's name and what was said of it, of `ivon train`; not where there is no such model.
fn of_train(matches: &ArgMatches) -> Option<(&str, &ArgMatches)> {
    let (model, given) = matches.subcommand()?.1.subcommand()?;
    NAMES.contains(&model).then_some((model, given))
}

fn matched(arguments: Vec<OsString>) -> (Cli, ArgMatches) {
    matched_with(arguments, None)
}

/// `file`: where some of the arguments come from.
fn matched_with(arguments: Vec<OsString>, file: Option<&Path>) -> (Cli, ArgMatches) {
    let end = |error: clap::Error| -> ! {
        if let Some(file) = file.filter(|_| error.use_stderr()) {
            tell!("{} and the command line together do not make sense; each key is a flag:", file.display());
        }
        error.exit()
    };
    let matches = Cli::command().try_get_matches_from(arguments).unwrap_or_else(|e| end(e));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| end(e));
    (cli, matches)
}

/// The long names of the flags of `ivon train MODEL` that say something about a run, with their identifiers.
fn flags(model: &str) -> Vec<(String, String)> {
    let command = Cli::command();
    let train = command.find_subcommand("train").and_then(|train| train.find_subcommand(model));
    let all = train.into_iter().flat_map(|c| c.get_arguments());
    let named = all.filter_map(|a| Some((a.get_long()?.to_string(), a.get_id().to_string())));
    named.filter(|(name, _)| !OF_THE_CALL.contains(&name.as_str()) && name != "help").collect()
}

/// The flags that a file stands for; not those that the command line has too.
fn arguments(file: &Path, table: &Map<String, Value>, model: &str, given: &ArgMatches) -> Result<Vec<OsString>> {
    let flags = flags(model);
    let mut arguments = vec![];
    for (key, value) in table.iter().filter(|(key, value)| *key != MODEL && !value.is_object()) {
        let Some((_, id)) = flags.iter().find(|(name, _)| name == key) else {
            let names: Vec<_> = flags.iter().map(|(name, _)| name.as_str()).collect();
            let other = table.get(MODEL).and_then(Value::as_str).filter(|other| *other != model);
            let of = other.map(|other| format!(", and the file is of `ivon train {other}`")).unwrap_or_default();
            return Err(Error::file(
                file,
                format!("`{key}` is no flag of `ivon train {model}`{of}; the flags are {}", names.join(", ")),
            ));
        };
        if given.value_source(id) == Some(ValueSource::CommandLine) {
            continue;
        }
        let mut put = |value: &Value| match value {
            Value::Bool(true) => arguments.push(format!("--{key}").into()),
            Value::Bool(false) | Value::Null => {}
            Value::String(text) => arguments.push(format!("--{key}={text}").into()),
            other => arguments.push(OsString::from(format!("--{key}={other}"))),
        };
        match value {
            Value::Array(values) => values.iter().for_each(put),
            one => put(one),
        }
    }
    Ok(arguments)
}

/// Tells the command what it was told: every flag that has a value, given or by default.
fn told(mut cli: Cli, model: &str, given: &ArgMatches) -> Cli {
    if let Command::Train(train) = &mut cli.command {
        for (name, id) in flags(model) {
            let switch = given.try_get_one::<bool>(&id).ok().flatten();
            let values =
                given.try_get_raw(&id).ok().flatten().map(|all| all.map(|v| typed(&v.to_string_lossy())).collect::<Vec<_>>());
            let value = match (switch, values) {
                (Some(on), _) => Value::Bool(*on),
                (None, Some(values)) if name.ends_with("data") => Value::Array(values.into_iter().map(absolute).collect()),
                (None, Some(values)) if name == "init" => values.into_iter().next().map_or(Value::Null, absolute),
                (None, Some(values)) => values.into_iter().next().unwrap_or(Value::Null),
                (None, None) => continue,
            };
            train.told.flags.insert(name, value);
        }
    }
    cli
}

/// A number where the text is one.
fn typed(text: &str) -> Value {
    let number = match text.contains(['.', 'e', 'E']) {
        true => text.parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::from),
        false => text.parse::<i64>().ok().map(Value::from),
    };
    number.unwrap_or_else(|| text.into())
}

/// A path that means the same from another folder.
fn absolute(path: Value) -> Value {
    // A path may look like a number.
    let text = path.as_str().map_or_else(|| path.to_string(), str::to_string);
    std::path::absolute(&text).map_or(path, |p| p.to_string_lossy().into_owned().into())
}

/// Adds what the command worked out to what it was told: `found` with `_` for `-`, where there is a flag of that name that has no value. A bound that
/// is null is `none`.
pub fn resolve(told: &mut Map<String, Value>, model: &str, found: &Value) {
    let flags = flags(model);
    for (key, value) in found.as_object().into_iter().flatten() {
        let name = key.replace('_', "-");
        let open = told.get(&name).is_none_or(Value::is_null) && flags.iter().any(|(flag, _)| *flag == name);
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
    fn numbers_are_numbers_and_the_rest_is_text() {
        assert_eq!(
            [typed("3"), typed("1e-3"), typed("none"), typed("18446744073709551615"), typed("1e999")],
            [Value::from(3), Value::from(0.001), Value::from("none"), Value::from("18446744073709551615"), Value::from("1e999"),]
        );
    }

    #[test]
    fn every_flag_of_a_run_is_a_key() {
        let names: Vec<String> = flags("gpt2").into_iter().map(|(name, _)| name).collect();
        for name in ["preset", "lr", "seed", "data", "no-bias", "checkpoint-every", "keep"] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
        for name in OF_THE_CALL {
            assert!(!names.iter().any(|n| n == name), "{name}");
        }
    }
}
