//! Text that is not what it seems, as a user of the `ivon` command meets it.

mod common;

use common::{fails, ivon, succeeds, text};
use std::fs;
use std::path::Path;

/// The smallest model, for two steps.
const TINY: &str =
    "train gpt2 --layers 1 --width 8 --heads 1 --context 16 --batch 2 --steps 2 --warmup 0 --eval-tokens 64 --eval-samples 0";

/// Standard output and error of a command that succeeds.
fn said(folder: &Path, arguments: &str) -> String {
    let output = ivon(folder, arguments).output().unwrap();
    assert!(output.status.success(), "ivon {arguments}\n{}", text(&output));
    text(&output)
}

#[test]
fn prepared_tokens_are_trained_on_with_the_tokenizer_that_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("book.txt"), "A line of a book of words.\n".repeat(300)).unwrap();
    succeeds(path, "prepare book.txt --out book.bin");
    said(path, &format!("{TINY} --data book.bin --out run"));
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("tokenizer = \"gpt2\"") && config.contains("vocab = 50257"), "{config}");
    // Without a header nothing says it: then the message has the flags to give.
    succeeds(path, "prepare book.txt --format nanogpt --out plain.bin");
    let error = fails(path, &format!("{TINY} --data plain.bin"));
    assert!(error.contains("--tokenizer gpt2") && error.contains("--vocab 50257"), "{error}");
}

#[test]
fn a_million_spaces_are_prepared() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.txt"), " ".repeat(1_200_000) + "x").unwrap();
    let result = succeeds(folder.path(), "prepare s.txt --out o.bin --format nanogpt --json");
    assert_eq!(result["tokens"], 1_200_000);
    let ids = fs::read(folder.path().join("o.bin")).unwrap();
    let (last, spaces) = ids.as_chunks::<2>().0.split_last().unwrap();
    assert!(spaces.iter().all(|id| u16::from_le_bytes(*id) == 220) && u16::from_le_bytes(*last) == 2124);
}

#[test]
fn text_that_is_trained_on_twice_is_refused_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("books")).unwrap();
    for (name, line) in [("1", "One line of words.\n"), ("2", "Other words in a line.\n"), ("last", "The last of the books.\n")] {
        fs::write(path.join(format!("books/{name}.txt")), line.repeat(100)).unwrap();
    }
    let error = fails(path, &format!("{TINY} --data books --validation-data books/last.txt"));
    assert!(error.contains("last.txt: is validated with and trained on"), "{error}");
    let error = fails(path, &format!("{TINY} --data books/1.txt books/1.txt"));
    assert!(error.contains("1.txt: is given twice"), "{error}");
    fs::copy(path.join("books/1.txt"), path.join("copy.txt")).unwrap();
    let note = said(path, &format!("{TINY} --data books/1.txt copy.txt"));
    assert!(note.contains("books/1.txt and copy.txt have the same content"), "{note}");
}

#[test]
fn what_is_no_text_is_refused_by_name_with_any_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("ids.npy"), b"\x93NUMPY\x01\0v\0{'descr': '<u2'}").unwrap();
    let wide: Vec<u8> = "The quick brown fox.\n".repeat(50).encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(path.join("wide.txt"), wide).unwrap();
    for tokenizer in ["bytes", "gpt2"] {
        let error = fails(path, &format!("prepare ids.npy --tokenizer {tokenizer} --out o.bin"));
        assert!(error.contains("ids.npy: is a NumPy array"), "{error}");
        let error = fails(path, &format!("prepare wide.txt --tokenizer {tokenizer} --out o.bin"));
        assert!(error.contains("wide.txt: is text in UTF-16") && error.contains("iconv"), "{error}");
    }
    let error = fails(path, &format!("{TINY} --data wide.txt"));
    assert!(error.contains("UTF-16"), "{error}");
    fs::write(path.join("latin.txt"), b"caf\xe9 ".repeat(50)).unwrap();
    let error = fails(path, "prepare latin.txt --out o.bin");
    assert!(error.contains("latin.txt: byte 3 is not UTF-8") && error.contains("iconv -f latin1"), "{error}");
}

#[test]
fn special_tokens_in_text_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("s.txt"), "\u{feff}one<|endoftext|>two<|endoftext|>").unwrap();
    let count = |special: &str| {
        let said = said(path, &format!("prepare s.txt --format nanogpt --out o.bin {special}"));
        assert!(said.contains("written out 2 times") && said.contains("mark of UTF-8"), "{said}");
        let ids = fs::read(path.join("o.bin")).unwrap();
        ids.as_chunks::<2>().0.iter().filter(|id| u16::from_le_bytes(**id) == 50256).count()
    };
    assert_eq!([count(""), count("--special-tokens token")], [0, 2]);
}

#[test]
fn uncertainty_is_kept_where_there_are_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("book.txt"), "A line of a book of words.\n".repeat(100)).unwrap();
    said(path, &format!("{TINY} --data book.txt --out run"));
    let output = said(path, "generate run --tokens 5 --uncertainty --samples 2");
    let (_, listed) = output.split_once("mutual information of token and weights, nats:\n").unwrap();
    assert_eq!(listed.lines().filter(|line| line.trim_start().starts_with("0.")).count(), 5, "{output}");
    let error = fails(path, "generate run --samples 18446744073709551615");
    assert!(error.contains("must be at most 1048576"), "{error}");
}

#[test]
fn training_goes_on_from_weights_without_losing_what_they_have_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let words: Vec<&str> =
        "the of a model learns to see what no one has said before and then it stops at once for good".split(' ').collect();
    let mut state = 1u32;
    let mut word = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345) & 0x7fff_ffff;
        words[(state >> 16) as usize % words.len()]
    };
    let book = (0..600).map(|_| word()).collect::<Vec<_>>().join(" ");
    fs::write(path.join("book.txt"), &book).unwrap();
    // The same text but for its beginning: text that is contained as a whole is refused.
    fs::write(path.join("part.txt"), format!("for once {}", &book[..2000])).unwrap();
    let loss = |flags: &str| {
        let data = "--data book.txt --validation-data part.txt --batch 8 --eval-samples 0 --eval-every 0 --json";
        succeeds(path, &format!("train gpt2 {data} {flags}"))["validation_loss"].as_f64().unwrap()
    };
    let size = "--layers 1 --width 32 --heads 2 --context 32";
    let loaded = loss(&format!("{size} --steps 800 --optimizer adamw --lr 1e-2 --min-lr 1e-4 --out base"));
    succeeds(path, "import base --out base.safetensors");
    for flags in ["", "--hess-init 0.5", "--optimizer adamw"] {
        let loss = loss(&format!("--init base.safetensors --steps 60 {flags}"));
        assert!(loss <= loaded, "{loss} after 60 steps {flags} from {loaded}");
    }
}
