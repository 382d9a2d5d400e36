//! Token files: ids as little-endian uint16, read by memory map.
//!
//! | format | content |
//! |---|---|
//! | llm.c | 256 int32: magic 20240520, version 1, number of tokens, 0 …; then the tokens |
//! | nanoGPT | the tokens alone |
//!
//! Ours are llm.c's, with the number of ids of the tokenizer in the fourth place of the header, which llm.c leaves 0.

use super::{Tokenizer, kind};
use crate::mapped::map;
use ivon_runtime::{Error, Result, disk::unwritable};
use memmap2::Mmap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: i32 = 20240520;
/// The magic numbers of other files of llm.c's, and what they hold.
const OTHER_MAGIC: [(i32, &str); 5] = [
    (20240801, "uint32 tokens (llm.c's format for Llama 3)"),
    (20240522, "questions with several answers (llm.c's format for HellaSwag)"),
    (20240326, "weights of GPT-2 (llm.c's)"),
    (20240327, "the state of a step (llm.c's)"),
    (20240328, "a tokenizer (llm.c's)"),
];
const VERSION: i32 = 1;
/// Bytes of the header.
const HEADER: usize = 4 * 256;
// The positions of the fields in the header, in units of int32.
const AT_MAGIC: usize = 0;
const AT_VERSION: usize = 1;
const AT_COUNT: usize = 2;
const AT_VOCAB: usize = 3;

/// How tokens are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TokenFormat {
    /// With a header: up to 2147483647 tokens a file
    #[value(name = "llm.c")]
    Llmc,
    /// Tokens alone
    #[value(name = "nanogpt")]
    NanoGpt,
}

/// Tokens in a file, mapped into memory: they are read from the disk where and when they are used.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    map: Mmap,
    /// Bytes before the first token.
    header: usize,
    /// Number of ids of the tokenizer, if the file says so.
    vocab: Option<usize>,
}

impl TokenFile {
    /// Opens a file if it holds tokens: it begins as llm.c's do, or its name ends in `.bin`.
    ///
    /// # Errors
    /// If it cannot be read, or what should be tokens cannot be: what is wrong with it.
    pub fn recognise(path: &Path) -> Result<Option<TokenFile>> {
        let named = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("bin"));
        let Some(map) = map(path)? else {
            return match named {
                true => Err(Error::file(path, "is empty; a token file holds uint16 tokens (write one with `ivon prepare`)")),
                false => Ok(None),
            };
        };
        let magic = map.first_chunk().map(|b| i32::from_le_bytes(*b));
        if let Some((magic, what)) = OTHER_MAGIC.iter().find(|(other, _)| magic == Some(*other)) {
            return Err(Error::file(path, format!("holds {what}, magic {magic}; expected uint16 tokens, magic {MAGIC}")));
        }
        match magic {
            Some(MAGIC) => Self::with_header(path, map).map(Some),
            _ if named => {
                if let Some(kind) = kind::by_signature(&map) {
                    let message = format!("is {}, not a file of uint16 tokens: {}", kind.name, kind.advice);
                    return Err(Error::file(path, message));
                }
                Self::plain(path, map).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn with_header(path: &Path, map: Mmap) -> Result<TokenFile> {
        let wrong = |message: String| Err(Error::file(path, message));
        if map.len() < HEADER {
            return wrong(format!("ends inside its header, after {} of {HEADER} bytes: was it cut short?", map.len()));
        }
        let field = |i: usize| i32::from_le_bytes([map[4 * i], map[4 * i + 1], map[4 * i + 2], map[4 * i + 3]]);
        if field(AT_VERSION) != VERSION {
            return wrong(format!("is of version {} of llm.c's token format; expected version {VERSION}", field(AT_VERSION)));
        }
        let (says, bytes) = (field(AT_COUNT), map.len() - HEADER);
        if usize::try_from(says).ok() != Some(bytes / 2) || bytes % 2 != 0 {
            return wrong(format!("says that it holds {says} tokens, but {bytes} bytes follow its header: was it cut short?"));
        }
        if says == 0 {
            return wrong("holds no tokens".into());
        }
        let vocab = usize::try_from(field(AT_VOCAB)).ok().filter(|v| *v > 0);
        Ok(TokenFile { path: path.into(), map, header: HEADER, vocab })
    }

    fn plain(path: &Path, map: Mmap) -> Result<TokenFile> {
        if !map.len().is_multiple_of(2) {
            return Err(Error::file(path, format!("has {} bytes, an odd number; uint16 tokens take two each", map.len())));
        }
        // A kilobyte of uint16 tokens that is valid text without a zero byte does not come about by chance.
        const LOOK: usize = 1024;
        let start = &map[..map.len().min(LOOK)];
        let valid = str::from_utf8(start).map_or_else(|e| e.valid_up_to() + 4 > start.len(), |_| true);
        if start.len() == LOOK && valid && !start.contains(&0) {
            return Err(Error::file(
                path,
                "is called .bin but holds text; rename it to .txt, or make tokens of it with `ivon prepare`",
            ));
        }
        if let Some(what) = other_integers(start) {
            let advice = "write them as uint16 in the order of bytes of this machine, as `array.astype(\"<u2\").tofile(\"tokens.bin\")` does";
            return Err(Error::file(path, format!("holds {what}, and uint16 tokens are read: {advice}")));
        }
        Ok(TokenFile { path: path.into(), map, header: 0, vocab: None })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokenizer that its header says, if it is one of ours.
    pub fn tokenizer(&self) -> Option<Tokenizer> {
        Tokenizer::ALL.into_iter().find(|tokenizer| Some(tokenizer.vocab()) == self.vocab)
    }

    /// All of the file.
    pub fn content(&self) -> &[u8] {
        &self.map
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        (self.map.len() - self.header) / 2
    }

    /// Never: such a file is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens `start` to `end`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn tokens(&self, range: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = u16> + '_ {
        let bytes = &self.map[self.header + 2 * range.start..self.header + 2 * range.end];
        bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b))
    }

    /// Looks at every token once. Returns what makes it doubtful that the tokenizer is the one that the file was written with.
    ///
    /// # Errors
    /// If one is not below `vocab`: which, at which place and byte. If the file was written by another tokenizer.
    pub fn check(&self, tokenizer: Tokenizer, vocab: usize) -> Result<Vec<String>> {
        if let Some(theirs) = self.vocab.filter(|theirs| *theirs != tokenizer.vocab()) {
            let advice = match self.tokenizer() {
                Some(t) => format!("use `--tokenizer {}`, with `--vocab {theirs}` at least", t.name()),
                None => "prepare it again with `ivon prepare`".into(),
            };
            let message = format!(
                "was written with a tokenizer of {theirs} ids, but `{}` has {}: {advice}",
                tokenizer.name(),
                tokenizer.vocab()
            );
            return Err(Error::file(&self.path, message));
        }
        const CHUNK: usize = 1 << 16;
        let mut largest = 0;
        for start in (0..self.len()).step_by(CHUNK) {
            let chunk = start..self.len().min(start + CHUNK);
            // The largest of a chunk first: that is as fast as memory.
            let most = self.tokens(chunk.clone()).fold(0, u16::max);
            largest = largest.max(most);
            if usize::from(most) >= vocab
                && let Some((at, id)) = chunk.clone().zip(self.tokens(chunk)).find(|(_, id)| usize::from(*id) >= vocab)
            {
                let message = format!(
                    "token {at} (byte {}) is {id}, but the model's vocabulary is {vocab}, 0 to {}: for GPT-2's tokens use `--tokenizer gpt2` \
                     with `--vocab 50257`, else a larger --vocab, or prepare the text with this model's tokenizer",
                    self.header + 2 * at,
                    vocab - 1
                );
                return Err(Error::file(&self.path, message));
            }
        }
        Ok(self.doubts(tokenizer, largest))
    }

    /// Evidence against a tokenizer, where the file does not say which it was: the largest id, and the files beside it.
    fn doubts(&self, tokenizer: Tokenizer, largest: u16) -> Vec<String> {
        let (path, name, ids) = (self.path.display(), tokenizer.name(), tokenizer.vocab());
        let shown = "text that the model writes is decoded wrongly, and text for it encoded wrongly";
        let meta = self.path.with_file_name("meta.pkl");
        if self.vocab.is_none() && meta.exists() {
            let meta = meta.display();
            return vec![format!(
                "{path} has the vocabulary of {meta}, which is not read: it is taken for that of `{name}`, so {shown}"
            )];
        }
        if usize::from(largest) >= ids {
            return vec![format!("{path} holds id {largest}, but the tokenizer `{name}` has {ids}: {shown}")];
        }
        // Text has lower-case letters, 97 to 122, and English text in GPT-2's tokens ids of thousands.
        let least = match tokenizer {
            Tokenizer::Bytes => b'a'.into(),
            Tokenizer::Gpt2 => 256,
        };
        match self.vocab {
            None if largest < least => {
                let known = format!("{path} holds no id above {largest}, which is unlikely for tokens of `{name}`");
                vec![format!("{known}: if another tokenizer wrote it, {shown}")]
            }
            _ => vec![],
        }
    }
}

/// Integers of another width or order of bytes, known by the zeros among the first tokens.
fn other_integers(start: &[u8]) -> Option<&'static str> {
    const FEWEST: usize = 16;
    let tokens: Vec<u16> = start.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
    let zeros =
        |of: usize, at: &[usize]| tokens.iter().enumerate().filter(|(i, _)| at.contains(&(i % of))).all(|(_, id)| *id == 0);
    if tokens.len() < FEWEST || tokens.iter().all(|id| *id == 0) {
        return None;
    }
    [
        (zeros(4, &[1, 2, 3]), "integers of 64 bits"),
        (zeros(2, &[1]), "integers of 32 bits"),
        (zeros(2, &[0]), "integers of 32 bits, their first byte the highest"),
        (tokens.iter().all(|id| id & 0xff == 0), "integers of 16 bits, their first byte the highest"),
    ]
    .into_iter()
    .find_map(|(found, what)| found.then_some(what))
}

/// Writes tokens one after the other.
pub struct TokenWriter<'a, W: Write + Seek> {
    path: &'a Path,
    file: &'a mut W,
    format: TokenFormat,
    vocab: usize,
    count: usize,
}

impl<'a, W: Write + Seek> TokenWriter<'a, W> {
    /// Begins a file; `path` is what it is called in errors.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(path: &'a Path, file: &'a mut W, format: TokenFormat, vocab: usize) -> Result<Self> {
        let mut writer = TokenWriter { path, file, format, vocab, count: 0 };
        writer.header(0)?;
        Ok(writer)
    }

    fn header(&mut self, count: i32) -> Result<()> {
        if self.format == TokenFormat::NanoGpt {
            return Ok(());
        }
        let mut fields = [0i32; HEADER / 4];
        fields[AT_MAGIC] = MAGIC;
        fields[AT_VERSION] = VERSION;
        fields[AT_COUNT] = count;
        fields[AT_VOCAB] = self.vocab as i32;
        self.bytes(fields.iter().flat_map(|f| f.to_le_bytes()).collect())
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.file.write_all(&bytes).map_err(|e| unwritable(self.path, &e))
    }

    /// Adds tokens.
    ///
    /// # Errors
    /// If they cannot be written, or the format counts no further.
    pub fn add(&mut self, tokens: &[u16]) -> Result<()> {
        self.count += tokens.len();
        if self.format == TokenFormat::Llmc && self.count > i32::MAX as usize {
            let message = format!("llm.c's format holds {} tokens at most; split the text, or use `--format nanogpt`", i32::MAX);
            return Err(Error::file(self.path, message));
        }
        self.bytes(tokens.iter().flat_map(|t| t.to_le_bytes()).collect())
    }

    /// Puts the number of tokens into the header, and returns it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<usize> {
        self.file.seek(SeekFrom::Start(0)).map_err(|e| unwritable(self.path, &e))?;
        self.header(i32::try_from(self.count).unwrap_or(i32::MAX))?;
        self.file.seek(SeekFrom::End(0)).map_err(|e| unwritable(self.path, &e))?;
        Ok(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn llmc(fields: [i32; 4], tokens: &[u16]) -> Vec<u8> {
        let header = fields.into_iter().chain([0; 252]).flat_map(i32::to_le_bytes);
        header.chain(tokens.iter().flat_map(|t| t.to_le_bytes())).collect()
    }

    fn error(path: &Path) -> String {
        TokenFile::recognise(path).unwrap_err().to_string()
    }

    #[test]
    fn both_formats_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let all = |path: PathBuf| {
            let file = TokenFile::recognise(&path).unwrap().unwrap();
            file.tokens(0..file.len()).collect::<Vec<u16>>()
        };
        assert_eq!(all(written(folder.path(), "a.bin", &[1, 0, 0xff, 0xff])), [1, 65535]);
        // llm.c's are known by their magic, whatever they are called.
        assert_eq!(all(written(folder.path(), "a.tokens", &llmc([20240520, 1, 2, 0], &[7, 50256]))), [7, 50256]);
        assert!(TokenFile::recognise(&written(folder.path(), "a.txt", b"text")).unwrap().is_none());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for (format, bytes) in [(TokenFormat::Llmc, 1024 + 6), (TokenFormat::NanoGpt, 6)] {
            let path = folder.path().join("x.bin");
            let mut file = File::create(&path).unwrap();
            let mut writer = TokenWriter::new(&path, &mut file, format, 256).unwrap();
            writer.add(&[1, 2]).unwrap();
            writer.add(&[255]).unwrap();
            assert_eq!(writer.finish().unwrap(), 3);
            assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
            let read = TokenFile::recognise(&path).unwrap().unwrap();
            assert_eq!(read.tokens(1..3).collect::<Vec<_>>(), [2, 255]);
            assert_eq!(read.check(Tokenizer::Bytes, 256).unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cases: [(&str, Vec<u8>, &str); 8] = [
            ("odd.bin", vec![1, 2, 3], "3 bytes, an odd number"),
            ("empty.bin", vec![], "is empty"),
            ("none.bin", llmc([20240520, 1, 0, 0], &[]), "holds no tokens"),
            ("short.bin", llmc([20240520, 1, 2, 0], &[1, 2])[..1000].to_vec(), "after 1000 of 1024 bytes"),
            ("cut.bin", llmc([20240520, 1, 3, 0], &[1, 2]), "says that it holds 3 tokens, but 4 bytes"),
            ("negative.bin", llmc([20240520, 1, -1, 0], &[1, 2]), "-1 tokens"),
            ("future.bin", llmc([20240520, 9, 2, 0], &[1, 2]), "version 9"),
            ("text.bin", b"It is a text. ".repeat(100), "holds text; rename it"),
        ];
        for (name, bytes, wanted) in cases {
            let message = error(&written(folder.path(), name, &bytes));
            assert!(message.contains(name) && message.contains(wanted), "{message}");
        }
        assert!(error(&written(folder.path(), "llama.bin", &llmc([20240801, 7, 1, 0], &[1, 2]))).contains("uint32"));
        assert!(error(&folder.path().join("missing.bin")).contains("does not exist"));
    }

    #[test]
    fn integers_of_other_kinds_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let ids: Vec<u32> = (0..600).map(|i| 97 + i * 7 % 26).collect();
        let bytes = |of: &dyn Fn(u32) -> Vec<u8>| ids.iter().flat_map(|id| of(*id)).collect::<Vec<u8>>();
        for (bytes, wanted) in [
            (bytes(&|id| id.to_le_bytes().to_vec()), "integers of 32 bits, and uint16"),
            (bytes(&|id| u64::from(id).to_le_bytes().to_vec()), "integers of 64 bits"),
            (bytes(&|id| id.to_be_bytes().to_vec()), "integers of 32 bits, their first byte"),
            (bytes(&|id| (id as u16).to_be_bytes().to_vec()), "integers of 16 bits, their first byte"),
        ] {
            let message = error(&written(folder.path(), "ids.bin", &bytes));
            assert!(message.contains(wanted) && message.contains("astype"), "{message}");
        }
        for magic in [20240522, 20240326] {
            assert!(error(&written(folder.path(), "x.bin", &llmc([magic, 1, 1, 0], &[1]))).contains("llm.c's"));
        }
        let small = bytes(&|id| (id as u16).to_le_bytes().to_vec());
        assert_eq!(TokenFile::recognise(&written(folder.path(), "IDS.BIN", &small)).unwrap().unwrap().len(), 600);
    }

    #[test]
    fn ids_beyond_the_vocabulary_are_named_by_place_and_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mut tokens = vec![5; 100_000];
        tokens[70_001] = 300;
        let path = written(folder.path(), "x.bin", &llmc([20240520, 1, 100_000, 0], &tokens));
        let file = TokenFile::recognise(&path).unwrap().unwrap();
        let message = file.check(Tokenizer::Bytes, 256).unwrap_err().to_string();
        assert!(message.contains("token 70001 (byte 141026) is 300, but the model's vocabulary is 256"), "{message}");
        file.check(Tokenizer::Bytes, 301).unwrap();
    }

    #[test]
    fn tokens_of_another_tokenizer_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), "x.bin", &llmc([20240520, 1, 2, 50257], &[1, 2]));
        let message = TokenFile::recognise(&path).unwrap().unwrap().check(Tokenizer::Bytes, 256).unwrap_err().to_string();
        assert!(message.contains("50257 ids, but `bytes` has 256: use `--tokenizer gpt2`"), "{message}");
    }

    #[test]
    fn doubtful_vocabularies_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let doubts = |ids: &[u16], tokenizer: Tokenizer| {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            let path = written(folder.path(), "x.bin", &bytes);
            TokenFile::recognise(&path).unwrap().unwrap().check(tokenizer, 50304).unwrap().join("")
        };
        assert_eq!(doubts(&[104, 105], Tokenizer::Bytes), "");
        assert!(doubts(&[1, 64], Tokenizer::Bytes).contains("no id above 64"));
        assert!(doubts(&[104, 300], Tokenizer::Bytes).contains("id 300, but the tokenizer `bytes` has 256"));
        assert!(doubts(&[104, 105], Tokenizer::Gpt2).contains("no id above 105"));
        assert_eq!(doubts(&[464, 6342], Tokenizer::Gpt2), "");
        // nanoGPT's characters: the vocabulary lies beside the tokens.
        written(folder.path(), "meta.pkl", b"\x80\x04\x95");
        assert!(doubts(&[104, 105], Tokenizer::Bytes).contains("meta.pkl, which is not read"));
    }
}
