use super::*;
use crate::data::images::transform::{Crop, Fit, Normalisation};
use crate::data::images::{Exif, Figure, Generated, Picture, Source};

/// Pictures of one pixel that shows its number; those in `damaged` cannot be read.
#[derive(Debug)]
struct Numbered {
    damaged: Vec<usize>,
}

impl Source for Numbered {
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        if self.damaged.contains(&index) {
            return Err(Error::file(self.name(index), "is damaged"));
        }
        Ok(Picture::new([1, 1, 1], vec![index as u8]))
    }
}

fn numbered(n: usize, damaged: &[usize]) -> Arc<Pictures> {
    Arc::new(Pictures::new(Numbered { damaged: damaged.to_vec() }, (0..n as u32).map(|i| 1000 + i).collect(), 1))
}

/// A transform that keeps the values of pixels.
fn plain() -> Transform {
    let normalisation = Normalisation { mean: vec![0.0], deviation: vec![1.0 / 255.0] };
    Transform { size: 1, crop: Crop::None, flip: false, ratio: 1.0, fit: Fit::Cover, normalisation, exif: Exif::Ignore }
}

fn shapes(crop: Crop) -> (Arc<Pictures>, Transform) {
    let set = Generated { size: 16, training: 50, ..Generated::new(Figure::Shapes) }.set().unwrap();
    let transform = Transform {
        size: 16,
        crop,
        flip: true,
        ratio: 1.0,
        fit: Fit::Cover,
        normalisation: Normalisation::imagenet(),
        exif: Exif::Ignore,
    };
    (Arc::new(set.parts.training), transform)
}

fn loader(pictures: &Arc<Pictures>, batch: usize, seed: u64) -> Arc<Loader> {
    Arc::new(Loader::new(pictures.clone(), plain(), batch, seed).unwrap())
}

fn numbers(batch: &Batch) -> Vec<f32> {
    batch.images.as_slice().to_vec()
}

fn labels(batch: &Batch) -> Vec<u32> {
    batch.labels.as_slice().to_vec()
}

#[test]
fn every_picture_comes_once_an_epoch_with_its_label_in_another_order() {
    let pictures = numbered(10, &[]);
    let loader = loader(&pictures, 4, 1); // 5 steps are two epochs
    assert_eq!((loader.steps_per_epoch(), loader.batch_size()), (3, 4));
    let batches: Vec<Batch> = (0..10).map(|step| loader.batch_at(step).unwrap()).collect();
    assert_eq!(**batches[0].images.shape(), [4, 1, 1, 1]);
    let seen: Vec<u32> = batches.iter().flat_map(labels).collect();
    let pixels: Vec<f32> = batches.iter().flat_map(numbers).collect();
    assert!(seen.iter().zip(&pixels).all(|(label, pixel)| *label == 1000 + pixel.round() as u32));
    for epoch in seen.chunks(10) {
        let mut sorted = epoch.to_vec();
        sorted.sort();
        assert_eq!(sorted, (1000..1010).collect::<Vec<_>>());
    }
    assert_ne!(seen[..10], seen[10..20]);
}

#[test]
fn a_batch_is_a_function_of_seed_and_step_whatever_was_asked_before_and_however_it_is_cut() {
    for crop in [Crop::None, Crop::Padded, Crop::Resized] {
        let (pictures, transform) = shapes(crop);
        let loader = |seed| Arc::new(Loader::new(pictures.clone(), transform.clone(), 12, seed).unwrap());
        let one = loader(1);
        let all: Vec<Vec<f32>> = (0..12).map(|step| numbers(&one.batch_at(step).unwrap())).collect();
        let fresh = loader(1);
        for step in [11, 4, 7, 0] {
            assert_eq!(numbers(&fresh.batch_at(step).unwrap()), all[step as usize], "{crop:?}");
        }
        let parts = [0..5, 5..12].map(|rows| numbers(&fresh.rows_at(6, rows).unwrap()));
        assert_eq!(parts.concat(), all[6]);
        assert_ne!(numbers(&loader(2).batch_at(0).unwrap()), all[0]);

        // Taken up in the middle of an epoch, and by other threads.
        let mut prefetch = loader(1).prefetch(3).unwrap();
        for step in [5, 6, 7, 2, 3] {
            let parts = [0, 1, 2].map(|part| numbers(&prefetch.batch(step, part).unwrap()));
            assert_eq!(parts.concat(), all[step as usize], "{crop:?}");
            assert_eq!(numbers(&prefetch.batch(step, 2).unwrap()), parts[2]);
        }
    }
}

#[test]
fn a_picture_is_cropped_anew_every_epoch() {
    let (pictures, transform) = shapes(Crop::Padded);
    let one = Arc::new(pictures.select(&[3]));
    let loader = Loader::new(one, transform, 1, 1).unwrap();
    let seen: Vec<Vec<f32>> = (0..20).map(|epoch| numbers(&loader.batch_at(epoch).unwrap())).collect();
    let distinct: std::collections::BTreeSet<Vec<u32>> = seen.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect();
    assert!(distinct.len() > 15, "{} of 20", distinct.len()); // of 162 ways
}

#[test]
fn for_a_damaged_picture_stands_the_next_good_one_and_no_other_changes_its_place() {
    let all = |pictures: &Arc<Pictures>| -> Vec<u32> {
        (0..6).flat_map(|step| labels(&loader(pictures, 5, 3).batch_at(step).unwrap())).collect()
    };
    let whole = all(&numbered(10, &[]));
    let pictures = numbered(10, &[4, 5, 9]);
    let instead = |label: &u32| match label {
        1004 | 1005 => 1006,
        1009 => 1000,
        label => *label,
    };
    assert_eq!(all(&pictures), whole.iter().map(instead).collect::<Vec<_>>());
    // By other threads in another order too; every one of them is named once.
    let mut prefetch = loader(&pictures, 5, 3).prefetch(1).unwrap();
    assert_eq!(labels(&prefetch.batch(3, 0).unwrap()), labels(&loader(&pictures, 5, 3).batch_at(3).unwrap()));
    let summary = pictures.damage_summary().unwrap();
    assert_eq!(summary, "3 damaged images of 10 skipped:\n  image 4: is damaged\n  image 5: is damaged\n  image 9: is damaged");
    assert!(numbered(10, &[]).damage_summary().is_none());
}

#[test]
fn strict_pictures_make_the_first_damaged_one_an_error() {
    let pictures = Pictures::new(Numbered { damaged: vec![7] }, (0..10).collect(), 1).strict(true);
    let loader = loader(&Arc::new(pictures), 10, 0);
    assert_eq!(loader.batch_at(0).unwrap_err().to_string(), "image 7: is damaged");
    let error = loader.prefetch(1).unwrap().batch(0, 0).unwrap_err().to_string();
    assert_eq!(error, "image 7: is damaged");
    let examples = Examples::new(loader.pictures.clone(), plain(), 4).unwrap();
    let results: Vec<Result<Batch>> = examples.collect();
    assert!(results[0].is_ok() && results[1].is_err(), "{results:?}");
}

#[test]
fn pictures_that_are_all_damaged_are_an_error() {
    let error = loader(&numbered(3, &[0, 1, 2]), 2, 0).batch_at(0).unwrap_err().to_string();
    assert!(error.starts_with("none of the 3 images can be used; the first: image"), "{error}");
}

#[test]
fn evaluation_goes_through_all_in_order_and_leaves_the_damaged_out() {
    for batch in [1, 3, 4, 20, 100] {
        let seen = |damaged: &[usize]| -> (Vec<u32>, usize) {
            let batches: Vec<Batch> = Examples::new(numbered(20, damaged), plain(), batch).unwrap().map(Result::unwrap).collect();
            (batches.iter().flat_map(labels).collect(), batches.len())
        };
        assert_eq!(seen(&[]), ((1000..1020).collect(), 20usize.div_ceil(batch)));
        let without: Vec<u32> = (1000..1020).filter(|l| ![1000, 1006, 1007, 1008, 1019].contains(l)).collect();
        assert_eq!(seen(&[0, 6, 7, 8, 19]).0, without);
    }
}

#[test]
fn evaluation_is_not_augmented() {
    let (pictures, transform) = shapes(Crop::Padded);
    let batches: Vec<Batch> = Examples::new(pictures.clone(), transform, 50).unwrap().map(Result::unwrap).collect();
    let Normalisation { mean, deviation } = Normalisation::imagenet();
    let picture = pictures.picture(31).unwrap();
    for (i, (pixel, seen)) in picture.pixels().iter().zip(&numbers(&batches[0])[31 * 16 * 16 * 3..]).enumerate() {
        let expected = (f64::from(*pixel) / 255.0 - mean[i % 3]) / deviation[i % 3];
        assert!((f64::from(*seen) - expected).abs() < 1e-6);
    }
}

/// An image of two grey pixels; those in `coloured` are in colour.
#[derive(Debug)]
struct Coloured {
    coloured: Vec<usize>,
}

impl Source for Coloured {
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let blue = if self.coloured.contains(&index) { 0 } else { index as u8 };
        Ok(Picture::new([1, 1, 3], vec![index as u8, index as u8, blue]))
    }
}

#[test]
fn views_of_other_channels_and_sizes_show_the_same_images() {
    let images = Arc::new(Pictures::new(Coloured { coloured: vec![3, 7] }, (0..10).collect(), 3));
    let colour =
        Transform { size: 2, normalisation: Normalisation { mean: vec![0.0; 3], deviation: vec![1.0 / 255.0; 3] }, ..plain() };
    for batch in [1, 4, 100] {
        let batches: Vec<Vec<Batch>> =
            Views::of(&images, &[colour.clone(), plain()], batch).unwrap().map(Result::unwrap).collect();
        let all = |view: usize| batches.iter().flat_map(|b| labels(&b[view])).collect::<Vec<u32>>();
        // Images that one view cannot show are left out of both.
        assert_eq!(all(0), [0, 1, 2, 4, 5, 6, 8, 9]);
        assert_eq!(all(1), all(0));
        let shapes = batches[0].iter().map(|b| b.images.shape().to_vec()).collect::<Vec<_>>();
        assert_eq!((&shapes[0][1..], &shapes[1][1..]), (&[2, 2, 3][..], &[1, 1, 1][..]));
        let seen: Vec<u32> = batches.iter().flat_map(|b| numbers(&b[1])).map(|x| x.round() as u32).collect();
        assert_eq!(seen, all(0));
    }
    let summary = images.damage_summary().unwrap();
    assert!(summary.contains("2 damaged images of 10") && summary.contains("image 7: is in colour"), "{summary}");
}

#[test]
fn what_cannot_be_batched_is_refused() {
    let refused = |pictures: Arc<Pictures>, batch| Loader::new(pictures, plain(), batch, 0).unwrap_err().to_string();
    assert_eq!(refused(numbered(0, &[]), 1), "there are no images to train on");
    assert_eq!(refused(numbered(1, &[]), 0), "a batch has at least one image");
    assert!(refused(shapes(Crop::None).0, 1).contains("1 channels and these have 3"));
    let error = loader(&numbered(4, &[]), 4, 0).prefetch(3).err().unwrap().to_string();
    assert!(error.contains("3 micro-batches do not divide a batch of 4"), "{error}");
}

#[test]
fn a_subset_is_the_same_for_a_seed_and_part_of_a_larger_one() {
    let pictures = numbered(100, &[]);
    let labels = |p: &Pictures| (0..p.len()).map(|i| p.label(i)).collect::<Vec<_>>();
    let (small, large) = (labels(&pictures.subset(10, 5).unwrap()), labels(&pictures.subset(40, 5).unwrap()));
    assert_eq!((small.len(), large.len()), (10, 40));
    assert!(small.is_sorted() && small.iter().all(|l| large.contains(l)));
    assert_ne!(small, labels(&pictures.subset(10, 6).unwrap()));
    let error = pictures.subset(101, 5).unwrap_err().to_string();
    assert_eq!(error, "--train-examples 101: there are 100 images to train on");
    let (training, validation) = pictures.hold_out();
    assert_eq!((training.len(), validation.len()), (90, 10));
    let mut all = [labels(&training), labels(&validation)].concat();
    all.sort();
    assert_eq!(all, (1000..1100).collect::<Vec<_>>());
}
