use super::*;
use crate::data::images::orientation::Orientation;
use crate::data::images::random::{Draws, Purpose};
use ::png::{BitDepth, ColorType, Encoder};

const SIZE: [usize; 3] = [45, 61, 3];

/// A JPEG file and what Pillow decodes from it.
macro_rules! fixture {
    ($name:literal) => {
        (&include_bytes!(concat!("../fixtures/", $name, ".jpg"))[..], &include_bytes!(concat!("../fixtures/", $name, ".raw"))[..])
    };
}

/// A PNG file of 8-bit or 16-bit channels.
fn png_of(colour: ColorType, depth: BitDepth, size: [u32; 2], data: &[u8], palette: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = Encoder::new(&mut bytes, size[1], size[0]);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn small_png() -> Vec<u8> {
    let pixels: Vec<u8> = (0..20 * 30 * 3).map(|i| (i * 7 % 256) as u8).collect();
    png_of(ColorType::Rgb, BitDepth::Eight, [20, 30], &pixels, None)
}

#[test]
fn jpeg_files_have_the_pixels_of_pillow() {
    for (name, (file, expected), channels) in [
        ("4:4:4", fixture!("444"), 3),
        ("4:2:0", fixture!("420"), 3),
        ("progressive", fixture!("progressive"), 3),
        ("restart markers", fixture!("restart"), 3),
        ("grey", fixture!("grey"), 1),
    ] {
        let picture = decode(file).unwrap();
        assert_eq!([picture.height(), picture.width(), picture.channels()], [SIZE[0], SIZE[1], channels], "{name}");
        assert!(picture.pixels() == expected, "{name}");
    }
}

#[test]
fn png_files_of_every_kind_become_8_bit_channels() {
    use BitDepth::{Eight, One, Sixteen};
    let decoded = |bytes: Vec<u8>| {
        let picture = decode(&bytes).unwrap();
        (picture.channels(), picture.pixels().to_vec())
    };
    let pixels = [1, 2, 3, 250, 251, 252];
    assert_eq!(decoded(png_of(ColorType::Rgb, Eight, [2, 1], &pixels, None)), (3, pixels.to_vec()));
    assert_eq!(decoded(png_of(ColorType::Grayscale, Eight, [2, 3], &pixels, None)), (1, pixels.to_vec()));
    assert_eq!(decoded(png_of(ColorType::GrayscaleAlpha, Eight, [1, 3], &pixels, None)), (2, pixels.to_vec()));
    assert_eq!(decoded(png_of(ColorType::Rgba, Eight, [1, 1], &[1, 2, 3, 4], None)), (4, vec![1, 2, 3, 4]));
    assert_eq!(decoded(png_of(ColorType::Grayscale, Sixteen, [1, 2], &[7, 99, 8, 1], None)), (1, vec![7, 8]));
    // 0x00ff / 257 = 0.99, 0x8080 / 257 = 128, 0xff00 / 257 = 254.01; of colours the upper byte.
    let (values, grey) = ([0, 0xff, 0x80, 0x80, 0xff, 0, 0xff, 0xff], vec![1, 128, 254, 255]);
    assert_eq!(decoded(png_of(ColorType::Grayscale, Sixteen, [1, 4], &values, None)), (1, grey));
    assert_eq!(decoded(png_of(ColorType::Rgb, Sixteen, [1, 1], &[1, 255, 2, 0, 255, 0], None)), (3, vec![1, 2, 255]));
    assert_eq!(decoded(png_of(ColorType::Grayscale, One, [1, 8], &[0b1010_0000], None)), (1, vec![255, 0, 255, 0, 0, 0, 0, 0]));
    let palette = [9, 8, 7, 6, 5, 4];
    assert_eq!(decoded(png_of(ColorType::Indexed, Eight, [1, 2], &[1, 0], Some(&palette))), (3, vec![6, 5, 4, 9, 8, 7]));
}

#[test]
fn what_is_no_picture_is_refused_by_its_first_bytes() {
    assert_eq!(decode(b"").unwrap_err(), "is empty");
    assert_eq!(decode(b"hello").unwrap_err(), "is not a JPEG or PNG file: it begins with \"hell\"");
    for (bytes, name) in [
        (&b"GIF89a"[..], "a GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP"),
        (b"BM\x10\0\0\0", "a BMP"),
        (b"II*\0\x08\0\0\0", "a TIFF"),
        (b"MM\0*\0\0\0\x08", "a TIFF"),
        (b"\0\0\0\x18ftypheic", "a HEIC"),
        (b"\0\0\0\x18ftypavif", "an AVIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
        (b"P6\n2 2\n255\n", "a PNM"),
        (b"DDS |\0\0\0", "a DDS"),
        (b"icns\0\0\0\x08", "an ICNS"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript"),
        (b"\0\x05\x16\x07\0\x02\0\0", "a macOS metadata (AppleDouble)"),
    ] {
        let expected = format!("is {name} file, and not JPEG or PNG: convert it to one of these");
        assert_eq!(decode(bytes).unwrap_err(), expected);
    }
    assert!(decode(b"version https://git-lfs.github.com/spec/v1\n").unwrap_err().contains("`git lfs pull`"));
    assert!(decode(b"\n<!DOCTYPE html><html>").unwrap_err().contains("markup"));
    assert!(decode(&[0xff, 0xd8, 0xff]).unwrap_err().contains("cut short"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.png");
    fs::create_dir(&path).unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("x.png: is a directory; expected a JPEG or PNG file"));
    fs::write(directory.path().join("empty.jpg"), b"").unwrap();
    assert!(read(&directory.path().join("empty.jpg")).unwrap_err().to_string().ends_with("empty.jpg: is empty"));
    let error = read(Path::new("nowhere/cat.jpg")).unwrap_err().to_string();
    assert_eq!(error, "nowhere/cat.jpg: does not exist");
    assert!(
        [("a.JPG", true), ("b.jpeg", true), ("c.PnG", true), ("d.txt", false), ("jpg", false)]
            .iter()
            .all(|(name, picture)| is_picture(Path::new(name)) == *picture)
    );
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error() {
    let png = small_png();
    for (name, bytes) in
        [("420", fixture!("420").0), ("progressive", fixture!("progressive").0), ("grey", fixture!("grey").0), ("png", &png)]
    {
        for length in 0..bytes.len() {
            let cut = decode(&bytes[..length]);
            assert!(cut.is_err(), "{name}: {length} of {} bytes are taken for an image", bytes.len());
        }
    }
}

/// Decoders see a great deal of damage: bytes that are changed, left out and doubled.
#[test]
fn damage_gives_an_error_or_a_picture_and_never_a_panic() {
    let png = small_png();
    let mut errors = 0;
    let files =
        [fixture!("420").0, fixture!("progressive").0, fixture!("restart").0, include_bytes!("../fixtures/cmyk.jpg"), &png];
    for (file, bytes) in files.into_iter().enumerate() {
        for round in 0..600 {
            let mut draws = Draws::new(file as u64, Purpose::Augmentation, 0, round);
            let mut bytes = bytes.to_vec();
            for _ in 0..=draws.below(8) {
                let place = draws.below(bytes.len());
                match draws.below(4) {
                    0 => bytes[place] = draws.below(256) as u8,
                    1 => bytes[place] ^= 1 << draws.below(8),
                    2 => drop(bytes.drain(place..(place + 1 + draws.below(20)).min(bytes.len()))),
                    _ => {
                        let copy = bytes[place..(place + 16).min(bytes.len())].to_vec();
                        bytes.splice(place..place, copy);
                    }
                }
            }
            match decode(&bytes) {
                Ok(picture) => assert_eq!(picture.pixels().len(), picture.height() * picture.width() * picture.channels()),
                Err(message) => {
                    errors += 1;
                    assert!(
                        message.starts_with("is ") || message.starts_with("has ") || message.starts_with("says "),
                        "{message}"
                    );
                }
            }
        }
    }
    assert!(errors > 1000, "{errors} of 3000 were noticed");
}

/// The chunks of a small PNG file, with others after the header.
fn with_chunks(header: [u8; 13], chunks: &[(&[u8; 4], Vec<u8>)], data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut deflated = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
    deflated.write_all(data).unwrap();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let all = [(b"IHDR", header.to_vec())].into_iter().chain(chunks.iter().cloned());
    for (kind, body) in all.chain([(b"IDAT", deflated.finish().unwrap()), (b"IEND", vec![])]) {
        file.extend((body.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(&body);
        file.extend([&kind[..], &body, &crc.sum().to_be_bytes()].concat());
    }
    file
}

fn header(height: u32, width: u32, depth: u8, colour: u8) -> [u8; 13] {
    let mut header = [0; 13];
    header[..4].copy_from_slice(&width.to_be_bytes());
    header[4..8].copy_from_slice(&height.to_be_bytes());
    header[8..10].copy_from_slice(&[depth, colour]);
    header
}

#[test]
fn a_colour_beyond_the_palette_is_refused() {
    for (depth, packed, index) in [(8, vec![0, 0, 1, 2], 2), (4, vec![0, 0x01, 0x20], 2), (2, vec![0, 0b01_11_00_00], 3)] {
        let width = if depth == 4 {
            4
        } else if depth == 8 {
            3
        } else {
            4
        };
        let file = with_chunks(header(1, width, depth, 3), &[(b"PLTE", vec![1, 2, 3, 4, 5, 6])], &packed);
        let expected = format!("is damaged: a pixel has colour {index}, and its palette has only 2");
        assert_eq!(decode(&file).unwrap_err(), expected);
    }
    // Bits that only fill up the last byte of a row are not pixels.
    let file = with_chunks(header(1, 3, 2, 3), &[(b"PLTE", vec![1, 2, 3, 4, 5, 6])], &[0, 0b00_01_00_11]);
    assert_eq!(decode(&file).unwrap().pixels(), [1, 2, 3, 4, 5, 6, 1, 2, 3]);
}

#[test]
fn grey_that_leaves_its_upper_bits_empty_is_named() {
    let remark = |values: [u16; 2]| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
        let picture = decode(&png_of(ColorType::Grayscale, BitDepth::Sixteen, [1, 2], &bytes, None)).unwrap();
        picture.remark().map(str::to_string)
    };
    let found = remark([0, 4095]).unwrap();
    assert!(found.contains("lower 12 bits") && found.contains("4095") && found.contains("by 16 first"), "{found}");
    assert!(remark([0, 255]).unwrap().contains("by 256 first"));
    assert_eq!(remark([0, 4096]), None);
    assert_eq!(remark([0, 0]), None); // black
}

#[test]
fn images_beyond_the_bound_are_refused_before_memory_is_taken() {
    let bound = "more than 178956970 are not decoded";
    let error = decode(&with_chunks(header(20_000, 20_000, 8, 2), &[], &[0; 64])).unwrap_err();
    assert!(
        error.starts_with("says to be 20000 x 20000 pixels") && error.contains(bound) && error.contains("--max-pixels 400000000"),
        "{error}"
    );
    let frame = |height: u16, width: u16| {
        let mut file = fixture!("420").0.to_vec();
        let at = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        file[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
        file[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
        file
    };
    let error = decode(&frame(20_000, 20_000)).unwrap_err();
    assert!(error.starts_with("says to be 20000 x 20000 pixels") && error.contains(bound), "{error}");
    // Within the bound, but a file that cannot hold as many blocks.
    assert!(decode(&frame(12_000, 12_000)).unwrap_err().contains("cut short"));
    assert!(decode(&with_chunks(header(12_000, 12_000, 8, 2), &[], &[0; 64])).unwrap_err().contains("cut short"));
}

#[test]
fn what_lies_beside_the_pixels_takes_little_memory() {
    use std::io::Write;
    let mut bomb = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::best());
    bomb.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let profile = [b"x\0\0", &bomb[..]].concat();
    let text = [b"Comment\0\0", &bomb[..]].concat();
    let file = with_chunks(header(1, 2, 8, 0), &[(b"iCCP", profile), (b"zTXt", text)], &[0, 5, 6]);
    assert_eq!(decode(&file).unwrap().pixels(), [5, 6]);
}

#[test]
fn orientations_are_found_in_both_formats() {
    let tiff = |number: u8| [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[number, 0, 0, 0][..], &[0; 4]].concat();
    let turned = |picture: &Picture| [picture.upright().height(), picture.upright().width()];
    for number in 1..=8 {
        let png = with_chunks(header(1, 2, 8, 0), &[(b"eXIf", tiff(number))], &[0, 5, 6]);
        let mut jpeg = fixture!("grey").0.to_vec();
        let segment = [&[0xff, 0xe1, 0, 34][..], b"Exif\0\0", &tiff(number)].concat();
        jpeg.splice(2..2, segment);
        let (png, jpeg) = (decode(&png).unwrap(), decode(&jpeg).unwrap());
        let expected = |height, width| if number >= 5 { [width, height] } else { [height, width] };
        assert_eq!((turned(&png), turned(&jpeg)), (expected(1, 2), expected(SIZE[0], SIZE[1])), "{number}");
        // As stored until it is turned.
        assert_eq!((png.pixels(), jpeg.pixels()), (&[5, 6][..], fixture!("grey").1), "{number}");
        assert_eq!(Orientation::of_metadata(&tiff(number), b"") as u8, number);
    }
}

#[test]
fn images_of_any_shape_decode() {
    for [height, width] in [[1, 1], [1, 60_000], [60_000, 1]] {
        let pixels = vec![9; height as usize * width as usize];
        let picture = decode(&png_of(ColorType::Grayscale, BitDepth::Eight, [height, width], &pixels, None)).unwrap();
        assert_eq!(([picture.height() as u32, picture.width() as u32], picture.pixels()), ([height, width], &pixels[..]));
    }
}
