//! A configuration file: its keys, each a flag, and what is wrong with them, by line.

use super::{Flag, Kind, LENGTH, MODEL};
use crate::mapped;
use ivon_runtime::{Error, Result};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Tables in which runs keep what was found of their data. They are not read.
const FOUND: [&str; 2] = ["text", "pictures"];
/// Keys of those tables that some runs leave out.
const SOMETIMES: [&[&str]; 2] = [&["pictures", "transform", "exif"], &["pictures", "transform", "fit"]];
/// Bytes of the largest file that is read.
const LARGEST: u64 = 16 << 20;
/// Names are similar from here on; 1 for the same (Jaro and Winkler).
const SIMILAR: f64 = 0.8;

/// The text of a file, parsed.
pub struct File {
    path: PathBuf,
    entries: Vec<Entry>,
}

/// A key at the top of a file, and where it stands.
struct Entry {
    key: String,
    line: usize,
    value: Item,
}

/// A value of a file. Numbers stay the text that they are.
enum Item {
    Text(String),
    Number(String),
    Switch(bool),
    Date(String),
    List(Vec<Item>),
    Table(Vec<Entry>),
}

impl Item {
    /// As messages show it.
    fn shown(&self) -> String {
        match self {
            Item::Text(text) => format!("\"{text}\""),
            Item::Number(text) | Item::Date(text) => text.clone(),
            Item::Switch(on) => on.to_string(),
            Item::List(_) => "a list in a list".into(),
            Item::Table(_) => "a table".into(),
        }
    }
}

/// A key of a table that is not read: the names that lead to it, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    file: PathBuf,
    path: Vec<String>,
    line: usize,
}

impl Found {
    /// Refuses a key that a run does not keep of its `data`, which is called `name`: TOML takes every key below a table's header into the table.
    ///
    /// # Errors
    /// If it is such a key.
    pub fn check(&self, name: &str, data: &Value) -> Result<()> {
        let known = self.path[1..].iter().try_fold(data, |value, key| value.get(key)).is_some();
        let known = known || SOMETIMES.iter().any(|path| self.path.iter().eq(path.iter()));
        if self.path[0] == name && known {
            return Ok(());
        }
        let (key, tables) = match self.path.split_last() {
            Some((key, tables)) if !tables.is_empty() => (key, tables),
            _ => (&self.path[0], &self.path[..]),
        };
        let message = format!(
            "line {}: `{key}` stands in the table [{}], which holds what a run found of its data and is not read: a flag stands above the \
             first table",
            self.line,
            tables.join(".")
        );
        Err(Error::file(&self.file, message))
    }
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not TOML: the line.
    pub fn read(path: &Path) -> Result<File> {
        let path = if path.is_dir() { path.join("config.toml") } else { path.to_path_buf() };
        let text = mapped::read(&path, LARGEST)?;
        let text = String::from_utf8(text).map_err(|e| {
            let (at, mark) =
                (e.utf8_error().valid_up_to(), e.as_bytes().starts_with(b"\xff\xfe") || e.as_bytes().starts_with(b"\xfe\xff"));
            let kind = if mark { "is text in UTF-16" } else { "is not UTF-8" };
            Error::file(&path, format!("{kind} (byte {at}); a configuration is TOML in UTF-8"))
        })?;
        let table = DeTable::parse(&text).map_err(|e| Error::file(&path, e))?;
        Ok(File { entries: entries(&text, table.get_ref()), path })
    }

    /// True for a file without a key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The flags that the file stands for; not those that are `named` on the command line.
    ///
    /// # Errors
    /// If a key is not a flag of `ivon train MODEL`, or its value not of the flag's kind.
    pub fn arguments(&self, model: &str, flags: &[Flag], named: &[String]) -> Result<Vec<OsString>> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == MODEL) {
            self.check_model(entry, model)?;
        }
        let mut arguments = vec![];
        for entry in self.entries.iter().filter(|entry| entry.key != MODEL) {
            let Entry { key, value, .. } = entry;
            if let (Item::Table(inner), true) = (value, !flags.iter().any(|flag| flag.name == *key)) {
                self.check_table(entry, inner, flags)?;
                continue;
            }
            let Some(flag) = flags.iter().find(|flag| flag.name == *key) else {
                return Err(self.unknown(entry, model, flags));
            };
            // One of the two says how long a run is, and the command line wins.
            let length = LENGTH.contains(&key.as_str()) && named.iter().any(|name| LENGTH.contains(&name.as_str()));
            if named.contains(key) || length {
                continue;
            }
            let items = match value {
                Item::List(items) => &items[..],
                one => std::slice::from_ref(one),
            };
            if items.is_empty() {
                return Err(self.at(entry, format!("`{key}` is an empty list: give a value, or leave the key out")));
            }
            for item in items {
                arguments.extend(self.argument(entry, flag, item)?);
            }
        }
        Ok(arguments)
    }

    /// A flag with its value.
    fn argument(&self, entry: &Entry, flag: &Flag, item: &Item) -> Result<Option<OsString>> {
        let Entry { key, .. } = entry;
        Ok(match (flag.kind, item) {
            (Kind::Switch, Item::Switch(on)) => on.then(|| format!("--{key}").into()),
            (Kind::Number, Item::Number(text) | Item::Text(text)) | (Kind::Path | Kind::Text, Item::Text(text)) => {
                Some(format!("--{key}={text}").into())
            }
            (kind, item) => {
                let expected = match kind {
                    Kind::Switch => "true or false".to_string(),
                    Kind::Number => "a number".into(),
                    Kind::Path | Kind::Text => match item {
                        Item::Number(text) | Item::Date(text) => format!("text, in quotes: \"{text}\""),
                        _ => "text, in quotes".into(),
                    },
                };
                return Err(self.at(entry, format!("`{key}` expects {expected}; found {}", item.shown())));
            }
        })
    }

    fn at(&self, entry: &Entry, message: String) -> Error {
        Error::file(&self.path, format!("line {}: {message}", entry.line))
    }

    /// Refuses a file of another model.
    fn check_model(&self, entry: &Entry, model: &str) -> Result<()> {
        match &entry.value {
            Item::Text(of) if of == model => Ok(()),
            Item::Text(of) => Err(self.at(
                entry,
                format!("the file is of `ivon train {of}`, and the command is `ivon train {model}`: use the former, or a file of {model}"),
            )),
            other => Err(self.at(entry, format!("`{MODEL}` expects the name of a model in quotes; found {}", other.shown()))),
        }
    }

    fn unknown(&self, entry: &Entry, model: &str, flags: &[Flag]) -> Error {
        let names: Vec<_> = flags.iter().map(|flag| flag.name.as_str()).collect();
        let meant = similar(&entry.key, &names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let names = names.join(", ");
        self.at(entry, format!("`{}` is not a flag of `ivon train {model}`{meant}. The flags are {names}", entry.key))
    }

    /// Refuses a table that no run writes: it would take the keys below it along.
    fn check_table(&self, entry: &Entry, inner: &[Entry], flags: &[Flag]) -> Result<()> {
        if FOUND.contains(&entry.key.as_str()) {
            return Ok(());
        }
        let names: Vec<_> = flags.iter().map(|flag| flag.name.as_str()).chain(FOUND).collect();
        let meant = similar(&entry.key, &names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let swallowed = inner.first().map(|first| format!(" (`{}` in line {})", first.key, first.line)).unwrap_or_default();
        let message = format!(
            "[{}] is not a table of a configuration{meant} Every flag is a key above the first table: remove the header, and the keys below \
             it{swallowed} are read",
            entry.key
        );
        Err(self.at(entry, message))
    }

    /// The keys of tables that are not read.
    pub fn found(&self) -> Vec<Found> {
        let mut found = vec![];
        self.entries.iter().for_each(|entry| {
            if matches!(entry.value, Item::Table(_)) {
                self.collect(&mut vec![], entry, &mut found);
            }
        });
        found
    }

    fn collect(&self, tables: &mut Vec<String>, entry: &Entry, found: &mut Vec<Found>) {
        tables.push(entry.key.clone());
        found.push(Found { file: self.path.clone(), path: tables.clone(), line: entry.line });
        if let Item::Table(inner) = &entry.value {
            inner.iter().for_each(|entry| self.collect(tables, entry, found));
        }
        tables.pop();
    }

    /// The place to blame for an error of the command line and this file together, which is of a flag.
    pub fn blame(&self, flag: Option<&str>) -> String {
        let entry = flag.and_then(|flag| self.entries.iter().find(|entry| entry.key == flag));
        match entry {
            Some(Entry { key, line, .. }) => format!("{}: line {line}: `{key}` is the flag --{key}:", self.path.display()),
            None => format!("{} and the command line do not go together; each key is a flag:", self.path.display()),
        }
    }
}

/// The name that is most like another one, if one is.
fn similar<'a>(to: &str, names: &[&'a str]) -> Option<&'a str> {
    let to = to.to_lowercase().replace('_', "-");
    let likeness = |name: &str| strsim::jaro_winkler(&to, name);
    let best = names.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= SIMILAR).then_some(best)
}

fn entries(text: &str, table: &DeTable) -> Vec<Entry> {
    let line = |start: usize| 1 + text.bytes().take(start).filter(|b| *b == b'\n').count();
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue>)| {
        let key: &Spanned<toml::de::DeString> = key;
        Entry { key: key.get_ref().to_string(), line: line(key.span().start), value: item(text, value.get_ref()) }
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn item(text: &str, value: &DeValue) -> Item {
    match value {
        DeValue::String(text) => Item::Text(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = u64::from_str_radix(number.as_str(), number.radix()).map(|n| n.to_string());
            Item::Number(decimal.unwrap_or_else(|_| number.as_str().to_string()))
        }
        DeValue::Float(number) => Item::Number(number.as_str().to_string()),
        DeValue::Boolean(on) => Item::Switch(*on),
        DeValue::Datetime(date) => Item::Date(date.to_string()),
        DeValue::Array(items) => Item::List(items.iter().map(|value| item(text, value.get_ref())).collect()),
        DeValue::Table(table) => Item::Table(entries(text, table)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags;
    use super::*;
    use serde_json::json;

    fn file(text: &str) -> Result<File> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        File::read(&path)
    }

    fn arguments(model: &str, text: &str) -> Result<Vec<String>> {
        let arguments = file(text)?.arguments(model, &flags(model), &[])?;
        Ok(arguments.into_iter().map(|a| a.into_string().unwrap()).collect())
    }

    #[test]
    fn values_keep_the_text_that_they_are() {
        let text = "data = ['2024.10', \"007\"]\nlr = 1e-3\nbatch = 0x10\nno-bias = true\nno-debias = false\nseed = '18446744073709551615'\n\
                    clip-radius = inf\nmodel = 'gpt2'";
        let mut expected = vec!["--batch=16", "--clip-radius=inf", "--data=2024.10", "--data=007", "--lr=1e-3", "--no-bias"];
        expected.push("--seed=18446744073709551615");
        let mut found = arguments("gpt2", text).unwrap();
        found[2..].sort();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_a_flag_or_of_another_kind_is_refused_with_its_line() {
        for (text, line, wanted) in [
            ("lr = 1\nlearning_rates = 3", 2, "`learning_rates` is not a flag of `ivon train gpt2`"),
            ("weight_decay = 1", 1, "did you mean `weight-decay`?"),
            ("# a\n\n[optimiser]\nlr = 3", 3, "[optimiser] is not a table of a configuration; did you mean `optimizer`?"),
            ("[schedules]\nlr = 3", 1, "(`lr` in line 2)"),
            ("[[text2]]\nlr = 3", 1, "`text2` is not a flag"),
            ("data = 2024.10", 1, "`data` expects text, in quotes: \"2024.10\"; found 2024.10"),
            ("data = 007", 1, "leading"),
            ("data = 2024-10-01", 1, "in quotes: \"2024-10-01\""),
            ("data = ['a', 1]", 1, "`data` expects text"),
            ("data = [['a']]", 1, "a list in a list"),
            ("lr = true", 1, "`lr` expects a number; found true"),
            ("lr = false", 1, "`lr` expects a number; found false"),
            ("lr = {x = 1}", 1, "`lr` expects a number; found a table"),
            ("no-bias = 'yes'", 1, "`no-bias` expects true or false; found \"yes\""),
            ("no-bias = 1", 1, "`no-bias` expects true or false; found 1"),
            ("lr = 1\nlr = 2", 2, "duplicate"),
            ("resume = 'x'", 1, "`resume` is not a flag"),
        ] {
            let message = arguments("gpt2", text).unwrap_err().to_string();
            assert!(message.contains(&format!("line {line}")) && message.contains(wanted), "{text}: {message}");
        }
        assert!(arguments("lenet", "model = 'gpt2'\nno-bias = true").unwrap_err().to_string().contains("of `ivon train gpt2`"));
    }

    #[test]
    fn a_key_below_the_table_of_the_data_is_refused() {
        let data = json!({"checksum": "x", "transform": {"size": 32}});
        let check = |text: &str| file(text).unwrap().found().iter().try_for_each(|found| found.check("pictures", &data));
        assert_eq!(
            check("lr = 1\n[pictures]\nchecksum = 'y'\n[pictures.transform]\nsize = 28\nexif = 'apply'\nfit = 'x'"),
            Ok(())
        );
        let message = check("[pictures]\nchecksum = 'y'\n[pictures.transform]\nsize = 28\nlr = 3").unwrap_err().to_string();
        assert!(message.contains("line 5: `lr` stands in the table [pictures.transform]"), "{message}");
        assert!(check("[text]\nchecksum = 'y'").is_err());
    }

    #[test]
    fn the_command_line_says_how_long_a_run_is() {
        let of = |named: &str| {
            let file = file("epochs = 2\nsteps = 20").unwrap();
            file.arguments("lenet", &flags("lenet"), &[named.into()]).unwrap()
        };
        assert_eq!(of("lr"), ["--epochs=2", "--steps=20"]);
        assert!(of("epochs").is_empty() && of("steps").is_empty());
    }
}
