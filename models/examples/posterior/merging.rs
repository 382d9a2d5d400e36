//! Merging: two models that learnt different classes from a common start, put together without data.

use super::shared::figure::{Axis, Panel, Series, Style};
use super::shared::net::{Classifier, copy, train};
use super::shared::pictures::{Examples, pictures};
use super::shared::score::{Scores, score};
use ivon_runtime::prelude::*;
use plotters::chart::SeriesLabelPosition;
use std::error::Error;

const DECAY: f32 = 1e-3;

fn optimizer(model: &Classifier, examples: usize, h0: f64) -> Result<Ivon> {
    let config = IvonConfig::new(examples as f64).hess_init(h0).beta2(0.9995).weight_decay(f64::from(DECAY));
    Ivon::new(model, config, Settings::default())
}

fn tuned(model: &Classifier, data: &Examples, start: &Ivon, steps: usize) -> Result<Ivon> {
    let mut ivon = optimizer(model, data.len(), 0.1)?;
    copy(start, &mut ivon)?;
    train(model, data, 50, &mut ivon, &Schedule::cosine(0.3, 0.0, 50, steps), |_, _, _| Ok(()))?;
    Ok(ivon)
}

/// NLL on all classes against the weight of the second model.
pub fn curves() -> std::result::Result<Panel, Box<dyn Error>> {
    let (few, data, fresh) = (pictures(1000, 3), pictures(6000, 4), pictures(2000, 2));
    let (left, right) = (data.only(|y| y < 5), data.only(|y| y >= 5));
    let model = Classifier::<256, 64, 10>::new();
    let mut start = optimizer(&model, few.len(), 0.1)?;
    train(&model, &few, 50, &mut start, &Schedule::cosine(1.0, 0.0, 100, 3000), |_, _, _| Ok(()))?;
    let a = tuned(&model, &left, &start, 1500)?;
    let b = tuned(&model, &right, &start, 1500)?;
    let mut both = tuned(&model, &data, &start, 1500)?;

    let (x, _) = fresh.all()?;
    let mut merged = optimizer(&model, data.len(), 0.1)?;
    let mut of = |merge: &dyn Fn(usize) -> f32| -> Result<Scores> {
        merged.restore(&mut |state| {
            state.buffer_mut("mean")?.iter_mut().enumerate().for_each(|(i, m)| *m = merge(i));
            Ok(())
        })?;
        Ok(score(&mut merged, 0, &fresh.y, |cx| model.logits(cx, &x))?.0)
    };
    let (ma, mb) = (a.state().mean(), b.state().mean());
    let (ha, hb) = (a.state().buffer("hessian"), b.state().buffer("hessian"));
    let (ma, mb, ha, hb) = (&*ma, &*mb, &*ha, &*hb);
    // (1 − α) Sa and α Sb, both times ess, which differ little.
    let precise = |h: f32| (h + DECAY).max(0.0);
    let plain = |w: f32| move |i: usize| (1.0 - w) * ma[i] + w * mb[i];
    let weighted = |w: f32| {
        move |i: usize| {
            let (sa, sb) = ((1.0 - w) * precise(ha[i]), w * precise(hb[i]));
            // Padding between parameters has no Hessian.
            if sa + sb > 0.0 { (sa * ma[i] + sb * mb[i]) / (sa + sb) } else { 0.0 }
        }
    };
    println!("\nmerging two models: one saw classes 0 to 4, one 5 to 9; scored on all");
    println!("{:<34} {:>8} {:>8}", "", "NLL", "error");
    let row = |name: &str, s: Scores| println!("{name:<34} {:>8.3} {:>7.1}%", s.nll, 100.0 * s.error);
    row("before (1000 images)", score(&mut start, 0, &fresh.y, |cx| model.logits(cx, &x))?.0);
    row("classes 0 to 4", of(&plain(0.0))?);
    row("classes 5 to 9", of(&plain(1.0))?);
    row("average", of(&plain(0.5))?);
    row("average weighted by Hessians", of(&weighted(0.5))?);
    row("trained on both at once", score(&mut both, 0, &fresh.y, |cx| model.logits(cx, &x))?.0);

    let (mut by_half, mut by_hessian) = (Vec::new(), Vec::new());
    for i in 0..=20 {
        let w = i as f32 / 20.0;
        by_half.push((f64::from(w), of(&plain(w))?.nll));
        by_hessian.push((f64::from(w), of(&weighted(w))?.nll));
    }
    let both = score(&mut both, 0, &fresh.y, |cx| model.logits(cx, &x))?.0.nll;
    let series = |label: &str, color, style, points| Series { label: label.into(), color, style, points };
    Ok(Panel {
        title: "merging two models",
        x: Axis::linear("weight of the second model"),
        y: Axis::linear("NLL on all classes"),
        legend: SeriesLabelPosition::UpperMiddle,
        series: vec![
            series("plain average", 1, Style::Line, by_half),
            series("weighted by Hessians", 0, Style::Line, by_hessian),
            series("trained on both", 6, Style::Dashed, vec![(0.0, both), (1.0, both)]),
        ],
    })
}
