//! Storage that all kinds of models share: our own weights file, posteriors from values, the start of training.
//!
//! Our weights file is a safetensors file with `mean/<parameter>`, of a posterior `sigma/<parameter>`, and of a model with buffers `running/<buffer>`,
//! under the names and shapes of the model; and notes: `format` (`ivon-weights`), `version`, and the design of the model.

use crate::weights::{self, Notes, Precision, Table, Values};
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::{DType, Error, Flat, Layout, Model, Posterior, Result};
use std::path::Path;
use std::rc::Rc;

const FORMAT: &str = "ivon-weights";
const VERSION: &str = "1";

/// True if notes are those of a weights file of ours.
pub fn is_ours(notes: &Notes) -> bool {
    notes.get("format").is_some_and(|format| format == FORMAT)
}

/// Writes a weights file of ours; `about` says what the model is.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, posterior: &Posterior, about: &[(&str, String)]) -> Result<()> {
    let mut table = Table::new();
    for parameter in posterior.layout().entries().iter().map(|e| &e.parameter) {
        let name = parameter.name();
        let mut put = |kind: &str, data| {
            table.insert(format!("{kind}/{name}"), Values { shape: parameter.shape().to_vec(), data });
        };
        put("mean", posterior.mean(name)?.to_vec());
        if !posterior.is_point() {
            put("sigma", posterior.sigma(name)?);
        }
    }
    for (name, values) in running(posterior) {
        table.insert(format!("running/{name}"), values);
    }
    let format = [("format", FORMAT.to_string()), ("version", VERSION.to_string())];
    let notes = format.iter().chain(about).map(|(key, value)| (key.to_string(), value.clone())).collect();
    weights::write(path, &table, Precision::F32, Some(notes))
}

/// The posterior of a model in a weights file of ours.
///
/// # Errors
/// If the file is of another version or model: every tensor that is missing, unexpected or has another shape.
pub fn read<M: Model>(model: &M, mut table: Table<f32>, notes: &Notes) -> Result<Posterior<'static>> {
    let version = notes.get("version").map_or("", String::as_str);
    if version != VERSION {
        let message = format!("has version {version} of our weights format; this program reads version {VERSION}");
        return Err(Error::config(message));
    }
    let has_sigma = table.keys().any(|name| name.starts_with("sigma/"));
    let (layout, buffers) = (Layout::of(model), Layout::of_buffers(model));
    let mut wrong = vec![];
    let mut all = |kind: &str, layout: &Layout| {
        let place = |e: &ivon_runtime::Entry| (format!("{kind}/{}", e.parameter.name()), e.parameter.shape().to_vec());
        let wanted: Vec<_> = layout.entries().iter().map(place).collect();
        weights::take(&mut table, &wanted, "", &mut wrong).into_iter().map(|v| v.data).collect::<Vec<_>>()
    };
    let mean = all("mean", &layout);
    let sigma = if has_sigma { Some(all("sigma", &layout)) } else { None };
    let running = all("running", &buffers);
    wrong.extend(table.iter().map(|(name, v)| format!("unexpected: {name} {:?}", v.shape)));
    weights::check_fit(&wrong)?;
    posterior(model, &mean, sigma.as_deref(), &running)
}

/// The posterior with these values of every parameter and of every buffer; a point without sigma.
///
/// # Errors
/// If a sigma is not a standard deviation.
pub fn posterior<M: Model>(
    model: &M,
    mean: &[Vec<f32>],
    sigma: Option<&[Vec<f32>]>,
    running: &[Vec<f32>],
) -> Result<Posterior<'static>> {
    let layout = Layout::of(model);
    let flat = |layout: &Layout, values: &[Vec<f32>], map: fn(f32) -> f32| {
        let mut flat = vec![0.0; layout.padded()];
        for (entry, values) in layout.entries().iter().zip(values) {
            flat[entry.range()].iter_mut().zip(values).for_each(|(to, x)| *to = map(*x));
        }
        flat
    };
    let buffers: Rc<Layout> = Layout::of_buffers(model);
    let mut statistics = Flat::zeros(&buffers, DType::F32)?;
    statistics.as_mut_slice::<f32>().copy_from_slice(&flat(&buffers, running, |x| x));
    let mean = flat(&layout, mean, |x| x);
    let Some(sigma) = sigma else {
        return Ok(Posterior::point(&layout, &mean)?.with_running_statistics(&statistics).into_owned());
    };
    for (entry, values) in layout.entries().iter().zip(sigma) {
        if let Some((i, x)) = values.iter().enumerate().find(|(_, x)| !(**x >= 0.0 && x.is_finite())) {
            return Err(Error::config(format!(
                "sigma of `{}` holds {x} at element {i}, which is no standard deviation; expected finite numbers, 0 or above",
                entry.parameter.name()
            )));
        }
    }
    // sigma = (ess · (h + delta))^(-1/2): with ess 1 and delta 0, h is the precision.
    let precision = flat(&layout, sigma, |sigma| f64::from(sigma).powi(-2) as f32);
    let decays = vec![0.0; layout.entries().len()];
    let posterior = Posterior::gaussian(&layout, &mean, &precision, 1.0, &decays)?;
    Ok(posterior.with_running_statistics(&statistics).into_owned())
}

/// Refuses a mean, and running statistics, that hold what no weight can be.
///
/// # Errors
/// Names the first one of every parameter and buffer.
pub fn check(posterior: &Posterior) -> Result<()> {
    let mut wrong = vec![];
    for parameter in posterior.layout().entries().iter().map(|e| &e.parameter) {
        let (name, shape) = (parameter.name(), parameter.shape().to_vec());
        let values = Values { shape, data: posterior.mean(name)?.to_vec() };
        wrong.extend(weights::unusable(name, &values).map(|what| format!("{name} {what}")));
    }
    let running = running(posterior);
    wrong.extend(running.iter().filter_map(|(name, values)| Some(format!("{name} {}", weights::unusable(name, values)?))));
    weights::check_fit(&wrong)
}

/// The buffers of a posterior's model, with their names.
pub fn running(posterior: &Posterior) -> Vec<(String, Values<f32>)> {
    let Some(flat) = posterior.running_statistics() else { return vec![] };
    let values = flat.as_slice::<f32>();
    let each = flat.layout().entries().iter().map(|e| {
        let values = Values { shape: e.parameter.shape().to_vec(), data: values[e.range()].to_vec() };
        (e.parameter.name().to_string(), values)
    });
    each.collect()
}

/// Puts the mean and the running statistics into an optimizer's state, where training then starts. Its Hessian stays at hess-init.
///
/// # Errors
/// If the optimizer's model is another one.
pub fn start(posterior: &Posterior, optimizer: &mut dyn Optimizer) -> Result<()> {
    optimizer.restore(&mut |state| {
        let layout = state.layout().clone();
        let mut mean = state.buffer_mut("mean")?;
        layout.entries().iter().try_for_each(|entry| {
            mean[entry.range()].copy_from_slice(posterior.mean(entry.parameter.name())?);
            Ok(())
        })?;
        drop(mean);
        match posterior.running_statistics() {
            Some(running) if running.layout().padded() == state.running_layout().padded() => {
                state.running_statistics_mut()?.copy_from_slice(&running.as_slice());
                Ok(())
            }
            _ => Ok(()),
        }
    })
}
