use super::*;
use crate::data::images::random::Draws;

fn picture(figure: Figure, size: usize, seed: u64, index: usize) -> Picture {
    let set = Generated { size, seed, ..Generated::new(figure) }.set().unwrap();
    (*set.parts.training.picture(index).unwrap()).clone()
}

/// A plain figure in the middle: the share of the image that it covers.
fn covered(figure: Figure, label: usize, size: usize) -> f64 {
    let outline = figures::figure(figure, label);
    let pixel = 2.4 / size as f64;
    let place = |i: usize| (i as f64 + 0.5) * pixel - 1.2;
    let inside = (0..size * size).map(|i| (0.5 - outline([place(i % size), place(i / size)]) / pixel).clamp(0.0, 1.0));
    inside.sum::<f64>() * pixel * pixel
}

#[test]
fn pictures_depend_on_figure_seed_part_and_index_alone() {
    let base = picture(Figure::Shapes, 32, 0, 7);
    assert_eq!(base, picture(Figure::Shapes, 32, 0, 7));
    assert_ne!(base, picture(Figure::Shapes, 32, 1, 7));
    assert_ne!(base, picture(Figure::Shapes, 32, 0, 17));
    assert_ne!(base, picture(Figure::Glyphs, 32, 0, 7));
    let set = Generated::new(Figure::Shapes).set().unwrap();
    assert_ne!(base, *set.parts.validation.picture(7).unwrap());
    assert_eq!((set.parts.training.len(), set.parts.validation.len(), set.classes.len()), (20_000, 2_000, 10));
    assert_eq!((set.parts.training.label(7), set.parts.training.label(40)), (7, 0));
}

#[test]
fn figures_cover_the_area_that_geometry_says_and_lie_in_the_disc_that_is_drawn() {
    use std::f64::consts::PI;
    let label = |name: &str| figures::SHAPES.iter().position(|n| *n == name).unwrap();
    let sin = |turns: f64| (2.0 * PI * turns).sin();
    for (name, area) in [
        ("disc", PI * 0.85 * 0.85),
        ("ring", PI * (0.9 * 0.9 - 0.5 * 0.5)),
        ("triangle", 1.5 * sin(1.0 / 3.0)),
        ("square", 2.0),
        ("star", 5.0 * 0.42 * sin(0.1)),
        ("cross", 4.0 * 0.95 * 0.52 - 0.52 * 0.52),
        ("arrow", 0.6 * 1.0 + 0.5 * 1.6 * 0.9),
    ] {
        let covered = covered(Figure::Shapes, label(name), 400);
        assert!((covered - area).abs() < 0.01 * area, "{name}: {covered}, {area} expected");
    }
    for figure in [Figure::Shapes, Figure::Glyphs] {
        for (label, name) in figure.classes().iter().enumerate() {
            let outline = figures::figure(figure, label);
            let rim = |i: i32| [1.2 * f64::from(i).cos(), 1.2 * f64::from(i).sin()];
            assert!((0..100).all(|i| outline(rim(i)) > 0.0), "{name}");
            assert!((0.4..2.6).contains(&covered(figure, label, 100)), "{name}");
        }
    }
}

#[test]
fn grey_pictures_are_the_brightness_of_the_coloured_ones() {
    let grey = Generated { channels: 1, ..Generated::new(Figure::Shapes) }.set().unwrap().parts.training;
    let (grey, colour) = (grey.picture(3).unwrap(), picture(Figure::Shapes, 32, 0, 3));
    assert_eq!(grey.channels(), 1);
    for (grey, p) in grey.pixels().iter().zip(colour.pixels().chunks_exact(3)) {
        let expected = 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
        assert!((f64::from(*grey) - expected).abs() <= 0.5 + 1e-9);
    }
}

/// Linear regression on pixels, one class against all, by stochastic gradient descent: what a linear model can do.
#[test]
fn a_linear_model_of_the_pixels_is_little_better_than_chance() {
    let set = Generated { size: 16, training: 2000, validation: 500, ..Generated::new(Figure::Shapes) }.set().unwrap();
    let read = |pictures: &Pictures| -> Vec<(Vec<f32>, u32)> {
        let one = |i: usize| {
            let picture = pictures.picture(i).unwrap();
            (picture.pixels().iter().map(|p| f32::from(*p) / 128.0 - 1.0).collect(), pictures.label(i))
        };
        (0..pictures.len()).map(one).collect()
    };
    let (training, validation) = (read(&set.parts.training), read(&set.parts.validation));
    let n = 16 * 16 * 3;
    let mut weights = vec![0f32; 10 * n];
    let score = |weights: &[f32], x: &[f32], class: usize| {
        weights[class * n..(class + 1) * n].iter().zip(x).map(|(w, x)| w * x).sum::<f32>()
    };
    for _ in 0..5 {
        for (x, label) in &training {
            for class in 0..10 {
                let error = score(&weights, x, class) - f32::from(u8::from(class as u32 == *label));
                weights[class * n..(class + 1) * n].iter_mut().zip(x).for_each(|(w, x)| *w -= 2e-4 * error * x);
            }
        }
    }
    let right = |(x, label): &&(Vec<f32>, u32)| {
        let best = (0..10).max_by(|a, b| score(&weights, x, *a).total_cmp(&score(&weights, x, *b)));
        best == Some(*label as usize)
    };
    let accuracy = validation.iter().filter(right).count() as f64 / validation.len() as f64;
    assert!(accuracy < 0.3, "{accuracy}");
}

#[test]
fn edges_are_smooth_and_the_contrast_is_enough_to_see() {
    // Without noise, a figure of one colour on another has colours in between along its edge only.
    let outline = figures::figure(Figure::Shapes, 0);
    let smooth = scene::draw(&outline, 64, Draws::new(3, Purpose::TrainingPicture, 0, 0));
    assert_eq!(smooth.len(), 64 * 64 * 3);
    let distinct: std::collections::BTreeSet<u8> = smooth.iter().copied().collect();
    assert!(distinct.len() > 20, "{}", distinct.len());
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for size in [0, 11, 1025, usize::MAX] {
        let error = Generated { size, ..Generated::new(Figure::Shapes) }.set().unwrap_err().to_string();
        assert!(error.contains("12 x 12 to 1024 x 1024"), "{error}");
    }
    assert_eq!(picture(Figure::Glyphs, 12, 0, 0).height(), 12);
}
