//! Every numeric flag of every subcommand, with numbers that no user means: a message or a meaning, never a panic, a hang or all of the memory.
//!
//! Subcommands and flags come from the command's own definition. A flag is numeric if it refuses a word and has no list of words to choose from.
#![cfg(unix)]

mod common;

use clap::{Arg, Command};
use models::command::definition;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The numbers. 2^63 and 2^64 - 1 are beyond or at the end of every integer type in use.
const NUMBERS: [&str; 7] = ["0", "-1", "NaN", "inf", "1e400", "9223372036854775808", "18446744073709551615"];

/// A call of each subcommand that ends at once, to which the flag is added. Networks for images share their flags, so one stands for all.
const CALLS: [&str; 16] = [
    "train gpt2 --data a.txt --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --steps 1 --warmup 1 --eval-tokens 64 --eval-samples 1",
    "train lenet --data digits --size 16 --train-examples 8 --eval-examples 4 --batch 4 --steps 1 --eval-samples 1",
    "bench gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --steps 1 --warmup 0",
    "bench lenet --size 16 --batch 2 --steps 1 --warmup 0",
    "evaluate text --samples 1 --eval-tokens 64",
    "evaluate images --samples 1 --eval-examples 4",
    "predict images cat.jpg --samples 1",
    "generate text --tokens 2",
    "merge text other --out merged",
    "inspect gpt2 --preset tiny",
    "inspect lenet",
    "gradients gpt2 --layers 1 --width 16 --heads 2 --weights none.safetensors --batch none.safetensors --out out.safetensors",
    "gradients resnet18 --weights none.safetensors --batch none.safetensors --out out.safetensors",
    "prepare a.txt --tokenizer bytes --out a.bin",
    "import text --out w.safetensors",
    "export text --out exported",
];

/// The longest that a call may take; most end in a fraction of a second.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of address space that a call may take.
const MEMORY: u64 = 8 << 30;

#[test]
fn numbers_that_no_user_means_get_a_message_or_have_a_meaning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "Once upon a time.\n".repeat(100)).unwrap();
    common::idx(&folder.path().join("digits"), 20, 8);
    let jpeg = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/images/fixtures/444.jpg");
    std::fs::copy(jpeg, folder.path().join("cat.jpg")).unwrap();
    common::succeeds(folder.path(), &format!("{} --out text", CALLS[0]));
    common::succeeds(folder.path(), &format!("{} --seed 2 --out other", CALLS[0]));
    common::succeeds(folder.path(), &format!("{} --out images", CALLS[1]));

    let (mut tried, mut run, mut wrong) = (0, 0, vec![]);
    for call in CALLS {
        let words: Vec<&str> = call.split(' ').collect();
        for flag in numeric(&words) {
            for number in NUMBERS {
                tried += 1;
                let given = with(&words, &flag, number);
                if parses(&given) {
                    run += 1;
                    let found = outcome(folder.path(), &given).err();
                    found.iter().for_each(|message| eprintln!("{message}"));
                    wrong.extend(found);
                }
            }
        }
    }
    println!("{tried} numbers tried, {run} of them accepted by the parser and run");
    assert!(wrong.is_empty(), "{} calls went wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 800 && run > 50, "{tried} tried, {run} run");
}

/// Each subcommand has a call above, networks for images aside.
#[test]
fn no_subcommand_is_left_out() {
    let is_called = |path: &str| CALLS.iter().any(|call| call.starts_with(path));
    for command in definition().get_subcommands() {
        // These have no numeric flags, which their own tests would show.
        if matches!(command.get_name(), "compare" | "devices" | "help") {
            assert!(
                command.get_arguments().all(|a| !a.get_action().takes_values() || a.is_positional()),
                "{}",
                command.get_name()
            );
            continue;
        }
        assert!(is_called(command.get_name()), "{}", command.get_name());
    }
}

/// The numeric flags of the subcommand that these words call.
fn numeric(words: &[&str]) -> Vec<String> {
    let mut command: Command = definition();
    for word in words {
        match command.find_subcommand(word) {
            Some(next) => command = next.clone(),
            None => break,
        }
    }
    let is_numeric =
        |flag: &str| parses(&with(words, flag, "1")) | parses(&with(words, flag, "0.5")) && !parses(&with(words, flag, "word"));
    let flags = command.get_arguments().filter(|a: &&Arg| a.get_action().takes_values() && a.get_possible_values().is_empty());
    flags.filter_map(|a| a.get_long().map(str::to_string)).filter(|flag| is_numeric(flag)).collect()
}

/// The words with the flag's value in the place of the one that is there.
fn with(words: &[&str], flag: &str, value: &str) -> Vec<String> {
    let mut all: Vec<String> = words.iter().map(|w| w.to_string()).collect();
    if let Some(i) = all.iter().position(|w| w.strip_prefix("--") == Some(flag)) {
        all.drain(i..i + 2);
    }
    all.push(format!("--{flag}={value}"));
    all
}

fn parses(words: &[String]) -> bool {
    definition().try_get_matches_from(std::iter::once("ivon").chain(words.iter().map(String::as_str))).is_ok()
}

/// Runs a call; the error says how it went wrong.
fn outcome(folder: &Path, words: &[String]) -> Result<(), String> {
    let line = words.join(" ");
    let out = folder.join("fresh");
    let _ = std::fs::remove_dir_all(&out);
    let mut words = words.to_vec();
    if words[0] == "train" && !words.iter().any(|w| w.starts_with("--out")) {
        words.push("--out=fresh".into());
    }
    let limited = format!("ulimit -v {}; exec \"$0\" \"$@\"", MEMORY / 1024);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut child = std::process::Command::new("sh")
        .current_dir(folder)
        .args(["-c", &limited, env!("CARGO_BIN_EXE_ivon")])
        .args(&words)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > LIMIT => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("ivon {line}: still runs after {LIMIT:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = String::from_utf8_lossy(&std::fs::read(folder.join("log")).unwrap()).into_owned();
    match status.code() {
        Some(0..=2) if !text.contains("panicked") => Ok(()),
        code => Err(format!(
            "ivon {line}: exit {code:?}, signal {:?}: {}",
            status.signal(),
            text.chars().take(300).collect::<String>()
        )),
    }
}
