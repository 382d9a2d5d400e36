//! Formats that hold no text, recognised by their first bytes.

/// Bytes from the start of a file that [`of`] looks at.
pub const LOOK: usize = 1024;

/// A format, and what to do with a file in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// With its article: `a PDF document`.
    pub name: &'static str,
    /// The way to text or tokens.
    pub advice: &'static str,
}

const UNPACK: &str = "unpack it and give the files in it";
const CONVERT: &str = "write its text to a file in UTF-8 and give that file";
const IMAGE: &str = "give text; images are for `ivon train resnet20` and the other image models";
const MEDIA: &str = "give text";
const PROGRAM: &str = "give text";
const BINARY: &str =
    "give text; a language model learns other bytes from a file of tokens, each of them a uint16 (`--tokenizer bytes`)";
const FETCH: &str = "fetch the file that it stands for with `git lfs pull`";
const WEIGHTS: &str = "give text; weights are read by `ivon import` and `--init`";
const PICKLE: &str = "leave it out; give the files that hold text or tokens by name";
const NUMPY: &str = "write its ids as uint16 and nothing else: `array.astype(\"uint16\").tofile(\"tokens.bin\")`";
const NARROW: &str = "convert it to UTF-8: `iconv -f utf-16 -t utf-8 IN > OUT`";
const NARROW_4: &str = "convert it to UTF-8: `iconv -f utf-32 -t utf-8 IN > OUT`";

/// Place of the signature, its bytes, name and advice. A longer signature comes before a shorter one with the same beginning.
const SIGNATURES: [(usize, &[u8], &str, &str); 63] = [
    (0, b"\x93NUMPY", "a NumPy array", NUMPY),
    (0, b"PAR1", "a Parquet file", CONVERT),
    (0, b"ARROW1", "an Arrow file", CONVERT),
    (0, b"FEA1", "a Feather file", CONVERT),
    (0, b"Obj\x01", "an Avro file", CONVERT),
    (0, b"ORC", "an ORC file", CONVERT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", CONVERT),
    (0, b"SQLite format 3\0", "an SQLite database", CONVERT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document", CONVERT),
    (0, b"PK\x03\x04", "a zip archive (as are .docx, .npz and PyTorch's .pt files)", UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"\x04\x22\x4d\x18", "an LZ4 archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (0, b"\x1f\x9d", "a compressed file (.Z)", UNPACK),
    (0, b"\x5d\0\0", "an LZMA archive", UNPACK),
    (0, b"\xff\x06\0\0sNaPpY", "a Snappy archive", UNPACK),
    (1, b"\x2a\x4d\x18", "a Zstandard archive", UNPACK),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file", CONVERT),
    (0, b"AT&TFORM", "a DjVu document", CONVERT),
    (60, b"BOOKMOBI", "a Mobipocket book", CONVERT),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", IMAGE),
    (0, b"\xff\xd8\xff", "a JPEG image", IMAGE),
    (0, b"GIF87a", "a GIF image", IMAGE),
    (0, b"GIF89a", "a GIF image", IMAGE),
    (8, b"WEBP", "a WebP image", IMAGE),
    (0, b"II*\0", "a TIFF image", IMAGE),
    (0, b"MM\0*", "a TIFF image", IMAGE),
    (0, b"BM", "a BMP image", IMAGE),
    (0, b"\0\0\x08\x01", "an IDX file of labels", IMAGE),
    (0, b"\0\0\x08\x03", "an IDX file of images", IMAGE),
    (0, b"8BPS", "a Photoshop image", IMAGE),
    (128, b"DICM", "a DICOM image", IMAGE),
    (0, b"\xff\x0a", "a JPEG XL image", IMAGE),
    (0, b"DDS ", "a DDS image", IMAGE),
    (0, b"\0\0\x01\0", "an icon", IMAGE),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file", MEDIA),
    (4, b"ftyp", "an MP4, HEIC or AVIF file", MEDIA),
    (8, b"WAVE", "a WAV file", MEDIA),
    (8, b"AVI ", "an AVI file", MEDIA),
    (0, b"OggS", "an Ogg file", MEDIA),
    (0, b"fLaC", "a FLAC file", MEDIA),
    (0, b"ID3", "an MP3 file", MEDIA),
    (0, b"\x7fELF", "a program (ELF)", PROGRAM),
    (0, b"MZ", "a program (Windows)", PROGRAM),
    (0, b"\xcf\xfa\xed\xfe", "a program (Mach-O)", PROGRAM),
    (0, b"\xca\xfe\xba\xbe", "a program (Mach-O or Java)", PROGRAM),
    (0, b"\0asm", "a WebAssembly program", PROGRAM),
    (4, b"TFL3", "a TensorFlow Lite model", WEIGHTS),
    (0, b"GGUF", "a GGUF file of weights", WEIGHTS),
    (0, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", "a PyTorch file of weights", WEIGHTS),
    (0, b"\x80\x04\x95", "a Python pickle", PICKLE),
    (0, b"\x80\x05\x95", "a Python pickle", PICKLE),
    (0, b"\0\0\xfe\xff", "text in UTF-32", NARROW_4),
    (0, b"\xff\xfe\0\0", "text in UTF-32", NARROW_4),
    (0, b"\xfe\xff", "text in UTF-16", NARROW),
    (0, b"\xff\xfe", "text in UTF-16", NARROW),
    (0, b"\xed\xab\xee\xdb", "an RPM package", UNPACK),
];

/// The format of a file that begins with `start`, of which [`LOOK`] bytes are enough; `None` for text and whatever is not known.
pub fn of(start: &[u8]) -> Option<Kind> {
    by_signature(start).or_else(|| wide(start)).or_else(|| wide_of_other_scripts(start)).or_else(|| {
        is_binary(start).then_some(Kind { name: "binary data (its first bytes are full of control characters)", advice: BINARY })
    })
}

/// [`of`], for files that may hold numbers of 16 bits: these look like UTF-16 without a mark.
pub fn by_signature(start: &[u8]) -> Option<Kind> {
    let start = &start[..start.len().min(LOOK)];
    let letters: [(&[u8], &str, &str); 3] = [
        (b"%PDF-", "a PDF document", CONVERT),
        (b"{\\rtf", "a document in Rich Text Format", CONVERT),
        (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS", FETCH),
    ];
    if let Some((_, name, advice)) = letters.iter().find(|(letters, ..)| start.starts_with(letters)) {
        return Some(Kind { name, advice });
    }
    // Text may begin with the letters of a signature.
    if is_text(start) {
        return None;
    }
    // The length of its header, which comes first, may have the bytes of a shorter signature: 640 those of a pickle.
    if is_safetensors(start) {
        return Some(Kind { name: "a safetensors file of weights", advice: WEIGHTS });
    }
    let matches = |(at, bytes, ..): &&(usize, &[u8], &str, &str)| start.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    let known = SIGNATURES.iter().find(matches).map(|(_, _, name, advice)| Kind { name, advice });
    known.or_else(|| is_old_pickle(start).then_some(Kind { name: "a Python pickle", advice: PICKLE }))
}

/// True for UTF-8 without control characters other than those of text. The last character may be cut.
pub fn is_text(start: &[u8]) -> bool {
    let end = match std::str::from_utf8(start) {
        Ok(_) => start.len(),
        Err(e) if e.error_len().is_none() => e.valid_up_to(),
        Err(_) => return false,
    };
    start[..end].iter().all(|byte| !is_control(*byte))
}

/// True for control characters but tab, line feed, vertical tab, form feed, carriage return, and escape, which colours the output of programs.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, 0x09..=0x0d | 0x1b)
}

/// True where so many bytes are control characters as in no encoding of text: one in twenty, of 256 equally likely ones are one in ten. Backspaces do
/// not count: programs print bold letters with them.
fn is_binary(start: &[u8]) -> bool {
    const SHORTEST: usize = 64;
    let start = &start[..start.len().min(LOOK)];
    let controls = start.iter().filter(|byte| is_control(**byte) && **byte != 0x08).count();
    start.len() >= SHORTEST && 20 * controls >= start.len()
}

/// True for pickles of protocols 2 and 3, which have no frame: the first opcode makes a dictionary, a list, a tuple, a string or an object.
fn is_old_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2 | 3, b'}' | b']' | b'(' | b'X' | b'c' | b'K' | b'J' | b'G', ..])
}

/// True for a plausible length of a header, and a JSON object after it.
pub fn is_safetensors(start: &[u8]) -> bool {
    const LONGEST: u64 = 100_000_000; // the format's own limit
    match start.split_first_chunk::<8>() {
        Some((length, rest)) => u64::from_le_bytes(*length) <= LONGEST && (rest.starts_with(b"{\"") || rest.starts_with(b"{}")),
        None => false,
    }
}

/// UTF-16 and UTF-32 without a mark: nearly all characters of text are ASCII or have a zero byte at the same place.
fn wide(start: &[u8]) -> Option<Kind> {
    const SHORTEST: usize = 16;
    let start = &start[..start.len().min(LOOK) & !3];
    if start.len() < SHORTEST {
        return None;
    }
    let zeros: [usize; 4] = std::array::from_fn(|place| start.iter().skip(place).step_by(4).filter(|byte| **byte == 0).count());
    let quarter = start.len() / 4;
    let (most, all) = (quarter * 7 / 10, quarter);
    match zeros {
        [0, b, c, d] if b >= most && c == all && d == all => Some(Kind { name: "text in UTF-32", advice: NARROW_4 }),
        [a, b, c, 0] if a == all && b == all && c >= most => Some(Kind { name: "text in UTF-32", advice: NARROW_4 }),
        [0, b, 0, d] if b >= most && d >= most => Some(Kind { name: "text in UTF-16", advice: NARROW }),
        [a, 0, c, 0] if a >= most && c >= most => Some(Kind { name: "text in UTF-16", advice: NARROW }),
        _ => None,
    }
}

/// UTF-16 without a mark, of scripts other than Latin: the upper bytes of nearly all letters are one control character (Greek, Cyrillic, Arabic, ..), or
/// all letters are Chinese and Japanese ones.
fn wide_of_other_scripts(start: &[u8]) -> Option<Kind> {
    const SHORTEST: usize = 32;
    let start = &start[..start.len().min(LOOK) & !1];
    if start.len() < SHORTEST || is_text(start) {
        return None;
    }
    let orders: [fn([u8; 2]) -> u16; 2] = [u16::from_le_bytes, u16::from_be_bytes];
    let is_wide = orders.iter().any(|order| {
        let units: Vec<u16> = start.as_chunks::<2>().0.iter().map(|pair| order(*pair)).collect();
        let of_block = |block: u16| units.iter().filter(|unit| **unit >> 8 == block).count();
        let latin = units.iter().filter(|unit| u8::try_from(**unit).is_ok_and(|byte| !is_control(byte))).count();
        // Blocks that are line feeds, tabs and the like in other encodings count where there are spaces, too.
        let script = (1..0x20).filter(|block| latin > 0 || is_control(*block as u8)).map(of_block).max().unwrap_or(0);
        let is_han = |unit: &u16| matches!(unit, 0x3000..=0x30ff | 0x4e00..=0x9fff | 0xff00..=0xffef);
        let han: Vec<u16> = units.iter().copied().filter(is_han).collect();
        // Pairs of ASCII letters look like Chinese ones, but their lower bytes are below 128; so do pairs of bytes in Shift-JIS, but their upper ones are not.
        let some_low = 4 * han.iter().filter(|unit| **unit & 0x80 != 0).count() >= han.len();
        let some_high = 4 * han.iter().filter(|unit| **unit < 0x8000).count() >= han.len();
        let most = |count: usize| 4 * count >= units.len() && 10 * (count + latin) >= 9 * units.len();
        most(script) || most(han.len()) && some_low && some_high
    });
    is_wide.then_some(Kind { name: "text in UTF-16", advice: NARROW })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<&'static str> {
        of(start).map(|kind| kind.name)
    }

    #[test]
    fn binary_formats_are_known_by_their_first_bytes() {
        let jpeg = [&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], &[7; 40]].concat();
        let webp = b"RIFF\x24\0\0\0WEBPVP8 ";
        let tensors = [&12u64.to_le_bytes()[..], b"{\"w\":{\"dtype\""].concat();
        let tar = [&[0; 257][..], b"ustar\0"].concat();
        for (start, wanted) in [
            (&b"\x93NUMPY\x01\0v\0"[..], "a NumPy array"),
            (b"PAR1\x15\x04\xff", "a Parquet file"),
            (b"PK\x03\x04\x14\0", "a zip archive"),
            (b"\x1f\x8b\x08\0", "a gzip archive"),
            (b"\x28\xb5\x2f\xfd\x04", "a Zstandard archive"),
            (&jpeg, "a JPEG image"),
            (b"\x89PNG\r\n\x1a\n\0", "a PNG image"),
            (b"GIF89a\x01\0", "a GIF image"),
            (webp, "a WebP image"),
            (b"%PDF-1.7\n%", "a PDF document"),
            (b"{\\rtf1\\ansi text}", "a document in Rich Text Format"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
            (b"\x1f\x9d\x90\0", "a compressed file"),
            (b"\x5e\x2a\x4d\x18\x04\0\0\0", "a Zstandard archive"),
            (b"SQLite format 3\0", "an SQLite database"),
            (b"\x7fELF\x02\x01", "a program (ELF)"),
            (b"\x80\x04\x95\x20\0\0\0\0\0\0\0}", "a Python pickle"),
            (b"\x80\x03}q\0X", "a Python pickle"),
            (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "a PyTorch file"),
            (b"GGUF\x03\0\0\0", "a GGUF file"),
            (b"ARROW1\0\0", "an Arrow file"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (&tensors, "a safetensors file"),
            (&tar, "a tar archive"),
        ] {
            assert!(name(start).is_some_and(|found| found.starts_with(wanted)), "{wanted}: {:?}", name(start));
        }
    }

    #[test]
    fn wide_text_is_known_with_and_without_a_mark() {
        let text = "The quick brown fox — jumps.\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for units in [&little, &big, &[&b"\xff\xfe"[..], &little].concat(), &[&b"\xfe\xff"[..], &big].concat()] {
            assert_eq!(name(units), Some("text in UTF-16"));
        }
        let little: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let big: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        for units in [&little, &big, &[&b"\xff\xfe\0\0"[..], &little].concat(), &[&b"\0\0\xfe\xff"[..], &big].concat()] {
            assert_eq!(name(units), Some("text in UTF-32"));
        }
    }

    #[test]
    fn wide_text_of_every_script_is_known() {
        for text in [
            "Привет, мир! Это текст.\n",
            "Καλημέρα κόσμε, ένα κείμενο.\n",
            "مرحبا بالعالم، هذا نص.\n",
            "नमस्ते दुनिया, यह पाठ है।\n",
            "漢字かな交じり文",
            "汉字文本，测试。\n",
        ] {
            let text = text.repeat(40);
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                let units: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
                assert_eq!(name(&units), Some("text in UTF-16"), "{text}");
            }
            assert_eq!(name(text.as_bytes()), None);
        }
    }

    #[test]
    fn data_full_of_control_characters_are_no_text() {
        let ids: Vec<u8> = (1000..3000i32).flat_map(i32::to_le_bytes).collect();
        let random: Vec<u8> = (0..4096u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        for bytes in [&ids[..], &[0; 100], &random] {
            assert!(name(bytes).is_some_and(|name| name.starts_with("binary data")), "{:?}", name(bytes));
        }
        // One zero byte among much text is for a note.
        assert_eq!(name(&[&b"a line of text\n".repeat(20)[..], b"\0"].concat()), None);
    }

    #[test]
    fn a_header_of_any_length_is_one_of_tensors() {
        // 640 and 1152 have the first bytes of pickles, 0x2802 those of a pickled dictionary.
        for length in [640u64, 896, 1152, 1408, 0x1f8b, 0x28_02_80] {
            let file = [&length.to_le_bytes()[..], b"{\"w\":{\"dtype\":"].concat();
            assert_eq!(name(&file), Some("a safetensors file of weights"), "{length}");
        }
    }

    #[test]
    fn text_is_no_format_whatever_letters_it_begins_with() {
        for text in [
            "",
            "PAR1 of the book",
            "GIF89a is a format",
            "BMW and MZ",
            "ORC",
            "\u{feff}text",
            "漢字かな交じり文。漢字かな交じり文",
            "\x1b[1mbold\x1b[0m",
        ] {
            assert_eq!(name(text.as_bytes()), None, "{text}");
        }
        for text in [&b"caf\xe9 au lait, in Latin-1, and more of it to look at"[..], &b"b\x08bo\x08ol\x08ld\x08d ".repeat(20)] {
            assert_eq!(name(text), None);
        }
        // Shift-JIS, GB 2312 and KOI8-R: two bytes a letter, or one.
        let other: [&[u8]; 3] = [
            b"\x8a\xbf\x8e\x9a\x82\xa9\x82\xc8",
            b"\xba\xba\xd7\xd6\xce\xc4\xb1\xbe\n",
            b"\xf0\xd2\xc9\xd7\xc5\xd4 \xcd\xc9\xd2\n",
        ];
        for bytes in other.map(|text| text.repeat(40)) {
            assert_eq!(name(&bytes), None, "{}", bytes[..8].escape_ascii());
        }
        // Small ids of 16 bits look like UTF-16, and are for a token file to know.
        let ids: Vec<u8> = (1..200u16).flat_map(u16::to_le_bytes).collect();
        assert_eq!(by_signature(&ids), None);
    }
}
