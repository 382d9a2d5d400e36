//! A GPT-2 with its weights, from whatever they are stored in.
//!
//! The notes of a weights file of ours are `dimensions` and `tokenizer`.

use super::names::{self, Convention};
use super::{Dimensions, Gpt2, PRESETS, beside};
use crate::data::Tokenizer;
use crate::weights::{self, Notes, Number, Precision, Table, Values};
use crate::{json, mapped, stored};
use ivon_runtime::checkpoint::{Checkpoint, Which};
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::run;
use ivon_runtime::{Error, Model, Posterior, Result, disk};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file of Hugging Face's that says what a model is.
const CONFIG: &str = "config.json";
/// Numbers in it that have a second name.
const ALIASES: [(&str, &str); 4] = [
    ("n_embd", "hidden_size"),
    ("n_positions", "max_position_embeddings"),
    ("n_head", "num_attention_heads"),
    ("n_layer", "num_hidden_layers"),
];
/// The file that its weights are in.
const WEIGHTS: &str = "model.safetensors";
/// In its place, where the weights are in several files: which is in which.
const INDEX: &str = "model.safetensors.index.json";
/// Bytes of the largest configuration that is read.
const LARGEST: u64 = 16 << 20;
/// PyTorch's own file of weights, which is not read.
const PICKLE: &str = "pytorch_model.bin";
/// Notes in a weights file: the encoding of its text, and a reason to doubt it.
const TOKENIZER: &str = "tokenizer";
const DOUBT: &str = "tokenizer_doubt";
/// The file for sigma, beside the weights.
const SIGMA: &str = "sigma.safetensors";

/// A model, and what was learned of its weights.
pub struct Stored {
    /// Its dimensions.
    pub dimensions: Dimensions,
    /// How its text is encoded.
    pub tokenizer: Tokenizer,
    /// The reason to doubt that the model learnt it so.
    pub doubt: Option<String>,
    /// The model.
    pub model: Gpt2,
    /// Its weights: a Gaussian, or a point.
    pub posterior: Posterior<'static>,
    /// Updates that a run had done.
    pub step: Option<u32>,
}

impl Stored {
    /// Opens a run directory (its last checkpoint), one of its checkpoints, a weights file of ours, of Hugging Face's or nanoGPT's, or a
    /// directory that Hugging Face's library saved. `heads` is for files that do not record the number of heads.
    ///
    /// # Errors
    /// If it is none of these, records another number of heads, or is inconsistent: the error lists everything that is wrong with it.
    pub fn open(path: &Path, heads: Option<usize>) -> Result<Stored> {
        if path.is_dir() {
            return match run::holds_a_run(path) || Checkpoint::is_at(path) {
                true => Self::of_run(&run::checkpoint(path, Which::Latest)?, heads),
                false => Self::open_folder(path, heads),
            };
        }
        let (table, notes) = weights::read_with_notes::<f32>(path)?;
        let at = |e: Error| Error::file(path, e);
        if stored::is_ours(&notes) {
            return Self::ours(table, &notes, heads).map_err(at);
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::theirs(table, &notes, directory, heads).map_err(at)
    }

    fn open_folder(path: &Path, heads: Option<usize>) -> Result<Stored> {
        let Some(weights) = [WEIGHTS, INDEX].map(|name| path.join(name)).into_iter().find(|file| file.is_file()) else {
            if path.join(PICKLE).exists() {
                return Err(Error::file(path, format!("holds {PICKLE}, which is not read; {}", weights::FROM_PYTORCH)));
            }
            let message = format!(
                "holds no {WEIGHTS}; give the directory of a run, a weights file (.safetensors), or a directory that Hugging Face's library saved"
            );
            return Err(Error::file(path, message));
        };
        let (table, notes) = weights::read_with_notes(&weights)?;
        if stored::is_ours(&notes) {
            return Self::ours(table, &notes, heads).map_err(|e| Error::file(&weights, e));
        }
        let mut stored = Self::theirs(table, &notes, path, heads).map_err(|e| Error::file(&weights, e))?;
        let sigma = path.join(SIGMA);
        if sigma.is_file() {
            let values = names::import(&stored.model.parameters(), weights::read_with_notes(&sigma)?.0)
                .map_err(|e| Error::file(&sigma, e))?;
            let means = stored.means();
            stored.posterior =
                stored::posterior(&stored.model, &means, Some(&values), &[]).map_err(|e| Error::file(&sigma, e))?;
        }
        Ok(stored)
    }

    /// Reads the posterior of a run's checkpoint.
    ///
    /// # Errors
    /// If the checkpoint belongs to another model, does not record the number of heads, or records another number than `heads`.
    pub fn of_run(checkpoint: &Checkpoint, heads: Option<usize>) -> Result<Stored> {
        let manifest = checkpoint.manifest();
        let at = |message: String| Error::file(checkpoint.path(), message);
        if manifest.model != Gpt2::NAME {
            let message = format!(
                "is of a {}, and a {} is needed; for models of images there is `ivon predict`",
                manifest.model,
                Gpt2::NAME
            );
            return Err(at(message));
        }
        let shape = |name: &str| manifest.parameters.iter().find(|p| p.name == name).map(|p| &p.shape[..]);
        let (Some([vocab, width]), Some([context, _])) = (shape("tokens.weight"), shape("positions")) else {
            return Err(at("has no `tokens.weight` and `positions` of two dimensions".into()));
        };
        let config = &manifest.notes.config;
        let stated = config.get("heads").and_then(Value::as_u64).map(|n| n as usize);
        let Some(heads) = stated_heads(stated, heads).map_err(|e| Error::file(checkpoint.path(), e))? else {
            return Err(at("does not say how many attention heads the model has: give --heads".into()));
        };
        let layers = manifest.parameters.iter().filter(|p| p.name.ends_with(".norm1.gain")).count();
        let dimensions =
            Dimensions { layers, width: *width, heads, context: *context, vocab: *vocab, bias: shape("norm.bias").is_some() };
        let model = Gpt2::of(&dimensions)?;
        let tokenizer = config.get("tokenizer").and_then(|t| serde_json::from_value(t.clone()).ok());
        let posterior = checkpoint.posterior(&model)?;
        stored::check(&posterior).map_err(|e| Error::file(checkpoint.path(), e))?;
        let tokenizer = tokenizer.unwrap_or(Tokenizer::fitting(*vocab));
        Ok(Stored { dimensions, tokenizer, doubt: None, model, posterior, step: Some(manifest.step) })
    }

    fn ours(table: Table<f32>, notes: &Notes, heads: Option<usize>) -> Result<Stored> {
        let note = |name: &str| notes.get(name).map_or("", String::as_str);
        let broken = |what: &str, e: serde_json::Error| Error::config(format!("its note `{what}` cannot be read: {e}"));
        let dimensions: Dimensions = serde_json::from_str(note("dimensions")).map_err(|e| broken("dimensions", e))?;
        stated_heads(Some(dimensions.heads), heads)?;
        let tokenizer = serde_json::from_value(note(TOKENIZER).into()).map_err(|e| broken(TOKENIZER, e))?;
        let model = Gpt2::of(&dimensions)?;
        let posterior = stored::read(&model, table, notes)?;
        Ok(Stored { dimensions, tokenizer, doubt: notes.get(DOUBT).cloned(), model, posterior, step: None })
    }

    /// Weights of another program, with what lies beside them in a directory.
    fn theirs(table: Table<f32>, notes: &Notes, directory: &Path, heads: Option<usize>) -> Result<Stored> {
        let config = Config::beside(directory)?;
        config.as_ref().map_or(Ok(()), |config| config.check_head(&table))?;
        let table = names::bare(table)?;
        let dimensions = dimensions(&table, config.as_ref(), heads)?;
        let model = Gpt2::of(&dimensions)?;
        let mean = names::import(&model.parameters(), table)?;
        let posterior = stored::posterior(&model, &mean, None, &[])?;
        let said = notes.get(TOKENIZER).and_then(|name| serde_json::from_value(name.as_str().into()).ok());
        let tokenizer = said.unwrap_or(Tokenizer::fitting(dimensions.vocab));
        let doubt = match beside::foreign(directory, tokenizer == Tokenizer::Gpt2)? {
            None if said.is_none() => doubt_of_size(dimensions.vocab),
            found => found,
        };
        Ok(Stored { dimensions, tokenizer, doubt, model, posterior, step: None })
    }

    fn means(&self) -> Vec<Vec<f32>> {
        self.values(|name| Ok(self.posterior.mean(name)?.to_vec())).unwrap_or_default()
    }

    fn values(&self, of: impl Fn(&str) -> Result<Vec<f32>>) -> Result<Vec<Vec<f32>>> {
        self.model.parameters().iter().map(|p| of(p.name())).collect()
    }

    /// Writes our own weights file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let dimensions = serde_json::to_string(&self.dimensions).map_err(|e| Error::file(path, e))?;
        let mut about = vec![("dimensions", dimensions), (TOKENIZER, self.tokenizer.name().into())];
        about.extend(self.doubt.iter().map(|doubt| (DOUBT, doubt.clone())));
        stored::write(path, &self.posterior, &about)
    }

    /// Writes a directory that other programs open: `model.safetensors` with the mean, for a posterior `sigma.safetensors` with sigma under
    /// the same names, and Hugging Face's `config.json`.
    ///
    /// # Errors
    /// If the directory holds a model already, or cannot be written.
    pub fn export(&self, folder: &Path, convention: Convention) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| disk::unwritable(folder, &e))?;
        let exists = |name: &&&str| folder.join(name).exists();
        if let Some(name) = [WEIGHTS, SIGMA, CONFIG].iter().find(exists) {
            return Err(Error::file(folder, format!("holds a {name} already; give another folder")));
        }
        let parameters = self.model.parameters();
        let write = |name: &str, values: Vec<Vec<f32>>| {
            let mut table = names::export(parameters.iter().copied().zip(values), convention)?;
            if !self.dimensions.bias && convention == Convention::HuggingFace {
                add_biases(&mut table);
            }
            // The first is looked for by transformers before it opens a file, the second by us.
            let notes = Notes::from([("format".into(), "pt".into()), (TOKENIZER.into(), self.tokenizer.name().into())]);
            weights::write(&folder.join(name), &table, Precision::F32, Some(notes))
        };
        write(WEIGHTS, self.means())?;
        if !self.posterior.is_point() {
            write(SIGMA, self.values(|name| self.posterior.sigma(name))?)?;
        }
        let config = folder.join(CONFIG);
        disk::write_bytes(&config, format!("{:#}\n", self.config()).as_bytes())
    }

    fn config(&self) -> Value {
        let Dimensions { layers, width, heads, context, vocab, .. } = self.dimensions;
        let end = self.tokenizer.separator();
        json!({
            "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": layers, "n_embd": width, "n_head": heads,
            "n_positions": context, "vocab_size": vocab, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
            "tie_word_embeddings": true, "bos_token_id": end, "eos_token_id": end,
        })
    }

    /// Puts the mean into an optimizer's state, where training then starts. Its Hessian stays at hess-init.
    ///
    /// # Errors
    /// If the optimizer's model is another one.
    pub fn start(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        stored::start(&self.posterior, optimizer)
    }
}

/// Zeros in place of biases that a model does without: Hugging Face's has them, and computes the same with zeros.
fn add_biases<E: Number>(table: &mut Table<E>) {
    let biases: Vec<_> = table
        .iter()
        .filter(|(name, _)| name.contains(".h.") || name.contains(".ln_f."))
        .filter_map(|(name, v)| {
            let size = *v.shape.last()?;
            Some((
                name.strip_suffix("weight")?.to_string() + "bias",
                Values { shape: vec![size], data: vec![E::default(); size] },
            ))
        })
        .collect();
    table.extend(biases);
}

/// The reason to doubt the tokenizer that the number of ids alone gives.
fn doubt_of_size(vocab: usize) -> Option<String> {
    let [bytes, gpt2] = Tokenizer::ALL.map(Tokenizer::vocab);
    (vocab != bytes && vocab < gpt2)
        .then(|| format!("its vocabulary of {vocab} ids is neither GPT-2's ({gpt2}) nor that of bytes ({bytes})"))
}

/// Hugging Face's configuration.
struct Config {
    path: PathBuf,
    value: Value,
}

impl Config {
    /// The one in a directory, if there is one.
    fn beside(directory: &Path) -> Result<Option<Config>> {
        let path = directory.join(CONFIG);
        if !path.exists() {
            return Ok(None);
        }
        let value = json::parse(&mapped::read(&path, LARGEST)?).map_err(|e| Error::file(&path, format!("is no JSON: {e}")))?;
        if !value.is_object() {
            return Err(Error::file(&path, "is no configuration: expected {\"n_head\": .., ..}"));
        }
        let config = Config { path, value };
        config.check_function()?;
        Ok(Some(config))
    }

    /// Refuses a model that computes another function of the weights.
    fn check_function(&self) -> Result<()> {
        let expected = [
            ("model_type", json!("gpt2")),
            ("activation_function", json!("gelu_new")),
            ("layer_norm_epsilon", json!(1e-5)),
            ("scale_attn_weights", json!(true)),
            ("scale_attn_by_inverse_layer_idx", json!(false)),
            ("add_cross_attention", json!(false)),
            ("n_inner", Value::Null),
        ];
        for (key, value) in expected {
            let found = self.value.get(key).unwrap_or(&value);
            let inner = key == "n_inner" && found.as_u64() == self.value.get("n_embd").and_then(Value::as_u64).map(|n| 4 * n);
            let same = match (found.as_f64(), value.as_f64()) {
                (Some(found), Some(value)) => found == value,
                _ => *found == value,
            };
            // `gelu_pytorch_tanh` is the same function.
            let tanh = key == "activation_function" && found == "gelu_pytorch_tanh";
            if !same && !inner && !tanh {
                return Err(self.wrong(format!("says `{key}`: {found}, but this GPT-2 computes with {value}")));
            }
        }
        Ok(())
    }

    /// A number that it says, by a key or by the name that Hugging Face's library takes for it too.
    fn number(&self, key: &str) -> Result<Option<usize>> {
        let alias = ALIASES.iter().find(|(of, _)| *of == key).map(|(_, alias)| *alias);
        let mut number = None;
        for key in [Some(key), alias].into_iter().flatten() {
            let Some(found) = self.value.get(key).filter(|value| !value.is_null()) else { continue };
            let Some(n) = found.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) else {
                return Err(self.wrong(format!("says `{key}`: {found}; expected a whole number of at least 1")));
            };
            if let Some((other, said)) = number.filter(|(_, said)| *said != n) {
                return Err(
                    self.wrong(format!("says `{other}`: {said} and `{key}`: {n}, two names of one number: keep the right one"))
                );
            }
            number = Some((key, n));
        }
        Ok(number.map(|(_, n)| n))
    }

    /// Refuses weights without a head where the head is said to be a tensor of its own.
    fn check_head(&self, table: &Table<f32>) -> Result<()> {
        let untied = self.value.get("tie_word_embeddings").is_some_and(|tied| *tied == json!(false));
        let both = names::has_head(table) && names::has_tokens(table);
        match untied && !both {
            true => Err(self.wrong(
                "says that the head is not tied to the token embedding, but the weights have one of the two alone: the other is missing".into(),
            )),
            false => Ok(()),
        }
    }

    /// Refuses a configuration of a model of other dimensions than the tensors have.
    fn check_dimensions(&self, found: &Dimensions) -> Result<()> {
        let Dimensions { layers, width, context, vocab, .. } = *found;
        let pairs = [("n_layer", layers), ("n_embd", width), ("n_positions", context), ("n_ctx", context), ("vocab_size", vocab)];
        for (key, found) in pairs {
            if let Some(said) = self.number(key)?.filter(|said| *said != found) {
                return Err(self.wrong(format!(
                    "says `{key}`: {said}, but the weights beside it have {found}: it is the configuration of another model"
                )));
            }
        }
        Ok(())
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
}

/// The number of attention heads. No shape shows it: the number recorded beside the weights holds, or else the one that was `given`.
///
/// # Errors
/// If the two differ.
fn stated_heads(stated: Option<usize>, given: Option<usize>) -> Result<Option<usize>> {
    match (stated, given) {
        (Some(stated), Some(given)) if stated != given => Err(Error::config(format!(
            "says that the model has {stated} attention heads, but --heads {given} was given: with it, the weights would be another model's; \
             leave --heads out"
        ))),
        _ => Ok(stated.or(given)),
    }
}

/// The dimensions of a model, from the tensors of a bare table and the configuration beside them.
fn dimensions(table: &Table<f32>, config: Option<&Config>, heads: Option<usize>) -> Result<Dimensions> {
    let matrix = |name: &str| match table.get(name).map(|v| &v.shape[..]) {
        Some([rows, columns]) if *rows > 0 && *columns > 0 => Ok((*rows, *columns)),
        Some(other) => Err(Error::config(format!("`{name}` is {other:?}; expected two dimensions of at least 1"))),
        None => {
            let some: Vec<&str> = table.keys().take(5).map(String::as_str).collect();
            Err(Error::config(format!(
                "holds no GPT-2: there is no `{name}`; it has {} tensors ({} …)",
                table.len(),
                some.join(", ")
            )))
        }
    };
    let ((vocab, width), (context, _)) = (matrix("wte.weight")?, matrix("wpe.weight")?);
    let number = |name: &str| name.strip_prefix("h.")?.split_once('.')?.0.parse::<usize>().ok();
    let layers = table.keys().filter_map(|name| number(name)).max().map_or(0, |last| last.saturating_add(1));
    if layers > table.len() {
        return Err(Error::config(format!("has a block {} but only {} tensors: blocks are missing", layers - 1, table.len())));
    }
    let configured = config.map_or(Ok(None), |config| config.number("n_head"))?;
    let published = PRESETS.iter().map(|p| p.dimensions).find(|d| (d.layers, d.width, d.vocab) == (layers, width, vocab));
    let Some(heads) = stated_heads(configured, heads)?.or(published.map(|d| d.heads)) else {
        let message = format!(
            "does not say how many attention heads the model has ({layers} layers, width {width}): give --heads, or put Hugging Face's \
             config.json beside it"
        );
        return Err(Error::config(message));
    };
    let dimensions = Dimensions { layers, width, heads, context, vocab, bias: table.contains_key("ln_f.bias") };
    config.map_or(Ok(()), |config| config.check_dimensions(&dimensions))?;
    dimensions.check()?;
    Ok(dimensions)
}
