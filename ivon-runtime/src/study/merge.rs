//! Merging: one posterior for several of the same model, without data.

use crate::context::flat::Flat;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::posterior::{Elements, Posterior, Precision};

impl Posterior<'_> {
    /// One posterior instead of several: the weighted average of their natural parameters, which is their geometric mean (Khan and Rue 2023). With
    /// s_k = ess_k (h_k + delta_k) and weights a_k that add up to 1,
    ///
    /// ```text
    /// precision = Σ a_k s_k        mean = Σ a_k s_k mean_k / precision
    /// ```
    ///
    /// so that of every weight, the run that is sure of it prevails: averaging weighted by Fisher information or Hessian (Matena and Raffel 2022; Daheim
    /// et al. 2024), here by the precision that was learnt. Of points, it is the plain average. Running statistics are averaged plainly.
    ///
    /// Weights that were learnt from different starts lie in different places of the loss; merge runs that began from the same weights.
    ///
    /// # Errors
    /// If there is none, they are of different models or some are points and some are not, or the weights are not as many, negative, or all 0.
    pub fn merge(members: &[&Posterior], weights: &[f64]) -> Result<Posterior<'static>> {
        let Some(first) = members.first() else { return Err(Error::config("there is nothing to merge")) };
        check(members, first)?;
        let largest = weights.iter().fold(0f64, |most, w| most.max(*w));
        if weights.len() != members.len() || weights.iter().any(|w| !(*w >= 0.0 && w.is_finite())) || largest == 0.0 {
            let count = members.len();
            let message = format!("weights {weights:?} of {count} runs: as many numbers of at least 0 are expected, not all 0");
            return Err(Error::config(message));
        }
        // Relative to the largest first: the sum of large numbers is infinite.
        let total: f64 = weights.iter().map(|w| w / largest).sum();
        let shares: Vec<f64> = weights.iter().map(|w| w / largest / total).collect();
        let average = |of: &dyn Fn(usize) -> f64| shares.iter().enumerate().map(|(k, a)| a * of(k)).sum::<f64>();

        let layout = &first.layout;
        let precisions: Option<Vec<&Precision>> = members.iter().map(|m| m.precision.as_ref()).collect();
        let mut mean = vec![0f32; layout.padded()];
        let ess = precisions.as_ref().map(|p| average(&|k| p[k].ess));
        let mut hessian = vec![0f32; if ess.is_some() { layout.padded() } else { 0 }];
        let mut decays = vec![];
        for (i, entry) in layout.entries().iter().enumerate() {
            if let (Some(ess), Some(p)) = (ess, &precisions) {
                decays.push(average(&|k| p[k].ess * p[k].decays[i]) / ess);
                for e in entry.range() {
                    hessian[e] = (average(&|k| p[k].ess * f64::from(p[k].hessian[e])) / ess) as f32;
                }
            }
            for e in entry.range() {
                let sure = |k: usize| match &precisions {
                    Some(p) if !entry.parameter.frozen() => p[k].ess * (f64::from(p[k].hessian[e]) + p[k].decays[i]),
                    _ => 1.0,
                };
                mean[e] = (average(&|k| sure(k) * f64::from(members[k].mean[e])) / average(&sure)) as f32;
            }
        }
        let precision = ess.map(|ess| Precision { hessian: Elements::Owned(hessian), ess, decays: decays.into() });
        let running = running(members, &shares)?;
        Ok(Posterior { layout: layout.clone(), mean: Elements::Owned(mean), precision, running })
    }
}

/// # Errors
/// If they are not all of one model, or of one kind.
fn check(members: &[&Posterior], first: &Posterior) -> Result<()> {
    for (k, other) in members.iter().enumerate().skip(1) {
        if let Some((ours, theirs)) = first.layout.difference(&other.layout) {
            let message = format!("{ours} of the first is {theirs} of number {}", k + 1);
            return Err(Error::config(format!("runs of different models cannot be merged: {message}")));
        }
        if other.is_point() != first.is_point() {
            let (point, other) = if other.is_point() { (k + 1, 1) } else { (1, k + 1) };
            return Err(Error::config(format!(
                "number {point} is a point without sigma and number {other} is not: merge runs of ivon with each other, or points"
            )));
        }
    }
    Ok(())
}

/// The plain average of the running statistics.
///
/// # Errors
/// If there is not so much memory.
fn running(members: &[&Posterior], shares: &[f64]) -> Result<Option<Flat>> {
    let all: Option<Vec<&Flat>> = members.iter().map(|m| m.running.as_ref()).collect();
    let Some(all) = all.filter(|all| !all.is_empty()) else { return Ok(None) };
    let mut merged = Flat::zeros(all[0].layout(), DType::F32)?;
    let all: Vec<_> = all.iter().map(|flat| flat.as_slice::<f32>()).collect();
    for (i, value) in merged.values_mut::<f32>()?.iter_mut().enumerate() {
        *value = all.iter().zip(shares).map(|(values, a)| a * f64::from(values[i])).sum::<f64>() as f32;
    }
    Ok(Some(merged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::flat::Layout;
    use crate::tensor::parameter::{Builder, Model, Options, Parameter};

    struct Tiny(Vec<Parameter>);

    impl Model for Tiny {
        const NAME: &'static str = "Tiny";
        fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
            self.0.iter().for_each(visit);
        }
    }

    fn tiny(shapes: &[(&str, usize)]) -> std::rc::Rc<Layout> {
        let mut b = Builder::new();
        Layout::of(&Tiny(shapes.iter().map(|(name, n)| b.parameter(name, [*n], Options::default())).collect()))
    }

    /// A posterior of one parameter with two elements.
    fn gaussian(mean: [f32; 2], hessian: [f32; 2], ess: f64, decay: f64) -> Posterior<'static> {
        let layout = tiny(&[("w", 2)]);
        let flat = |values: [f32; 2]| {
            let mut flat = vec![0.0; layout.padded()];
            flat[..2].copy_from_slice(&values);
            flat
        };
        Posterior::gaussian(&layout, &flat(mean), &flat(hessian), ess, &[decay]).unwrap().into_owned()
    }

    #[test]
    fn precisions_add_up_and_weigh_the_means() {
        let (a, b) = (gaussian([1.0, 1.0], [3.0, 0.5], 10.0, 1.0), gaussian([3.0, -1.0], [1.0, 0.5], 20.0, 0.5));
        let merged = Posterior::merge(&[&a, &b], &[3.0, 1.0]).unwrap();
        // s = (40, 15) and (30, 20), with weights 3/4 and 1/4.
        let precision = [0.75 * 40.0 + 0.25 * 30.0, 0.75 * 15.0 + 0.25 * 20.0];
        let mean = [(0.75 * 40.0 + 0.25 * 30.0 * 3.0) / precision[0], (0.75 * 15.0 - 0.25 * 20.0) / precision[1]];
        for i in 0..2 {
            assert!((f64::from(merged.mean("w").unwrap()[i]) - mean[i]).abs() < 1e-6);
            assert!((f64::from(merged.sigma("w").unwrap()[i]) - precision[i].powf(-0.5)).abs() < 1e-6);
        }
    }

    #[test]
    fn equal_posteriors_merge_into_themselves_and_points_into_their_average() {
        let a = || gaussian([1.0, -2.0], [3.0, 0.5], 10.0, 1e-3);
        let merged = Posterior::merge(&[&a(), &a()], &[1.0, 1.0]).unwrap();
        assert_eq!((merged.mean("w").unwrap(), merged.sigma("w").unwrap()), (a().mean("w").unwrap(), a().sigma("w").unwrap()));
        // The sum of the weights is infinite, or has few digits.
        for weight in [f64::MAX, f64::MIN_POSITIVE] {
            let merged = Posterior::merge(&[&a(), &a()], &[weight, weight]).unwrap();
            assert_eq!(merged.sigma("w").unwrap(), a().sigma("w").unwrap());
        }
        let point = |mean| gaussian(mean, [1.0; 2], 1.0, 0.0).tempered(0.0).unwrap();
        let merged = Posterior::merge(&[&point([1.0, 0.0]), &point([3.0, 2.0])], &[1.0, 3.0]).unwrap();
        assert!(merged.is_point());
        assert_eq!(merged.mean("w").unwrap(), [2.5, 1.5]);
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        let a = || gaussian([1.0, -2.0], [3.0, 0.5], 10.0, 1e-3);
        let message = |members: &[&Posterior], weights: &[f64]| Posterior::merge(members, weights).err().unwrap().to_string();
        let layout = tiny(&[("v", 2)]);
        let other = Posterior::point(&layout, &vec![0.0; layout.padded()]).unwrap().into_owned();
        let found = message(&[&a(), &other], &[1.0, 1.0]);
        assert!(found.contains("`w` [2] of the first is `v` [2] of number 2"), "{found}");
        let found = message(&[&a(), &a().tempered(0.0).unwrap()], &[1.0, 1.0]);
        assert!(found.contains("number 2 is a point"), "{found}");
        for weights in [&[1.0][..], &[-1.0, 2.0], &[0.0, 0.0], &[f64::NAN, 1.0]] {
            assert!(message(&[&a(), &a()], weights).contains("2 runs"));
        }
        assert!(message(&[], &[]).contains("nothing to merge"));
    }
}
