//! Draws docs/images/generated.png: twenty generated shapes and twenty glyphs.
//!
//! `cargo run --release --example generated_images`

use ivon_runtime::{Error, Result};
use models::data::images::{Figure, Generated};
use std::path::Path;

/// Rows and columns of an image in pixels.
const SIZE: usize = 64;
/// Images in a row: one a class.
const COLUMNS: usize = 10;

fn main() -> Result<()> {
    let mut pixels: Vec<u8> = vec![];
    for figure in [Figure::Shapes, Figure::Glyphs] {
        let set = Generated { size: SIZE, ..Generated::new(figure) }.set()?;
        for first in [0, COLUMNS] {
            let images = (first..first + COLUMNS).map(|i| set.parts.training.picture(i)).collect::<Result<Vec<_>>>()?;
            for y in 0..SIZE {
                pixels.extend(images.iter().flat_map(|image| &image.pixels()[3 * SIZE * y..3 * SIZE * (y + 1)]));
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/generated.png");
    write(&path, &pixels).map_err(|error| Error::file(&path, format!("cannot be written: {error}")))
}

fn write(path: &Path, pixels: &[u8]) -> std::result::Result<(), png::EncodingError> {
    let width = COLUMNS * SIZE;
    let mut encoder = png::Encoder::new(std::fs::File::create(path)?, width as u32, (pixels.len() / width / 3) as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(pixels)
}
