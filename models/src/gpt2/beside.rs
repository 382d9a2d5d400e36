//! Files of tokenizers beside weights, which may not be GPT-2's.

use crate::{json, mapped};
use ivon_runtime::{Error, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Bytes of the largest file of a tokenizer that is read.
const LARGEST: u64 = 256 << 20;

/// The reason to doubt that text for the weights in a directory is encoded as the model expects: a file of a tokenizer that is not ours.
///
/// # Errors
/// If a file of a tokenizer cannot be read.
pub fn foreign(directory: &Path, is_gpt2: bool) -> Result<Option<String>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let path = directory.join(&name);
        let ours = match name.as_str() {
            "vocab.json" | "tokenizer.json" | "merges.txt" if !is_gpt2 => false,
            "vocab.json" => is_vocabulary(&parsed(&path)?),
            "tokenizer.json" => is_vocabulary(&parsed(&path)?["model"]["vocab"]),
            "merges.txt" => are_merges(&mapped::read(&path, LARGEST)?),
            // Those of SentencePiece and of tiktoken.
            name => ![".model", ".tiktoken"].iter().any(|end| name.ends_with(end)) && name != "vocab.txt",
        };
        if !ours {
            return Ok(Some(format!("{} is of another tokenizer than GPT-2's", path.display())));
        }
    }
    Ok(None)
}

fn parsed(path: &Path) -> Result<Value> {
    json::parse(&mapped::read(path, LARGEST)?).map_err(|e| Error::file(path, format!("is no JSON: {e}")))
}

/// GPT-2's tokens in order of their ids, as its files write them: each byte is a character that can be seen.
fn tokens() -> Result<Vec<String>> {
    let shown = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        // The others follow from U+0100 on, in order.
        0..=0x20 => char::from_u32(0x100 + u32::from(byte)).unwrap_or(' '),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte) - 0x7f).unwrap_or(' '),
        0xad => '\u{143}',
    };
    let text = |id: u16| crate::data::Tokenizer::Gpt2.bytes(&[id]).map(|bytes| bytes.into_iter().map(shown).collect());
    (0..50256).map(text).collect()
}

/// True if every token of GPT-2's has its id.
fn is_vocabulary(vocabulary: &Value) -> bool {
    let Ok(tokens) = tokens() else { return false };
    let id = |token: &String| vocabulary.get(token).and_then(Value::as_u64);
    tokens.iter().zip(0..).all(|(token, wanted)| id(token) == Some(wanted))
}

/// True if the merges make GPT-2's tokens, in order: the first makes id 256.
fn are_merges(text: &[u8]) -> bool {
    let Ok(tokens) = tokens() else { return false };
    let text = String::from_utf8_lossy(text);
    let merges: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.is_empty())
        .map(|line| line.replacen(' ', "", 1))
        .collect();
    merges == tokens[256..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashMap;

    #[test]
    fn only_gpt2s_own_tokenizer_passes() {
        let folder = tempfile::tempdir().unwrap();
        let alone = |name: &str, content: String| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            let found = foreign(folder.path(), true).unwrap();
            fs::remove_file(path).unwrap();
            found.unwrap_or_default()
        };
        let ours: HashMap<String, usize> = tokens().unwrap().into_iter().zip(0..).collect();
        // From the published vocab.json.
        assert_eq!((ours["!"], ours["Ġthe"], ours["Ċ"], ours["ĠHello"]), (0, 262, 198, 18435));
        assert_eq!(alone("vocab.json", json!(ours).to_string()), "");
        assert_eq!(alone("tokenizer.json", json!({"model": {"type": "BPE", "vocab": ours}}).to_string()), "");
        let other: HashMap<String, usize> = ours.into_iter().map(|(token, id)| (token, (id * 7919) % 50257)).collect();
        assert!(alone("vocab.json", json!(other).to_string()).contains("vocab.json is of another tokenizer"));
        assert!(alone("tokenizer.json", json!({"model": {"vocab": other}}).to_string()).contains("tokenizer.json"));
        assert!(alone("merges.txt", "#version: 0.2\nc i\na o\n".into()).contains("merges.txt"));
        assert!(alone("spiece.model", String::new()).contains("spiece.model"));
        assert_eq!(alone("README.md", String::new()), "");
    }
}
