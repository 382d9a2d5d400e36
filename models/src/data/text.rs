//! Text and token files that `--data` names: files, directories and patterns.

use super::{TokenFile, kind, packed};
use crate::mapped;
use ivon_runtime::{Error, Result, disk::unreadable};
use memmap2::Mmap;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// One document: its place, for messages, and its bytes.
pub struct Document {
    /// A path, or what stands for one.
    pub origin: String,
    /// Its content, without the mark of UTF-8 (U+FEFF) that some programs put first.
    pub bytes: Content,
    /// Bytes of the file before `bytes`.
    pub offset: u64,
}

/// Bytes in memory, or of a file that is mapped into it.
pub enum Content {
    /// In memory.
    Memory(Vec<u8>),
    /// From this byte on of a file.
    Mapped(Mmap, usize),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Memory(bytes) => bytes,
            Content::Mapped(map, start) => &map[*start..],
        }
    }
}

/// The mark of UTF-8, U+FEFF.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes after the mark of UTF-8, if they begin with it.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

impl Document {
    /// A document in memory.
    pub fn new(origin: impl Into<String>, bytes: Vec<u8>) -> Document {
        Document { origin: origin.into(), bytes: Content::Memory(bytes), offset: 0 }
    }

    /// Opens a file of text.
    ///
    /// # Errors
    /// If it cannot be read, or is of a format that holds no text.
    fn open(path: &Path) -> Result<Document> {
        let origin = path.display().to_string();
        let Some(map) = mapped::map(path)? else { return Ok(Document::new(origin, vec![])) };
        check_text(path, &map)?;
        let start = map.len() - without_mark(&map).len();
        Ok(Document { origin, bytes: Content::Mapped(map, start), offset: start as u64 })
    }
}

/// Refuses a file that begins with these bytes if its format is known and is not text.
///
/// # Errors
/// Names the format, and the way to text.
pub fn check_text(path: &Path, start: &[u8]) -> Result<()> {
    match kind::of(start) {
        Some(kind) => Err(Error::file(path, format!("is {}, not text in UTF-8: {}", kind.name, kind.advice))),
        None => Ok(()),
    }
}

/// Something to learn from.
pub enum Input {
    /// Text, to be encoded.
    Text(Document),
    /// Tokens.
    Tokens(TokenFile),
}

impl Input {
    /// The path of its file, or what stands for one.
    pub fn origin(&self) -> String {
        match self {
            Input::Text(document) => document.origin.clone(),
            Input::Tokens(file) => file.path().display().to_string(),
        }
    }
}

/// The files that one path stands for.
struct Group {
    /// As it was given.
    path: PathBuf,
    /// True for a directory or a pattern.
    many: bool,
    files: Vec<PathBuf>,
}

/// The files under `paths`: a file is itself, a directory all files in it, recursively and sorted by name, hidden ones left out, and a pattern
/// with `*`, `?`, `[..]` or `**` the files that it matches, sorted by name. Links are followed; a directory or a pattern that reaches a file twice
/// names it once.
///
/// # Errors
/// If a path does not exist or cannot be read, a directory holds no file, or a pattern matches nothing; if a directory or a pattern holds a part to
/// train on and one to validate with; if a file is given twice; if one is a device, a pipe, a socket or an archive.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    Ok(groups(paths)?.into_iter().flat_map(|group| group.files).collect())
}

fn groups(paths: &[PathBuf]) -> Result<Vec<Group>> {
    let (mut groups, mut known) = (vec![], HashMap::<PathBuf, PathBuf>::new());
    for path in paths {
        let group = group(path)?;
        for file in &group.files {
            let place = std::fs::canonicalize(file).map_err(|e| unreadable(file, &e))?;
            if let Some(before) = known.insert(place, file.clone()) {
                let names = if before == *file { String::new() } else { format!(", the first time as {}", before.display()) };
                return Err(Error::file(file, format!("is given twice{names}: it would count double; give it once")));
            }
            if let Some(command) = packed::unpacking(file) {
                return Err(packed::error(file, &command));
            }
        }
        groups.push(group);
    }
    Ok(groups)
}

fn group(path: &Path) -> Result<Group> {
    let mut found = Found::default();
    let pattern = pattern(path);
    match pattern {
        Some(pattern) => matches(path, pattern)?.iter().try_for_each(|path| found.add(path))?,
        None => found.add(path)?,
    }
    let many = pattern.is_some() || path.is_dir();
    if found.files.is_empty() && pattern.is_some() {
        return Err(Error::file(path, "matches no file"));
    }
    if found.files.is_empty() {
        return Err(Error::file(path, "is a directory without files; give one that holds text, or a file"));
    }
    if let Some((train, other)) = parts(&found.files).filter(|_| many) {
        let (train, other) = (train.display(), other.display());
        let message = format!(
            "holds {train} and {other}, and would take both to train on: give `--data {train} --validation-data {other}`, or each by name"
        );
        return Err(Error::file(path, message));
    }
    Ok(Group { path: path.into(), many, files: found.files })
}

/// The files that a walk has met, each once.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    /// Files and directories without links, so that links that lead in circles end.
    seen: HashSet<PathBuf>,
}

impl Found {
    fn add(&mut self, path: &Path) -> Result<()> {
        let metadata = std::fs::metadata(path).map_err(|e| match path.is_symlink() {
            true => Error::file(path, format!("is a link that leads nowhere ({e}); remove it, or give files by name")),
            false => unreadable(path, &e),
        })?;
        mapped::check_regular(path, &metadata)?;
        let place = std::fs::canonicalize(path).map_err(|e| unreadable(path, &e))?;
        if !self.seen.insert(place) {
            return Ok(());
        }
        if !metadata.is_dir() {
            self.files.push(path.into());
            return Ok(());
        }
        let entries = std::fs::read_dir(path).map_err(|e| unreadable(path, &e))?;
        let mut entries = entries.collect::<std::io::Result<Vec<_>>>().map_err(|e| unreadable(path, &e))?;
        entries.sort_by_key(|e| e.file_name());
        let shown = entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        shown.map(|entry| entry.path()).try_for_each(|path| self.add(&path))
    }
}

/// The path as a pattern, if it is one and no file of that name is there.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists())
}

fn matches(path: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob::glob(pattern).map_err(|e| Error::file(path, format!("is no pattern that can be matched: {e}")))?;
    found.collect::<Result<Vec<_>, _>>().map_err(|e| unreadable(e.path(), e.error()))
}

/// Opens what is under `paths`, in the order of [`files`]. Token files are recognised by their content, or by `.bin`.
///
/// # Errors
/// Those of [`files`]; if a file cannot be read, or is of a format that holds neither text nor tokens; if a directory or a pattern holds both text
/// and tokens, or tokens to train on and to validate with: which to give by name.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let open = |path: &PathBuf| match TokenFile::recognise(path)? {
        Some(tokens) => Ok(Input::Tokens(tokens)),
        None => Ok(Input::Text(Document::open(path)?)),
    };
    let mut inputs = vec![];
    for group in groups(paths)? {
        let opened = group.files.iter().map(open).collect::<Result<Vec<_>>>()?;
        if group.many {
            one_kind(&group.path, &opened)?;
        }
        inputs.extend(opened);
    }
    Ok(inputs)
}

/// Words for the part to train on, and those for the other parts in its place.
const PARTS: [(&str, &[&str]); 2] = [
    ("training", &["validation", "testing", "valid", "test", "val"]),
    ("train", &["validation", "valid", "test", "val", "dev", "eval"]),
];
/// Extensions of text and tokens. Programs have files called train.py and test.py.
const OF_DATA: [&str; 10] = ["bin", "csv", "json", "jsonl", "md", "raw", "text", "tokens", "tsv", "txt"];

/// A part to train on and another one, as files or directories of the same place, by the names that nanoGPT, llm.c and WikiText have: train.bin and
/// val.bin, wiki.train.tokens and wiki.valid.tokens; in any case.
fn parts(files: &[PathBuf]) -> Option<(PathBuf, PathBuf)> {
    let is_data = |file: &&PathBuf| {
        let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_none_or(|extension| OF_DATA.contains(&extension.as_str()))
    };
    // Files, and the directories that hold them, under their names in small letters.
    let places = files.iter().filter(is_data).flat_map(|file| file.ancestors());
    let known: HashMap<String, &Path> = places.map(|place| (place.to_string_lossy().to_lowercase(), place)).collect();
    let mut names: Vec<&String> = known.keys().collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let (start, last) = name.split_at(name.rfind('/').map_or(0, |slash| slash + 1));
        let (word, others) = PARTS.iter().find(|(word, _)| last.contains(word))?;
        let other = others.iter().find_map(|other| known.get(&format!("{start}{}", last.replace(word, other))))?;
        Some((known.get(name)?.to_path_buf(), other.to_path_buf()))
    })
}

/// Refuses files of one directory or pattern that are hardly meant together.
fn one_kind(path: &Path, inputs: &[Input]) -> Result<()> {
    let (mut text, mut tokens) = (vec![], vec![]);
    for input in inputs {
        match input {
            Input::Text(document) => text.push(document.origin.clone()),
            Input::Tokens(file) => tokens.push(file.path().display().to_string()),
        }
    }
    match (text.first(), tokens.first()) {
        (Some(text), Some(tokens)) => {
            let message = format!(
                "holds token files ({tokens}) and other files ({text}), which would be read as text: give the files to read by name"
            );
            Err(Error::file(path, message))
        }
        _ => Ok(()),
    }
}

/// The text of this project's own repository, as it was when the program was built: the default to train on.
pub fn embedded() -> Document {
    Document::new("the text of this repository", include_bytes!(concat!(env!("OUT_DIR"), "/repository.txt")).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn directories_are_read_recursively_in_the_order_of_names() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("b/deep")).unwrap();
        for (name, text) in [("c.txt", "3"), ("a.txt", "1"), ("b/deep/x.txt", "2"), (".hidden", "no")] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let text = |path: PathBuf| -> Vec<u8> {
            let bytes = |input| match input {
                Input::Text(document) => document.bytes.to_vec(),
                Input::Tokens(_) => panic!("text is no tokens"),
            };
            read(&[path]).unwrap().into_iter().flat_map(bytes).collect()
        };
        assert_eq!(text(root.path().into()), b"123");
        assert_eq!(text(root.path().join("*.txt")), b"13");
        assert_eq!(text(root.path().join("**/x.*")), b"2");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("nowhere.txt");
        let error = files(std::slice::from_ref(&missing)).unwrap_err().to_string();
        assert_eq!(error, format!("{}: does not exist", missing.display()));
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        assert!(error.contains("directory without files"), "{error}");
        let error = files(&[root.path().join("*.bin")]).unwrap_err().to_string();
        assert!(error.contains("*.bin: matches no file"), "{error}");
        let error = files(&[root.path().join("a[.bin")]).unwrap_err().to_string();
        assert!(error.contains("no pattern"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_refused_before_it_is_read() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("books.zip"), "PK").unwrap();
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        let path = root.path().join("books.zip");
        let path = path.display();
        assert_eq!(error, format!("{path}: is packed; unpack it (`unzip {path}`) and give what comes out"));
        let error = files(&["/dev/zero".into()]).unwrap_err().to_string();
        assert!(error.contains("is a device"), "{error}");
    }

    #[test]
    fn the_embedded_text_is_this_repository() {
        let text = String::from_utf8(embedded().bytes.to_vec()).unwrap();
        assert!(text.contains("fn the_embedded_text_is_this_repository"));
        assert!(text.len() > 50_000, "{} bytes", text.len());
    }

    #[test]
    fn formats_that_hold_no_text_are_named() {
        let root = tempfile::tempdir().unwrap();
        let error = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            fs::write(&path, bytes).unwrap();
            let message = read(&[path]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(message.contains(name), "{name}: {message}");
            message
        };
        assert!(error("ids.npy", b"\x93NUMPY\x01\0v\0").contains("NumPy array"));
        assert!(error("a.parquet", b"PAR1\x15\x04\xff\0PAR1").contains("Parquet"));
        assert!(error("meta.pkl", b"\x80\x04\x95\x10\0\0\0\0\0\0\0}.").contains("pickle"));
        assert!(error("x.txt", b"\xff\xfeT\0e\0x\0t\0").contains("UTF-16"));
        // A token file is one by its name alone.
        assert!(error("weights.bin", b"PK\x03\x04\x14\0").contains("zip archive"));
        assert!(error("ids.bin", b"\x93NUMPY\x01\0v\0").contains("NumPy array"));
    }

    #[test]
    fn the_mark_of_utf8_is_no_text() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.txt");
        fs::write(&path, "\u{feff}text").unwrap();
        let Input::Text(document) = read(&[path]).unwrap().remove(0) else { panic!("text") };
        assert_eq!((&document.bytes[..], document.offset), (&b"text"[..], 3));
    }

    #[test]
    fn directories_that_mix_what_belongs_apart_are_refused_with_what_to_give() {
        let root = tempfile::tempdir().unwrap();
        for name in ["train.bin", "val.bin"] {
            fs::write(root.path().join(name), [1, 0, 2, 0]).unwrap();
        }
        let error = |path: PathBuf| read(&[path]).err().map(|e| e.to_string()).unwrap_or_default();
        let train = root.path().join("train.bin").display().to_string();
        let wanted = format!("give `--data {train} --validation-data {}`", root.path().join("val.bin").display());
        assert!(error(root.path().into()).contains(&wanted), "{}", error(root.path().into()));
        assert!(error(root.path().join("*.bin")).contains(&wanted));
        assert_eq!(read(&[root.path().join("train.bin")]).unwrap().len(), 1);
        // What a file is told by is the same for text, in capitals and for directories; programs and other names are no parts.
        for (one, other, refused) in [
            ("train.txt", "test.txt", true),
            ("Train.txt", "Valid.txt", true),
            ("wiki.train.tokens", "wiki.test.tokens", true),
            ("train/a.txt", "test/b.txt", true),
            ("x/Training/a.txt", "x/Testing/deep/b.txt", true),
            ("train.py", "test.py", false),
            ("trains.txt", "cars.txt", false),
            ("a/train.txt", "b/test.txt", false),
        ] {
            let root = tempfile::tempdir().unwrap();
            for name in [one, other] {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "text").unwrap();
            }
            let message = error(root.path().into());
            assert_eq!(message.contains("--validation-data"), refused, "{one}, {other}: {message}");
        }
        fs::remove_file(root.path().join("val.bin")).unwrap();
        fs::write(root.path().join("prepare.py"), "print()").unwrap();
        let message = error(root.path().into());
        assert!(message.contains("prepare.py") && message.contains("by name"), "{message}");
    }

    #[test]
    fn a_file_counts_once() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("deep")).unwrap();
        fs::write(path("a.txt"), "1").unwrap();
        fs::write(path("deep/b.txt"), "2").unwrap();
        for paths in [[path("a.txt"), path("a.txt")], [path(""), path("deep/b.txt")], [path("deep"), path("deep/../deep/b.txt")]]
        {
            let error = files(&paths).unwrap_err().to_string();
            assert!(error.contains("is given twice"), "{error}");
        }
        // A pattern with `**` matches directories and the files in them.
        assert_eq!(files(&[path("**/*")]).unwrap(), [path("a.txt"), path("deep/b.txt")]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("books")).unwrap();
        fs::create_dir_all(path("elsewhere")).unwrap();
        fs::write(path("elsewhere/x.txt"), "x").unwrap();
        symlink(path("elsewhere"), path("books/more")).unwrap();
        assert_eq!(files(&[path("books")]).unwrap(), [path("books/more/x.txt")]);
        symlink(path("books"), path("elsewhere/back")).unwrap(); // in a circle
        symlink(path("elsewhere/x.txt"), path("books/y.txt")).unwrap();
        assert_eq!(files(&[path("books")]).unwrap(), [path("books/more/x.txt")]);
        symlink(path("nowhere"), path("books/z.txt")).unwrap();
        let error = files(&[path("books")]).unwrap_err().to_string();
        assert!(error.contains("z.txt: is a link that leads nowhere"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_sockets_are_refused_before_they_are_read() {
        let root = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        assert!(error.contains("is a socket"), "{error}");
        let pipe = root.path().join("p");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = files(&[pipe]).unwrap_err().to_string();
        assert!(error.contains("is a pipe"), "{error}");
    }
}
