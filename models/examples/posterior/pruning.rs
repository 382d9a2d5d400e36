//! Pruning: which weights can be set to zero?

use super::shared::figure::{Axis, Panel, Series, Style};
use super::shared::net::{Classifier, copy, train};
use super::shared::pictures::pictures;
use super::shared::score::score;
use ivon_runtime::prelude::*;
use plotters::chart::SeriesLabelPosition;
use std::error::Error;

const EXAMPLES: usize = 3000;
const KEPT: [f64; 10] = [1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03];

/// Accuracy against the share of weights that are kept.
pub fn curves() -> std::result::Result<Panel, Box<dyn Error>> {
    let (data, fresh) = (pictures(EXAMPLES, 1), pictures(2000, 2));
    let model = Classifier::<256, 64, 10>::new();
    let config = IvonConfig::new(EXAMPLES as f64).hess_init(0.1).beta2(0.9995).weight_decay(1e-3);
    let mut ivon = Ivon::new(&model, config.clone(), Settings::default())?;
    train(&model, &data, 50, &mut ivon, &Schedule::cosine(1.0, 0.0, 200, 6000), |_, _, _| Ok(()))?;

    let (mean, hessian) = (ivon.state().unpadded("mean"), ivon.state().unpadded("hessian"));
    let ratio: Vec<f32> = mean.iter().zip(&hessian).map(|(m, h)| m.abs() * (h + 1e-3).max(0.0).sqrt()).collect();
    let magnitude: Vec<f32> = mean.iter().map(|m| m.abs()).collect();
    let mut chance = vec![0f32; mean.len()];
    ivon_runtime::noise::Noise::of(5, 1, 0).fill_uniform(0, 1.0, &mut chance);

    let (x, _) = fresh.all()?;
    println!("\npruning a net of {} weights: accuracy with this share of them", mean.len());
    print!("{:<26}", "kept, by");
    KEPT.iter().for_each(|k| print!("{:>7.0}%", 100.0 * k));
    println!();
    let mut series = Vec::new();
    let mut pruned = Ivon::new(&model, config, Settings::default())?;
    for (color, (name, importance)) in
        [("signal to noise |m| / σ", ratio), ("magnitude |m|", magnitude), ("chance", chance)].into_iter().enumerate()
    {
        let mut sorted = importance.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut points = Vec::new();
        print!("{name:<26}");
        for kept in KEPT {
            let limit = sorted[((kept * sorted.len() as f64) as usize).clamp(1, sorted.len()) - 1];
            copy(&ivon, &mut pruned)?;
            pruned.restore(&mut |state| {
                let entries: Vec<_> = state.layout().entries().iter().map(|e| (e.range(), e.start)).collect();
                let mut mean = state.buffer_mut("mean")?;
                for (range, start) in entries {
                    let weights = mean[range].iter_mut().zip(&importance[start..]);
                    weights.filter(|(_, importance)| **importance < limit).for_each(|(w, _)| *w = 0.0);
                }
                Ok(())
            })?;
            let accuracy = 1.0 - score(&mut pruned, 0, &fresh.y, |cx| model.logits(cx, &x))?.0.error;
            points.push((100.0 * kept, 100.0 * accuracy));
            print!("{:>7.1}%", 100.0 * accuracy);
        }
        println!();
        series.push(Series { label: name.into(), color, style: Style::Line, points: points.clone() });
        series.push(Series { label: String::new(), color, style: Style::Points, points });
    }
    Ok(Panel {
        title: "pruning",
        x: Axis::log("weights kept (per cent)"),
        y: Axis::linear("accuracy (per cent)"),
        legend: SeriesLabelPosition::LowerRight,
        series,
    })
}
