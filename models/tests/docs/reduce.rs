//! The reduced scale: what takes the place of the pages' numbers, and what stands for their placeholders.

/// The text that replaces a placeholder of a page.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("RUN1", "runs/a"),
    ("RUN2", "runs/b"),
    ("RUN", "runs/resnet20-1"),
    ("MODEL", "runs/gpt2-nano-1"),
    ("DIR", "exported"),
    ("x.png", "dog.png"),
    ("PATH", "cifar/"),
    ("FILE", "trace.safetensors"),
    ("O", "ivon"),
    ("N", "1"),
];

/// True for text that names a subcommand, or one of its flags, and is not a line to be typed: `ivon train`, `ivon bench --profile`,
/// `ivon generate ..`.
pub fn is_mention(line: &str) -> bool {
    let given = line.split(' ').count();
    let line = filled(line);
    let words: Vec<&str> = line.split(' ').collect();
    let names = definitions(&words).len();
    let flag = words.len() == names + 1 && words[names].starts_with("--") && words[names] != "--help";
    // `devices` and `train gpt2` are names and whole command lines.
    let whole = || models::command::definition().try_get_matches_from([&["ivon"], &words[..]].concat()).is_ok();
    (words.len() == names || flag || words.len() < given) && !whole()
}

/// The subcommands that a line goes through, as far as its words are their names.
fn definitions(words: &[&str]) -> Vec<clap::Command> {
    let mut all = vec![models::command::definition()];
    for word in words {
        let Some(next) = all.last().and_then(|c| c.find_subcommand(word)).cloned() else { break };
        all.push(next);
    }
    all.split_off(1)
}

/// A mention names a subcommand that exists, and flags that it, or a subcommand of it, has.
pub fn check_mention(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let Some(command) = definitions(&words).pop() else { return Err(format!("`{}` is no subcommand", words[0])) };
    let has = |command: &clap::Command, flag: &str| command.get_arguments().any(|a| a.get_long() == Some(flag));
    for flag in words.iter().filter_map(|w| w.strip_prefix("--")) {
        if !has(&command, flag) && !command.get_subcommands().any(|c| has(c, flag)) {
            return Err(format!("`ivon {}` has no flag --{flag}", command.get_name()));
        }
    }
    Ok(())
}

/// Flags and values for every command line of a kind: the first words of the line, flags that are set whatever the page says, flags that are
/// set only where the page has them, and flags that are left out.
struct Scale {
    words: &'static [&'static str],
    set: &'static [(&'static str, &'static str)],
    lower: &'static [(&'static str, &'static str)],
    drop: &'static [&'static str],
}

const TEXT: &[(&str, &str)] = &[("--layers", "1"), ("--width", "16"), ("--heads", "2"), ("--seq", "16"), ("--batch", "2")];

/// The first entry whose words a line begins with counts; `*` is any network for images.
const SCALES: &[Scale] = &[
    Scale { words: &["train", "gpt2", "--resume"], set: &[], lower: &[], drop: &[] },
    Scale {
        words: &["train", "gpt2", "--init"],
        set: &[
            ("--seq", "16"),
            ("--batch", "2"),
            ("--steps", "2"),
            ("--eval-tokens", "64"),
            ("--eval-samples", "1"),
            ("--warmup", "1"),
        ],
        lower: &[],
        drop: &[],
    },
    Scale {
        words: &["train", "gpt2"],
        set: &[("--steps", "4"), ("--eval-tokens", "64"), ("--eval-samples", "1"), ("--warmup", "1")],
        lower: &[("--preset", "tiny"), ("--checkpoint-every", "2"), ("--eval-every", "2")],
        drop: &[],
    },
    Scale {
        words: &["train", "*"],
        set: &[
            ("--steps", "2"),
            ("--train-examples", "8"),
            ("--eval-examples", "4"),
            ("--eval-samples", "1"),
            ("--size", "32"),
            ("--lr", "0.0001"),
        ],
        lower: &[("--batch", "8"), ("--micro-batches", "4")],
        drop: &["--epochs"],
    },
    Scale { words: &["bench", "gpt2"], set: &[("--steps", "1"), ("--warmup", "0")], lower: &[("--preset", "tiny")], drop: &[] },
    Scale {
        words: &["bench", "*"],
        set: &[("--steps", "1"), ("--warmup", "0"), ("--size", "32"), ("--batch", "2")],
        lower: &[],
        drop: &[],
    },
    Scale { words: &["evaluate"], set: &[("--samples", "2")], lower: &[], drop: &[] },
    Scale { words: &["predict"], set: &[("--samples", "2")], lower: &[], drop: &[] },
    Scale { words: &["generate"], set: &[("--tokens", "4")], lower: &[("--samples", "2")], drop: &[] },
    // The weights are those of the small model.
    Scale {
        words: &["gradients", "gpt2"],
        set: &[("--layers", "1"), ("--width", "16"), ("--heads", "2")],
        lower: &[],
        drop: &[],
    },
];

/// The line with its placeholders replaced.
pub fn filled(line: &str) -> String {
    // The output of a line must not overwrite the input of another one.
    let line = line.replace("--out DIR", "--out out");
    let fill = |word: &str| {
        let found = PLACEHOLDERS.iter().find(|(placeholder, _)| *placeholder == word);
        found.map_or(word, |(_, value)| value).to_string()
    };
    let dots = |word: &&str| matches!(*word, ".." | "...");
    line.split(' ').filter(|word| !dots(word)).map(fill).collect::<Vec<_>>().join(" ")
}

/// The reason why a line is not executed, if there is one.
pub fn parse_only(words: &[String]) -> Option<&'static str> {
    let has = |text: &str| words.iter().any(|w| w == text);
    match () {
        () if words.iter().any(|w| w.starts_with("cuda:")) => Some("needs a GPU"),
        () if has("--nvtx") => Some("needs a profiler of NVIDIA's"),
        () => None,
    }
}

/// The arguments at the reduced scale.
pub fn reduced(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    let fits = |scale: &&Scale| {
        scale.words.iter().enumerate().all(|(i, word)| match *word {
            "*" => true,
            flag if flag.starts_with("--") => words.iter().any(|w| w == flag),
            word => words.get(i).is_some_and(|w| w == word),
        })
    };
    let Some(scale) = SCALES.iter().find(fits) else { return words };
    if words.iter().any(|w| w == "--help" || w == "-h") {
        return words;
    }
    for flag in scale.drop {
        if let Some(i) = words.iter().position(|w| w == flag) {
            words.drain(i..i + 2);
        }
    }
    for (flag, value) in scale.set {
        put(&mut words, flag, value, true);
    }
    for (flag, value) in scale.lower {
        put(&mut words, flag, value, false);
    }
    // A language model of any size is reduced to one small block.
    if matches!(words[0].as_str(), "train" | "bench")
        && words[1] == "gpt2"
        && !["--resume", "--init"].iter().any(|f| words.iter().any(|w| w == f))
    {
        TEXT.iter().for_each(|(flag, value)| put(&mut words, flag, value, true));
    }
    words
}

/// Replaces the value of a flag; adds the flag where it is missing, if `add`.
fn put(words: &mut Vec<String>, flag: &str, value: &str, add: bool) {
    match words.iter().position(|w| w == flag) {
        Some(i) => words[i + 1] = value.into(),
        None if add => words.extend([flag.to_string(), value.to_string()]),
        None => {}
    }
}

/// The scale, in words.
pub const SCALE: &str = "runs with 1 to 4 steps, 1 or 2 samples, networks of 16 channels and images of 32 pixels; examples with a hundredth of \
                         their steps; benchmarks with one round of small sizes";

/// The value of `IVON_EXAMPLE_SCALE`.
pub const OF_EXAMPLES: &str = "0.01";

/// The arguments of a benchmark, and those that take the place of what stands behind a flag of the pages.
const BENCHES: &[(&str, &[&str])] = &[
    ("batch_norm", &["1", "1"]),
    ("conv", &["resnet20", "2", "1"]),
    ("expansion", &[]),
    ("images", &["--data", "cifar", "--batch", "4", "--rounds", "1", "--size", "32"]),
    ("matmul", &["1", "64x64x64"]),
    ("ops", &["1", "16", "768", "1", "16"]),
    ("update", &["--threads", "1", "--parameters", "6400", "--rounds", "1"]),
];

/// The arguments of an example or a benchmark at the reduced scale. Benchmarks that are not in the table keep theirs.
pub fn reduced_program(is_bench: bool, name: &str, arguments: &[&str]) -> Vec<String> {
    if let Some((_, reduced)) = BENCHES.iter().find(|(bench, _)| is_bench && *bench == name) {
        return reduced.iter().map(|word| word.to_string()).collect();
    }
    let mut words: Vec<String> = arguments.iter().map(|word| word.to_string()).collect();
    for (flag, value) in [("--mnist", "mnist"), ("--cifar", "cifar-10-batches-bin"), ("--epochs", "1")] {
        put(&mut words, flag, value, false);
    }
    words
}
