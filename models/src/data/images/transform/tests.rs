use super::super::random::Purpose;
use super::*;
use crate::data::images::Orientation;

fn transform(size: usize, crop: Crop, ratio: f64) -> Transform {
    let normalisation = Normalisation { mean: vec![0.0], deviation: vec![1.0 / 255.0] };
    Transform { size, crop, flip: false, ratio, fit: Fit::Cover, normalisation, exif: Exif::Ignore }
}

/// An image whose pixel in row y and column x is 10 y + x + 1.
fn counting(height: usize, width: usize) -> Picture {
    Picture::new([height, width, 1], (0..height * width).map(|i| (10 * (i / width) + i % width + 1) as u8).collect())
}

fn draws(index: u32) -> Draws {
    Draws::new(0, Purpose::Augmentation, 0, index)
}

fn seen(transform: &Transform, picture: &Picture, index: Option<u32>) -> Vec<u8> {
    let mut out = vec![0.0; transform.numbers()];
    match index {
        Some(index) => transform.training(picture, draws(index), &mut out),
        None => transform.evaluation(picture, &mut out),
    }
    out.iter().map(|x| x.round() as u8).collect()
}

#[test]
fn padded_crops_are_all_shifts_of_up_to_four_pixels_with_black_beyond() {
    let picture = counting(6, 6);
    let mut found = std::collections::BTreeSet::new();
    for index in 0..2000 {
        let crop = seen(&transform(6, Crop::Padded, 1.0), &picture, Some(index));
        let shift = |(dy, dx): &(i32, i32)| {
            (0..36).all(|i| {
                let (y, x) = (i / 6 + dy, i % 6 + dx);
                let inside = (0..6).contains(&y) && (0..6).contains(&x);
                i32::from(crop[i as usize]) == if inside { 10 * y + x + 1 } else { 0 }
            })
        };
        let all = (-4..=4).flat_map(|dy| (-4..=4).map(move |dx| (dy, dx)));
        found.insert(all.into_iter().find(shift).expect("a shift of the image"));
    }
    assert_eq!(found.len(), 81);
}

#[test]
fn pictures_smaller_than_their_border_are_cropped_as_any_other() {
    for side in [1, 2, 3, 4] {
        let picture = counting(side, side);
        let shifts: std::collections::BTreeSet<_> =
            (0..2000).map(|index| seen(&transform(side, Crop::Padded, 1.0), &picture, Some(index))).collect();
        // Shifts by less than a side show some of the image, all others the border alone.
        assert_eq!(shifts.len(), (2 * side - 1).pow(2) + 1, "{side} x {side}");
    }
}

#[test]
fn half_of_the_pictures_are_mirrored_where_that_is_wanted() {
    let picture = counting(4, 4);
    let flipped = |i: u32| {
        let transform = Transform { flip: true, ..transform(4, Crop::None, 1.0) };
        let first = seen(&transform, &picture, Some(i))[..4].to_vec();
        assert!(first == [1, 2, 3, 4] || first == [4, 3, 2, 1], "{first:?}");
        first[0] == 4
    };
    let count = (0..1000).filter(|i| flipped(*i)).count();
    assert!((430..570).contains(&count), "{count}");
    // Evaluation never does.
    assert_eq!(seen(&Transform { flip: true, ..transform(4, Crop::None, 1.0) }, &picture, None), picture.pixels());
}

#[test]
fn random_regions_have_the_area_and_the_aspect_that_was_asked_for_and_reach_every_corner() {
    let (height, width) = (300, 400);
    let mut corners = [false; 4];
    let (mut areas, mut ratios) = (vec![], vec![]);
    for index in 0..3000 {
        let r = random_region(height, width, &mut draws(index));
        assert!(r.top + r.height <= height && r.left + r.width <= width);
        areas.push((r.height * r.width) as f64 / (height * width) as f64);
        ratios.push(r.width as f64 / r.height as f64);
        corners[0] |= r.top < 3;
        corners[1] |= r.left < 3;
        corners[2] |= r.top + r.height > height - 3;
        corners[3] |= r.left + r.width > width - 3;
    }
    assert!(areas.iter().all(|a| (0.075..=1.0).contains(a)) && ratios.iter().all(|r| (0.73..1.37).contains(r)));
    assert_eq!(corners, [true; 4]);
    // Reference from 20,000 draws of torchvision 0.29 for this size: area 0.4351 ± 0.2161, logarithm of the ratio 0.0314 ± 0.1635.
    let moments = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (mean, (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt())
    };
    let (area, spread) = moments(&areas);
    assert!((area - 0.4351).abs() < 0.012 && (spread - 0.2161).abs() < 0.012, "{area} ± {spread}");
    let (ratio, spread) = moments(&ratios.iter().map(|r| r.ln()).collect::<Vec<_>>());
    assert!((ratio - 0.0314).abs() < 0.009 && (spread - 0.1635).abs() < 0.009, "{ratio} ± {spread}");
}

#[test]
fn pictures_of_any_size_and_aspect_can_be_seen() {
    for (height, width) in [(1, 1), (1, 200), (200, 1), (2, 3), (33, 32), (7, 90)] {
        let picture = Picture::new([height, width, 1], vec![77; height * width]);
        for crop in [Crop::None, Crop::Padded, Crop::Resized] {
            for ratio in [1.0, PHOTO_RATIO] {
                for index in [None, Some(0), Some(1)] {
                    let out = seen(&transform(8, crop, ratio), &picture, index);
                    let padded = crop == Crop::Padded && index.is_some();
                    assert!(out.iter().all(|p| *p == 77 || padded && *p == 0), "{height} x {width}: {out:?}");
                }
            }
        }
    }
}

#[test]
fn the_centre_of_a_very_long_picture_is_found_without_resizing_all_of_it() {
    // 30,000 columns would become 7,680,000: 2 GB, of which 224 x 224 pixels are looked at.
    let picture = Picture::new([1, 30_000, 1], (0..30_000).map(|i| if i < 15_000 { 0 } else { 200 }).collect());
    let out = seen(&transform(224, Crop::None, PHOTO_RATIO), &picture, None);
    let row = &out[..224]; // the edge between the two pixels in the middle
    assert!(row.is_sorted() && row[0] < 20 && row[111].abs_diff(100) <= 1 && row[223] > 180, "{row:?}");
}

#[test]
fn evaluation_shows_a_model_what_torchvision_would() {
    let picture = Picture::new([45, 61, 3], include_bytes!("../fixtures/picture.raw").to_vec());
    let transform = Transform {
        size: 28,
        crop: Crop::Resized,
        flip: true,
        ratio: 32.0 / 28.0,
        fit: Fit::Cover,
        normalisation: Normalisation::imagenet(),
        exif: Exif::Ignore,
    };
    let mut seen = vec![0.0; transform.numbers()];
    transform.evaluation(&picture, &mut seen);
    let expected =
        include_bytes!("../fixtures/evaluation.f32").chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let most = seen.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(most < 1e-6, "{most}");
}

#[test]
fn an_image_is_turned_upright_where_that_is_wanted() {
    // One row, to be turned to the right: a column.
    let stored = Picture::new([1, 3, 1], vec![10, 20, 30]).stored_as(Orientation::Right);
    let [column, row] = [[3, 1, 1], [1, 3, 1]].map(|size| Picture::new(size, vec![10, 20, 30]));
    let as_stored = transform(8, Crop::None, 1.0);
    let turned = Transform { exif: Exif::Apply, ..as_stored.clone() };
    for index in [None, Some(3)] {
        assert_eq!(seen(&turned, &stored, index), seen(&as_stored, &column, index));
        assert_eq!(seen(&as_stored, &stored, index), seen(&as_stored, &row, index));
    }
    assert_ne!(seen(&turned, &stored, None), seen(&as_stored, &stored, None));
}

#[test]
fn a_run_that_does_not_say_takes_images_as_they_are_stored() {
    let ignore = transform(8, Crop::None, 1.0);
    let kept = serde_json::to_value(&ignore).unwrap();
    assert!(kept.get("exif").is_none(), "{kept}");
    assert_eq!(serde_json::from_value::<Transform>(kept).unwrap(), ignore);
    let apply = Transform { exif: Exif::Apply, ..ignore };
    let kept = serde_json::to_value(&apply).unwrap();
    assert_eq!(kept["exif"], "apply");
    assert_eq!(serde_json::from_value::<Transform>(kept).unwrap(), apply);
}

#[test]
fn contained_images_keep_all_their_pixels_between_black_ones() {
    let transform = |size| Transform { fit: Fit::Contain, ..transform(size, Crop::None, 1.0) };
    for index in [None, Some(3)] {
        // [3, 2] in [3, 3], [2, 4] in [4, 4].
        assert_eq!(seen(&transform(3), &counting(3, 2), index), [1, 2, 0, 11, 12, 0, 21, 22, 0]);
        assert_eq!(seen(&transform(4), &counting(2, 4), index), [0, 0, 0, 0, 1, 2, 3, 4, 11, 12, 13, 14, 0, 0, 0, 0]);
    }
    // For another size, the longer side is resized.
    let larger = seen(&transform(8), &Picture::new([4, 2, 1], vec![200; 8]), None);
    assert!(larger.chunks(8).all(|row| row == [0, 0, 200, 200, 200, 200, 0, 0]), "{larger:?}");
    let thin = seen(&transform(4), &Picture::new([1, 100, 1], vec![9; 100]), None);
    assert_eq!(thin.iter().filter(|v| **v == 9).count(), 4);
}

#[test]
fn a_stored_transform_without_a_fit_covers_and_writes_none() {
    let stored = r#"{"size":4,"crop":"none","flip":false,"ratio":1.0,"normalisation":{"mean":[0.0],"deviation":[1.0]}}"#;
    let transform: Transform = serde_json::from_str(stored).unwrap();
    assert_eq!(transform.fit, Fit::Cover);
    assert_eq!(serde_json::to_string(&transform).unwrap(), stored);
    let contained = serde_json::to_string(&Transform { fit: Fit::Contain, ..transform.clone() }).unwrap();
    assert!(serde_json::from_str::<Transform>(&contained).unwrap().fit == Fit::Contain);
}
