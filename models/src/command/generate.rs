//! `ivon generate`: text of a stored model's own, averaged over its posterior, with what it is unsure of.

use super::flags::{DeviceFlags, values};
use super::{memory, output, transfer};
use crate::data::{check_text, without_mark};
use crate::gpt2::{Dimensions, Drawn, Reader, Sampling, Stored, next, next_of};
use clap::{Args, ValueEnum};
use ivon_runtime::{Context, DType, Device, Error, Flat, Result, disk};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Continue a text with a trained model
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Generate {
    /// A run, one of its checkpoints, or weights as `import` takes them
    #[arg(value_name = "MODEL")]
    from: PathBuf,

    /// The text to continue; an empty one begins a new text
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "prompt_file")]
    prompt: String,

    /// A file with the text to continue
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,

    /// Tokens to add
    #[arg(long, value_name = "N", default_value = "200", value_parser = values::repetitions)]
    tokens: usize,

    /// Above 1 more daring, below 1 more certain, 0 always the likeliest token
    #[arg(long, value_name = "T", default_value = "0.8", value_parser = values::non_negative)]
    temperature: f64,

    /// Draw from this many of the likeliest tokens alone
    #[arg(long, value_name = "K", value_parser = values::count)]
    top_k: Option<usize>,

    /// Draw from the likeliest tokens that together have this share of the probability
    #[arg(long, value_name = "P", default_value = "1", value_parser = values::positive)]
    top_p: f64,

    /// The same seed gives the same text
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::whole::<u64>)]
    seed: u64,

    /// Average the probabilities of every token over this many samples of the posterior [default: 8 with --uncertainty, else the mean alone]
    #[arg(long, value_name = "N", value_parser = values::samples)]
    samples: Option<usize>,

    /// Colour every token by how much the samples disagree about it; where there are no colours, list it for every token
    #[arg(long)]
    uncertainty: bool,

    /// When to write colours
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,

    /// Attention heads, where nothing beside the weights says how many
    #[arg(long, value_name = "N", value_parser = values::count)]
    heads: Option<usize>,

    #[command(flatten)]
    device: DeviceFlags,

    /// Print one line of JSON instead of the text: every token with its probability and uncertainty
    #[arg(long)]
    json: bool,
}

/// When colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Samples where uncertainty is asked for and their number is not.
const SAMPLES: usize = 8;
/// Bytes of the longest prompt: models see thousands of tokens at most.
const LONGEST_PROMPT: u64 = 16 << 20;

/// Bytes that a set of weights takes with what is kept of the text, in f32.
fn bytes_of_reader(dimensions: &Dimensions) -> u64 {
    const FIXED: usize = 1 << 20; // a context with its memory for one position
    let Dimensions { layers, width, context, vocab, .. } = *dimensions;
    (4 * (dimensions.parameters() + 2 * layers * context * width + 4 * vocab) + FIXED) as u64
}

/// A prompt may come through a pipe, as `--prompt-file <(..)` does, and so may never end.
fn read_prompt(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let failed = |e| disk::unreadable(path, &e);
    File::open(path).map_err(failed)?.take(LONGEST_PROMPT + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > LONGEST_PROMPT {
        true => Err(Error::file(path, format!("has more than {LONGEST_PROMPT} bytes; give a shorter prompt"))),
        false => Ok(bytes),
    }
}

/// Background colours of the 256 of terminals, and the mutual information (nats) up to which each stands.
const SCALE: [(f64, u8); 5] = [(0.01, 0), (0.03, 22), (0.1, 58), (0.3, 94), (f64::INFINITY, 88)];

impl Generate {
    /// Generates and prints.
    ///
    /// # Errors
    /// If the model is not found, or prompt and flags do not fit it.
    pub fn run(&self) -> Result<()> {
        let stored = Stored::open(&self.from, self.heads)?;
        transfer::say_doubt(&self.from, &stored);
        let ids = stored.tokenizer.vocab();
        let sampling = Sampling { temperature: self.temperature, top_k: self.top_k, top_p: self.top_p, seed: self.seed, ids };
        sampling.check()?;
        if stored.dimensions.vocab > ids {
            tell!("note: the model has {} ids and its tokenizer {ids}: the others are never drawn", stored.dimensions.vocab);
        }
        let samples = self.samples.unwrap_or(if self.uncertainty { SAMPLES } else { 0 });
        if stored.posterior.is_point() && samples > 0 {
            let flags = if self.uncertainty { "--uncertainty" } else { "--samples" };
            return Err(Error::file(&self.from, format!("has no posterior to draw samples from; leave {flags} out")));
        }
        if self.uncertainty && samples < 2 {
            return Err(Error::config("--uncertainty compares samples: use --samples 2 or more"));
        }
        memory::check((stored.dimensions.parameters(), "parameters"), 4 * 3, "use a smaller model")?;
        let prompt = self.prompt(&stored)?;
        let (device, dtype) = (self.device.start()?, self.device.training_dtype()?);
        let mut writer = Writer { colors: self.uncertainty && self.colors(), quiet: self.json, waiting: vec![] };
        // A text that begins out of nothing shows only what was generated.
        if !self.prompt.is_empty() || self.prompt_file.is_some() {
            writer.write(&stored.tokenizer.bytes(&prompt)?, None)?;
        }
        let start = Instant::now();
        let show = |token: &Drawn| writer.write(&stored.tokenizer.bytes(&[token.id])?, Some(token.epistemic));
        let drawn = self.draw(&stored, samples, &prompt, &sampling, (device, dtype), show)?;
        let seconds = start.elapsed().as_secs_f64();
        writer.end()?;
        if self.json {
            say!("{}", self.result(&stored, samples, &prompt, &drawn, seconds)?)?;
        } else if self.uncertainty && !writer.colors {
            // The list replaces the colours.
            say!("\nmutual information of token and weights, nats:")?;
            for token in &drawn {
                say!("{:8.4}  {:?}", token.epistemic, stored.tokenizer.decode(&[token.id])?)?;
            }
        }
        Ok(())
    }

    /// Draws the tokens, and shows each one.
    fn draw(
        &self,
        stored: &Stored,
        samples: usize,
        prompt: &[u16],
        sampling: &Sampling,
        (device, dtype): (Device, DType),
        mut show: impl FnMut(&Drawn) -> Result<()>,
    ) -> Result<Vec<Drawn>> {
        let positions = stored.dimensions.context;
        let context = || Context::new(device, dtype);
        let write = |cx: &Context, weights: &mut Flat, sample: Option<usize>| {
            stored.posterior.write(sample.map(|k| (self.seed, k as u32)), weights)?;
            cx.set_weights(weights);
            Ok(())
        };
        let zeros = || Flat::zeros(stored.posterior.layout(), dtype);
        let (mut text, mut drawn) = (prompt.to_vec(), vec![]);
        let mut add = |text: &mut Vec<u16>, token: Drawn| {
            text.push(token.id);
            show(&token)?;
            drawn.push(token);
            Ok(())
        };
        let needed = bytes_of_reader(&stored.dimensions).saturating_mul(samples as u64);
        if memory::available().is_some_and(|available| needed > available / 2) {
            tell!(
                "note: {samples} samples do not fit in memory at once; each is drawn anew, and reads the text anew, for every token"
            );
            let (cx, mut weights) = (context()?, zeros()?);
            let mut reader = Reader::new(&cx, positions);
            for number in 0..self.tokens {
                let mut each = (0..samples).map(|k| {
                    write(&cx, &mut weights, Some(k))?;
                    reader.forget();
                    reader.log_probabilities(&stored.model, &text)
                });
                let token = next_of(&mut each, sampling, number)?;
                add(&mut text, token)?;
            }
            return Ok(drawn);
        }
        // One context for each set of weights: the mean, or every sample.
        let of = |sample: Option<usize>| {
            let (cx, mut weights) = (context()?, zeros()?);
            write(&cx, &mut weights, sample)?;
            Ok(cx)
        };
        let contexts = match samples {
            0 => vec![of(None)?],
            n => (0..n).map(|k| of(Some(k))).collect::<Result<Vec<_>>>()?,
        };
        let mut readers: Vec<Reader> = contexts.iter().map(|cx| Reader::new(cx, positions)).collect();
        for number in 0..self.tokens {
            let token = next(&mut readers, &stored.model, &text, sampling, number)?;
            add(&mut text, token)?;
        }
        Ok(drawn)
    }

    /// The tokens to continue.
    fn prompt(&self, stored: &Stored) -> Result<Vec<u16>> {
        let tokenizer = stored.tokenizer;
        let (bytes, origin) = match &self.prompt_file {
            Some(path) => {
                let bytes = read_prompt(path)?;
                check_text(path, &bytes)?;
                (without_mark(&bytes).to_vec(), path.display().to_string())
            }
            None => (self.prompt.clone().into_bytes(), "--prompt".into()),
        };
        let ids = tokenizer.encode(&bytes, &origin)?;
        if tokenizer.marks(&bytes) > 0 {
            tell!(
                "note: {origin}: <|endoftext|> is encoded as the letters that it is written with; an empty prompt begins a new text"
            );
        }
        let vocab = stored.dimensions.vocab;
        if let Some(id) = ids.iter().find(|id| usize::from(**id) >= vocab) {
            return Err(Error::config(format!(
                "{origin}: token {id} is not one of the model's {vocab}: it was trained with another tokenizer"
            )));
        }
        if ids.len() > stored.dimensions.context {
            tell!("note: the prompt has {} tokens; the model sees its last {}", ids.len(), stored.dimensions.context.div_ceil(2));
        }
        Ok(if ids.is_empty() { vec![tokenizer.beginning()] } else { ids })
    }

    fn colors(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn result(&self, stored: &Stored, samples: usize, prompt: &[u16], drawn: &[Drawn], seconds: f64) -> Result<Value> {
        let decode = |ids: &[u16]| stored.tokenizer.decode(ids);
        let token = |d: &Drawn| {
            let mut token = json!({"id": d.id, "text": decode(&[d.id])?, "probability": d.probability, "entropy": d.entropy});
            if samples > 1 {
                token["epistemic"] = d.epistemic.into();
            }
            Ok(token)
        };
        let ids: Vec<u16> = drawn.iter().map(|d| d.id).collect();
        Ok(json!({
            "prompt": decode(prompt)?, "text": decode(&ids)?, "samples": samples, "seed": self.seed,
            "tokens": drawn.iter().map(token).collect::<Result<Vec<_>>>()?,
            "seconds": seconds, "tokens_per_s": drawn.len() as f64 / seconds.max(1e-9),
        }))
    }
}

/// Writes text as it comes.
struct Writer {
    colors: bool,
    quiet: bool,
    /// The beginning of a character whose end has not come yet.
    waiting: Vec<u8>,
}

impl Writer {
    fn write(&mut self, bytes: &[u8], epistemic: Option<f64>) -> Result<()> {
        self.waiting.extend(bytes);
        let mut text = String::new();
        // A character may come in several tokens: what is incomplete at the end waits for the rest.
        let mut rest = 0;
        for chunk in self.waiting.utf8_chunks() {
            text += chunk.valid();
            rest += chunk.valid().len();
            if chunk.invalid().is_empty() {
                break;
            }
            let at_end = rest + chunk.invalid().len() == self.waiting.len();
            if at_end && str::from_utf8(&self.waiting[rest..]).is_err_and(|e| e.error_len().is_none()) {
                break;
            }
            text.push('\u{fffd}');
            rest += chunk.invalid().len();
        }
        self.waiting.drain(..rest);
        // Replaces control characters, which could steer a terminal.
        let text: String = text.chars().map(|c| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c }).collect();
        let color = epistemic.filter(|_| self.colors).and_then(|x| SCALE.iter().find(|(limit, _)| x <= *limit)).map(|s| s.1);
        let text = match color {
            Some(color) if color > 0 => {
                text.split('\n').map(|t| format!("\x1b[48;5;{color}m{t}\x1b[0m")).collect::<Vec<_>>().join("\n")
            }
            _ => text,
        };
        if self.quiet { Ok(()) } else { output::text_now(&text) }
    }

    fn end(&mut self) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        say!("")?;
        if self.colors {
            let legend: Vec<String> =
                SCALE.windows(2).map(|pair| format!("\x1b[48;5;{}m above {} \x1b[0m", pair[1].1, pair[0].0)).collect();
            say!("\nmutual information of token and weights, nats: {}", legend.join(" "))?;
        }
        Ok(())
    }
}
