//! Text of any size into a token file, with bounded memory.

use super::tokenizer::LONGEST_WORD;
use super::{
    Marks, TokenFile, TokenFormat, TokenWriter, Tokenizer, check_text, kind, note_of_bytes, note_of_mark, note_of_marks,
    without_mark,
};
use ivon_runtime::{
    Error, Result,
    disk::{self, unreadable},
};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// The result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens.
    pub tokens: usize,
    /// Remarks for the user on how the text was read.
    pub notes: Vec<String>,
}

/// How text is encoded and written.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// How text becomes tokens.
    pub tokenizer: Tokenizer,
    /// How special tokens that are written out become tokens.
    pub marks: Marks,
    /// How tokens are written.
    pub format: TokenFormat,
}

/// Encodes text files, one after the other, into the token file `out`. The tokens are those that encoding each file as a whole would give.
/// `progress` is called with the number of bytes read in all.
///
/// # Errors
/// If a file cannot be read or is not for the tokenizer (the error names the file and the byte), the files have no text, or `out` cannot
/// be written.
pub fn prepare(files: &[PathBuf], encoding: Encoding, out: &Path, mut progress: impl FnMut(u64)) -> Result<Prepared> {
    let Encoding { tokenizer, marks, format } = encoding;
    let mut prepared = Prepared::default();
    disk::write(out, |file| {
        let mut writer = TokenWriter::new(out, file, format, tokenizer.vocab())?;
        let (mut before, mut written_out) = (false, 0);
        for path in files {
            if TokenFile::recognise(path)?.is_some() {
                return Err(Error::file(path, "holds tokens already; give `--data` of `ivon train` this file itself"));
            }
            let separator = tokenizer.separator().filter(|_| before);
            writer.add(separator.as_slice())?;
            let mut text = Text { path, tokenizer, marks, chunk: CHUNK, notes: vec![], written_out: 0 };
            let bytes = text.encode(&mut writer, |n| progress(prepared.bytes + n))?;
            prepared.notes.append(&mut text.notes);
            written_out += text.written_out;
            before |= bytes > 0;
            prepared.bytes += bytes;
        }
        prepared.notes.extend(note_of_marks(written_out, marks));
        prepared.tokens = writer.finish()?;
        if prepared.tokens == 0 {
            let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
            return Err(Error::config(format!("there is no text to prepare: {} is empty", names.join(", "))));
        }
        Ok(())
    })?;
    Ok(prepared)
}

/// A text file that is read piece by piece.
struct Text<'a> {
    path: &'a Path,
    tokenizer: Tokenizer,
    marks: Marks,
    /// Bytes that are read at a time.
    chunk: usize,
    /// Remarks for the user on it.
    notes: Vec<String>,
    /// Special tokens that are written out in it.
    written_out: usize,
}

impl Text<'_> {
    /// Encodes the file. Returns its length.
    fn encode<W: Write + Seek>(&mut self, writer: &mut TokenWriter<W>, mut progress: impl FnMut(u64)) -> Result<u64> {
        let (path, origin) = (self.path, self.path.display().to_string());
        let failed = |e: std::io::Error| unreadable(path, &e);
        let mut file = File::open(path).map_err(failed)?;
        let mut start = Vec::with_capacity(kind::LOOK);
        (&mut file).take(kind::LOOK as u64).read_to_end(&mut start).map_err(failed)?;
        check_text(path, &start)?;
        let mut done = (start.len() - without_mark(&start).len()) as u64;
        file.seek(SeekFrom::Start(done)).map_err(failed)?;
        self.notes.extend((done > 0).then(|| note_of_mark(&origin)));
        let (mut waiting, mut readable) = (vec![], true);
        loop {
            // Twice as much where no word ends, so that a long one is not looked through at every piece of it.
            let more = self.chunk.max(waiting.len());
            let read = (&mut file).take(more as u64).read_to_end(&mut waiting).map_err(failed)?;
            let whole = if read == 0 { waiting.len() } else { self.tokenizer.boundary(&waiting) };
            if whole > 0 {
                let part = &waiting[..whole];
                writer.add(&self.tokenizer.encode_at(part, &origin, done, self.marks)?)?;
                self.written_out += self.tokenizer.marks(part);
                if readable {
                    let note = note_of_bytes(self.tokenizer, part, &origin, done);
                    readable = note.is_none();
                    self.notes.extend(note);
                }
                waiting.drain(..whole);
                done += whole as u64;
                progress(done);
            } else if waiting.len() > LONGEST_WORD {
                // Says what is wrong.
                self.tokenizer.encode_at(&waiting, &origin, done, self.marks)?;
            }
            if read == 0 {
                return Ok(done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn prepared(folder: &Path, texts: &[&[u8]], tokenizer: Tokenizer) -> Result<Vec<u16>> {
        let write = |(i, text): (usize, &&[u8])| {
            let path = folder.join(format!("{i}.txt"));
            fs::write(&path, text).unwrap();
            path
        };
        let files: Vec<PathBuf> = texts.iter().enumerate().map(write).collect();
        let out = folder.join("out.bin");
        prepare(&files, Encoding { tokenizer, marks: Marks::Text, format: TokenFormat::Llmc }, &out, |_| ())?;
        let file = TokenFile::recognise(&out).unwrap().unwrap();
        Ok(file.tokens(0..file.len()).collect())
    }

    #[test]
    fn files_follow_each_other_with_the_mark_of_the_tokenizer() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(prepared(folder.path(), &[b"ab", b"", b"\xff"], Tokenizer::Bytes).unwrap(), [97, 98, 255]);
        let ids = prepared(folder.path(), &[b"one", b"two"], Tokenizer::Gpt2).unwrap();
        assert_eq!(Tokenizer::Gpt2.decode(&ids).unwrap(), "one<|endoftext|>two");
    }

    #[test]
    fn pieces_of_any_size_give_the_tokens_of_the_whole() {
        let text = "We'll  see:\n\n\tthe naïve 漢字 cost 12 345 €; it\u{2003}isn't  much \u{a0} .\r\n  end   ".repeat(3);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        fs::write(&path, &text).unwrap();
        for tokenizer in [Tokenizer::Bytes, Tokenizer::Gpt2] {
            let whole = tokenizer.encode(text.as_bytes(), "test").unwrap();
            for chunk in 1..80 {
                let out = folder.path().join("x.bin");
                let mut file = File::create(&out).unwrap();
                let mut writer = TokenWriter::new(&out, &mut file, TokenFormat::NanoGpt, tokenizer.vocab()).unwrap();
                let mut text = Text { path: &path, tokenizer, marks: Marks::Text, chunk, notes: vec![], written_out: 0 };
                text.encode(&mut writer, |_| ()).unwrap();
                writer.finish().unwrap();
                let read = TokenFile::recognise(&out).unwrap().unwrap();
                assert_eq!(read.tokens(0..read.len()).collect::<Vec<_>>(), whole, "{chunk} bytes at a time");
            }
        }
    }

    #[test]
    fn invalid_text_is_named_by_its_byte_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "word ".repeat(500_000).into_bytes(); // more than two chunks
        text[2_200_003] = 0xff;
        let error = prepared(folder.path(), &[&text], Tokenizer::Gpt2).unwrap_err().to_string();
        assert!(error.contains("0.txt: byte 2200003 is not UTF-8"), "{error}");
        // A character that the end of the file cuts in two.
        let error =
            prepared(folder.path(), &["12 €".as_bytes().split_last().unwrap().1], Tokenizer::Gpt2).unwrap_err().to_string();
        assert!(error.contains("byte 3 is not UTF-8"), "{error}");
        assert!(!folder.path().join("out.bin").exists());
        let tokens = folder.path().join("tokens.bin");
        fs::write(&tokens, [1, 0]).unwrap();
        let out = folder.path().join("out.bin");
        let encoding = Encoding { tokenizer: Tokenizer::Bytes, marks: Marks::Text, format: TokenFormat::Llmc };
        let error = prepare(&[tokens], encoding, &out, |_| ()).unwrap_err().to_string();
        assert!(error.contains("holds tokens already"), "{error}");
        let error = prepared(folder.path(), &[b""], Tokenizer::Bytes).unwrap_err().to_string();
        assert!(error.contains("0.txt is empty"), "{error}");
    }
}
