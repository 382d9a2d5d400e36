//! Pictures a second: decoding, random crops and normalisation, by one thread and as training is fed.
//!
//! ```text
//! cargo bench -p ivon-cli --bench images [-- --data FOLDER --size PIXELS --batch N --pictures N --rounds N]
//! ```
//!
//! `FOLDER` is a directory with any set of images (`docs/images.md`); without it, generated shapes are used. The two pipelines alternate,
//! and the best round of each counts. `images.py` beside this file does the same work by torchvision.

use ivon_runtime::{Error, Result};
use models::data::images::{
    Crop, Exif, Figure, Fit, Generated, ImageSet, Loader, Normalisation, Pictures, Style, Transform, read,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let text = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, default: usize| text(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (batch, rounds) = (number("--batch", 128), number("--rounds", 5));
    let set = match text("--data") {
        Some(path) => ImageSet::open(Path::new(path), 3)?,
        None => Generated::new(Figure::Shapes).set()?,
    };
    let small = set.style != Style::Photos;
    let size = number("--size", set.style.size().unwrap_or(224));
    let crop = if small { Crop::Padded } else { Crop::Resized };
    let transform = Transform {
        size,
        crop,
        flip: true,
        ratio: 1.0,
        fit: Fit::Cover,
        normalisation: Normalisation::imagenet(),
        exif: Exif::Ignore,
    };
    let all = set.parts.training;
    let count = all.len().min(number("--pictures", 20_000));
    println!("{}: {count} of {} images, batches of {batch} of {size} x {size}", set.origin, all.len());

    let chosen: Vec<u32> = (0..count as u32).collect();
    let mut best = [0f64; 4];
    for _ in 0..rounds {
        let rates = [decode(&all, &chosen)?, first(&all, &chosen, &transform, batch)?];
        let pictures = Arc::new(all.select(&chosen));
        let loader = Arc::new(Loader::new(pictures, transform.clone(), batch, 1)?);
        let steps = (count / batch).max(1) as u64;
        let mut feed = loader.prefetch(1)?;
        let mut pass = |from: u64| {
            let start = Instant::now();
            for step in from..from + steps {
                feed.batch(step, 0)?;
            }
            Ok::<f64, Error>(steps as f64 * batch as f64 / start.elapsed().as_secs_f64())
        };
        let (cold, warm) = (pass(0)?, pass(steps)?);
        for (best, rate) in best.iter_mut().zip([rates[0], rates[1], cold, warm]) {
            *best = best.max(rate);
        }
    }
    let [decoded, first, cold, warm] = best;
    println!("decoded by one thread           {decoded:>10.0} /s");
    println!("decoded and cropped by one      {first:>10.0} /s");
    println!("fed to training, first epoch    {cold:>10.0} /s");
    println!("fed to training, later epochs   {warm:>10.0} /s");
    Ok(())
}

/// Files into pixels, or images drawn, by this thread.
fn decode(all: &Pictures, chosen: &[u32]) -> Result<f64> {
    let start = Instant::now();
    for index in chosen {
        let path = all.name(*index as usize);
        match Path::new(&path).is_file() {
            true => drop(read(Path::new(&path))?),
            false => drop(all.original(*index as usize)?),
        }
    }
    Ok(chosen.len() as f64 / start.elapsed().as_secs_f64())
}

/// Pictures that are read for the first time, as batches by this thread.
fn first(all: &Pictures, chosen: &[u32], transform: &Transform, batch: usize) -> Result<f64> {
    let loader = Loader::new(Arc::new(all.select(chosen)), transform.clone(), batch, 1)?;
    let steps = (chosen.len() / batch).max(1) as u64;
    let start = Instant::now();
    for step in 0..steps {
        loader.batch_at(step)?;
    }
    Ok(steps as f64 * batch as f64 / start.elapsed().as_secs_f64())
}
