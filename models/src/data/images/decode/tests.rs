use super::*;
use crate::data::images::random::{Draws, Purpose};

const SIZE: [usize; 3] = [45, 61, 3];

/// A JPEG file and what Pillow decodes from it.
macro_rules! fixture {
    ($name:literal) => {
        (&include_bytes!(concat!("../fixtures/", $name, ".jpg"))[..], &include_bytes!(concat!("../fixtures/", $name, ".raw"))[..])
    };
}

/// A PNG file of 8-bit or 16-bit channels.
fn png_of(colour: ColorType, depth: png::BitDepth, size: [u32; 2], data: &[u8], palette: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, size[1], size[0]);
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
    png_of(ColorType::Rgb, png::BitDepth::Eight, [20, 30], &pixels, None)
}

#[test]
fn jpeg_files_of_every_kind_decode_to_what_pillow_sees() {
    for (name, (file, expected), channels) in [
        ("4:4:4", fixture!("444"), 3),
        ("4:2:0", fixture!("420"), 3),
        ("progressive", fixture!("progressive"), 3),
        ("restart markers", fixture!("restart"), 3),
        ("grey", fixture!("grey"), 1),
    ] {
        let picture = decode(file).unwrap();
        assert_eq!([picture.height(), picture.width(), picture.channels()], [SIZE[0], SIZE[1], channels], "{name}");
        let differences: Vec<u8> = picture.pixels().iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let mean = differences.iter().map(|d| f64::from(*d)).sum::<f64>() / differences.len() as f64;
        let most = differences.iter().max().unwrap();
        // Decoders may round the inverse cosine transform as they like; subsampled colours are interpolated in one of several ways.
        println!("{name}: {most} at most, {mean:.4} in the mean");
        assert!(*most <= 3 && mean < 0.6, "{name}: {most} at most, {mean} in the mean");
    }
    let cmyk = decode(include_bytes!("../fixtures/cmyk.jpg")).unwrap();
    assert_eq!(cmyk.channels(), 3);
}

#[test]
fn png_files_of_every_kind_become_8_bit_channels() {
    use png::BitDepth::{Eight, One, Sixteen};
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
    assert_eq!(decoded(png_of(ColorType::Grayscale, One, [1, 8], &[0b1010_0000], None)), (1, vec![255, 0, 255, 0, 0, 0, 0, 0]));
    let palette = [9, 8, 7, 6, 5, 4];
    assert_eq!(decoded(png_of(ColorType::Indexed, Eight, [1, 2], &[1, 0], Some(&palette))), (3, vec![6, 5, 4, 9, 8, 7]));
}

#[test]
fn what_is_no_picture_is_refused_by_its_first_bytes() {
    assert_eq!(decode(b"").unwrap_err(), "is empty");
    assert_eq!(decode(b"GIF89a").unwrap_err(), "is not a JPEG or PNG file: it begins with \"GIF8\"");
    assert!(decode(&[0xff, 0xd8, 0xff]).unwrap_err().contains("cut short"));
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
            assert!(cut.is_err(), "{name}: {length} of {} bytes are taken for a picture", bytes.len());
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
                    assert!(message.starts_with("is "), "{message}");
                }
            }
        }
    }
    assert!(errors > 1000, "{errors} of 3000 were noticed");
}
