//! What a run shows while it goes: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::trainer::{Evaluation, Progress, Report, Summary};
use ivon_runtime::{Error, Result};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How often the figures are renewed; some of them cost a pass over the state.
const ON_A_TERMINAL: Duration = Duration::from_millis(500);
const IN_A_LOG: Duration = Duration::from_secs(5);

/// Shows a run on standard error.
pub struct Console {
    bar: Option<ProgressBar>,
    /// What examples are called.
    examples: &'static str,
    started: Instant,
    shown: Option<Instant>,
}

impl Console {
    /// For a run of so many steps; `examples` is what they are counted in.
    pub fn new(steps: usize, examples: &'static str) -> Console {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(steps as u64).with_style(style)
        });
        Console { bar, examples, started: Instant::now(), shown: None }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn due(&self) -> bool {
        let pause = if self.bar.is_some() { ON_A_TERMINAL } else { IN_A_LOG };
        self.shown.is_none_or(|at| at.elapsed() >= pause)
    }

    /// A line of its own, above the bar.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{text}")),
            None => tell!("{text}"),
        }
    }
}

impl Progress for Console {
    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        let last = report.step == report.steps;
        if let Some(bar) = &self.bar {
            bar.set_position(report.step as u64);
        }
        if last || self.due() {
            self.shown = Some(Instant::now());
            let statistics = optimizer.statistics();
            let mut text = format!(
                "loss {:.4}  {:.0} {}/s  {} left",
                report.smooth,
                report.rate,
                self.examples,
                duration(report.remaining.as_secs_f64())
            );
            if let Some(s) = statistics {
                text += &format!("  h {:.1e} to {:.1e}  sigma {:.1e}", s.hessian_min, s.hessian_max, s.sigma_mean);
            }
            match &self.bar {
                Some(bar) => bar.set_message(text),
                None => tell!("step {}/{}  {text}", report.step, report.steps),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn evaluation(&mut self, step: usize, evaluation: &Evaluation, _: &dyn Optimizer) -> Result<()> {
        let Evaluation { mean, posterior, samples, accuracy, accuracy_posterior, .. } = *evaluation;
        let percent = |accuracy: Option<f64>| accuracy.map_or(String::new(), |a| format!(" and accuracy {:.2} %", 100.0 * a));
        let mut text = format!("step {step}  validation loss {mean:.4}{} at the mean", percent(accuracy));
        if samples > 0 {
            text += &format!(", {posterior:.4}{} averaged over {samples} posterior samples", percent(accuracy_posterior));
        }
        self.line(&text);
        Ok(())
    }

    fn finish(&mut self, _: &Summary) -> Result<()> {
        self.bar.iter().for_each(ProgressBar::abandon);
        Ok(())
    }

    fn failure(&mut self, error: Error) -> Error {
        self.bar.iter().for_each(ProgressBar::abandon);
        error
    }

    fn warning(&mut self, step: usize, message: &str) -> Result<()> {
        self.line(&format!("step {step}  warning: {message}"));
        Ok(())
    }
}

/// A bar over examples, on a terminal; nothing elsewhere.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// Over so many of what is called `examples`.
    pub fn new(total: usize, examples: &str) -> Bar {
        let template = format!("{{bar:24}} {{pos}}/{{len}} {examples}  {{eta}} left");
        let style = || ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(std::io::stderr().is_terminal().then(|| ProgressBar::new(total as u64).with_style(style())))
    }

    /// So many more are done.
    pub fn add(&self, count: usize) {
        self.0.iter().for_each(|bar| bar.inc(count as u64));
    }

    /// Takes it away.
    pub fn finish(self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// `45 s`, `3 min 20 s`, `5 h 10 min`.
fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_for_people() {
        assert_eq!([4.4, 200.0, 18_600.0].map(duration), ["4 s", "3 min 20 s", "5 h 10 min"]);
    }
}
