//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use ivon_runtime::optimizers::{Optimizer, Warning};
use ivon_runtime::trainer::{Before, Evaluation, Progress, Report, Summary, Trainer};
use ivon_runtime::{Error, Result};
use std::cell::Cell;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often the figures are renewed; some of them cost a pass over the state.
const ON_A_TERMINAL: Duration = Duration::from_millis(500);
const IN_A_LOG: Duration = Duration::from_secs(5);
/// The longest pause between two lines in a log while one thing goes on.
const SELDOM: Duration = Duration::from_secs(60);
/// How often a moving sign moves.
const TICK: Duration = Duration::from_millis(200);

/// Shows a run on standard error.
pub struct Console {
    view: Rc<View>,
    started: Instant,
    /// While the first step goes, and what comes before it.
    first: Option<Busy>,
    pass: Rc<Cell<(usize, usize)>>,
}

/// The bar and the lines of a run.
struct View {
    bar: Option<ProgressBar>,
    /// Name of the examples.
    examples: &'static str,
    shown: Cell<Option<Instant>>,
}

/// One of the passes of an evaluation over the validation data.
#[derive(Clone)]
pub struct Pass {
    view: Rc<View>,
    /// Its number, from 0, and the number of passes.
    number: Rc<Cell<(usize, usize)>>,
}

impl View {
    fn due(&self) -> bool {
        let pause = if self.bar.is_some() { ON_A_TERMINAL } else { IN_A_LOG };
        self.shown.get().is_none_or(|at| at.elapsed() >= pause)
    }

    /// A line of its own, above the bar.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{text}")),
            None => tell!("{text}"),
        }
    }

    /// The text beside the bar, or a line.
    fn state(&self, text: String) {
        self.shown.set(Some(Instant::now()));
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => tell!("{text}"),
        }
    }
}

impl Pass {
    /// So many of the pass's parts are done.
    pub fn done(&self, parts: usize, of: usize) {
        if self.view.due() {
            self.view.state(evaluating(self.number.get(), parts as f64 / of.max(1) as f64));
        }
    }
}

/// `evaluating at the mean: 40 %`; the share is that of all passes.
fn evaluating((pass, passes): (usize, usize), share: f64) -> String {
    let percent = (100.0 * (pass as f64 + share) / passes.max(1) as f64).floor();
    match pass {
        0 => format!("evaluating at the mean: {percent} %"),
        _ => format!("evaluating at sample {pass} of {}: {percent} %", passes - 1),
    }
}

impl Console {
    /// For a run of so many steps; `examples` is what they are counted in.
    pub fn new(steps: usize, examples: &'static str) -> Console {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(steps as u64).with_style(style)
        });
        let view = View { bar, examples, shown: Cell::new(None) };
        Console { view: Rc::new(view), started: Instant::now(), first: None, pass: Rc::default() }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The passes of this run's evaluations.
    pub fn pass(&self) -> Pass {
        Pass { view: self.view.clone(), number: self.pass.clone() }
    }
}

impl Progress for Console {
    fn start(&mut self, trainer: &Trainer, optimizer: &dyn Optimizer) -> Result<Before> {
        let step = optimizer.state().step() as usize;
        if step < trainer.schedule.steps {
            if let Some(bar) = &self.view.bar {
                bar.set_position(step as u64);
                bar.set_message("the first step, which plans memory and kernels");
                bar.enable_steady_tick(TICK);
            } else {
                self.first = Some(Busy::with("the first step, which plans memory and kernels"));
            }
        }
        Ok(Before::default())
    }

    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        self.first = None;
        let (last, view) = (report.step == report.steps, &self.view);
        if let Some(bar) = &view.bar {
            bar.set_position(report.step as u64);
        }
        if last || view.due() {
            let statistics = optimizer.statistics();
            let mut text = format!(
                "loss {:.4}  {:.0} {}/s  {} left",
                report.smooth,
                report.rate,
                view.examples,
                duration(report.remaining.as_secs_f64())
            );
            if let Some(s) = statistics {
                text += &format!("  h {:.1e} to {:.1e}  sigma {:.1e}", s.hessian_min, s.hessian_max, s.sigma_mean);
            }
            let place = if view.bar.is_some() { String::new() } else { format!("step {}/{}  ", report.step, report.steps) };
            view.state(place + &text);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn evaluating(&mut self, pass: usize, passes: usize) {
        self.pass.set((pass, passes));
        // The bar may stand at its end already.
        if self.view.bar.is_some() || self.view.due() {
            self.view.state(evaluating((pass, passes), 0.0));
        }
    }

    fn evaluation(&mut self, step: usize, evaluation: &Evaluation, _: &dyn Optimizer) -> Result<()> {
        let Evaluation { mean, posterior, samples, accuracy, accuracy_posterior, .. } = *evaluation;
        let percent = |accuracy: Option<f64>| accuracy.map_or(String::new(), |a| format!(" and accuracy {:.2} %", 100.0 * a));
        let mut text = format!("step {step}  validation loss {mean:.4}{} at the mean", percent(accuracy));
        if samples > 0 {
            text += &format!(", {posterior:.4}{} averaged over {samples} posterior samples", percent(accuracy_posterior));
        }
        self.view.line(&text);
        Ok(())
    }

    fn finish(&mut self, _: &Summary) -> Result<()> {
        self.view.bar.iter().for_each(ProgressBar::abandon);
        Ok(())
    }

    fn failure(&mut self, error: Error) -> Error {
        self.first = None;
        self.view.bar.iter().for_each(ProgressBar::abandon);
        error
    }

    fn warning(&mut self, step: usize, warning: &Warning) -> Result<()> {
        self.view.line(&format!("step {step}  warning: {warning}"));
        Ok(())
    }

    fn note(&mut self, line: &str) -> Result<()> {
        self.view.line(line);
        Ok(())
    }
}

/// Shows that work without parts goes on: a moving sign on a terminal, and a line now and then elsewhere. Ends when it is dropped.
pub struct Busy {
    sign: Option<ProgressBar>,
    /// Its end ends the thread that writes lines.
    _lines: Option<mpsc::Sender<()>>,
}

impl Busy {
    /// Shows this text until it is dropped.
    pub fn with(text: &str) -> Busy {
        if std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{spinner} {msg}  {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let sign = ProgressBar::new_spinner().with_style(style).with_message(text.to_string());
            sign.enable_steady_tick(TICK);
            return Busy { sign: Some(sign), _lines: None };
        }
        let (lines, ended) = mpsc::channel::<()>();
        let (text, started) = (text.to_string(), Instant::now());
        let work = move || {
            let mut pause = IN_A_LOG;
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(pause) {
                tell!("{text}: {} so far", duration(started.elapsed().as_secs_f64()));
                pause = (2 * pause).min(SELDOM);
            }
        };
        // Without the thread nothing is shown, and the work goes on.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(work);
        Busy { sign: None, _lines: thread.ok().map(|_| lines) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.sign.iter().for_each(ProgressBar::finish_and_clear);
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
    fn an_evaluation_counts_all_of_its_passes() {
        assert_eq!(evaluating((0, 1), 0.4), "evaluating at the mean: 40 %");
        assert_eq!(evaluating((3, 9), 0.5), "evaluating at sample 3 of 8: 38 %");
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!([4.4, 200.0, 18_600.0].map(duration), ["4 s", "3 min 20 s", "5 h 10 min"]);
    }
}
