//! Two moons: what is decided at the mean, and averaged over the posterior.

use super::shared::heat::{HeatMap, Palette, Ticks};
use super::shared::net::{Classifier, train};
use super::shared::pictures::moons;
use super::shared::score::score;
use ivon_runtime::LogAverage;
use ivon_runtime::optimizers::Weights;
use ivon_runtime::prelude::*;
use plotters::prelude::RGBColor;
use std::error::Error;

const EXAMPLES: usize = 200;
const CELLS: usize = 64;
/// The map goes from −EDGE to EDGE.
const EDGE: f64 = 4.0;
const SAMPLES: u32 = 64;

/// The maps of the probability of the first class, at the mean and averaged.
pub fn maps() -> std::result::Result<[HeatMap; 2], Box<dyn Error>> {
    let data = moons(EXAMPLES, 0.2, 41);
    let fresh = moons(2000, 0.2, 42);
    let model = Classifier::<2, 32, 2>::new();
    let config = IvonConfig::new(EXAMPLES as f64).hess_init(0.3).beta2(0.9995).weight_decay(0.003).samples(2);
    let mut ivon = Ivon::new(&model, config, Settings::default())?;
    train(&model, &data, EXAMPLES, &mut ivon, &Schedule::cosine(0.3, 0.0, 100, 6000), |_, _, _| Ok(()))?;

    let place = |i: usize| ((i as f64 + 0.5) / CELLS as f64 * 2.0 - 1.0) * EDGE;
    let points: Vec<f32> = (0..CELLS * CELLS).flat_map(|i| [place(i % CELLS) as f32, place(i / CELLS) as f32]).collect();
    let grid = Tensor::from_slice(&points, [CELLS * CELLS, 2])?;
    let mut map = |weights: &[Weights]| -> Result<Vec<f64>> {
        let mut average = LogAverage::new();
        for at in weights {
            ivon.evaluate(*at, &mut |cx| average.add_logits(&model.logits(cx, &grid)?))?;
        }
        Ok(average.log_probabilities().step_by(2).map(f64::exp).collect())
    };
    let samples: Vec<Weights> = (0..SAMPLES).map(Weights::Sample).collect();
    let maps = [map(&[Weights::Mean])?, map(&samples)?];

    let (x, _) = fresh.all()?;
    let (mean, averaged) = score(&mut ivon, SAMPLES, &fresh.y, |cx| model.logits(cx, &x))?;
    // Doubtful: neither class has nine tenths.
    let doubtful = |map: &[f64]| map.iter().filter(|p| (0.1..0.9).contains(*p)).count() as f64 / map.len() as f64;
    println!("\ntwo moons: {EXAMPLES} examples, scored on 2000 others");
    println!("{:<26} {:>8} {:>8} {:>8} {:>24}", "", "NLL", "error", "ECE", "doubtful part of the map");
    for (name, s, map) in [("at the mean", mean, &maps[0]), ("averaged over 64 samples", averaged, &maps[1])] {
        println!("{name:<26} {:>8.3} {:>7.1}% {:>8.3} {:>23.0}%", s.nll, 100.0 * s.error, s.ece, 100.0 * doubtful(map));
    }

    let cell = |v: f32| (f64::from(v) / EDGE + 1.0) / 2.0 * CELLS as f64;
    let colors = [RGBColor(0, 60, 110), RGBColor(150, 60, 0)];
    let points: Vec<_> = data.x.chunks(2).zip(&data.y).map(|(p, y)| ((cell(p[0]), cell(p[1])), colors[*y as usize])).collect();
    let chart = |title: &str, map: &[f64]| HeatMap {
        title: title.into(),
        x: Ticks::range("x₁", (-EDGE, EDGE), CELLS, &[-4.0, -2.0, 0.0, 2.0, 4.0]),
        y: Ticks::range("x₂", (-EDGE, EDGE), CELLS, &[-4.0, -2.0, 0.0, 2.0, 4.0]),
        values: map.chunks(CELLS).map(<[f64]>::to_vec).collect(),
        range: (0.0, 1.0),
        palette: Palette::Diverging,
        decimals: None,
        points: points.clone(),
    };
    let [a, b] = &maps;
    Ok([chart("probability of blue, at the mean", a), chart("the same, averaged over the posterior", b)])
}
