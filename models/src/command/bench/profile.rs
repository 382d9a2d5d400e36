//! A step by phase and op, beside what this machine can do at most.

use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::profile::{OpTime, Peaks, PhaseTime, Profile, Roof};
use ivon_runtime::{Context, Result};
use serde_json::{Value, json};

/// Steps that are recorded.
const STEPS: usize = 3;

/// Records some steps; the one that took least.
///
/// # Errors
/// If a step fails.
pub fn record(optimizer: &mut dyn Optimizer, gradient: &dyn Fn(&Context) -> Result<f64>, lr: f64) -> Result<Profile> {
    let mut step = || {
        optimizer.context().record()?;
        optimizer.step_in_parts(lr, &mut |cx, _| gradient(cx))?;
        optimizer.context().recorded()
    };
    let mut quickest = step()?;
    for _ in 1..STEPS {
        let profile = step()?;
        if profile.seconds() < quickest.seconds() {
            quickest = profile;
        }
    }
    Ok(quickest)
}

/// The time of a step by phase, op and layer.
pub struct Breakdown<'a> {
    pub profile: &'a Profile,
    pub peaks: Peaks,
}

impl Breakdown<'_> {
    /// As JSON: seconds, shares of the step, operations, bytes, rates, and shares of what bounds each op.
    pub fn json(&self) -> Value {
        let phases = self.profile.phases();
        let phase = |p: &PhaseTime| {
            let ops: Vec<Value> = p.ops.iter().map(|op| self.op(op)).collect();
            json!({"phase": p.phase.name(), "seconds": p.seconds, "share": self.share(p.seconds), "ops": ops, "other": p.other})
        };
        let layers = self.profile.layers();
        let layers = layers
            .iter()
            .map(|l| json!({"layer": l.path, "phase": l.phase.name(), "calls": l.calls, "seconds": l.seconds}))
            .collect::<Vec<Value>>();
        json!({
            "seconds": self.profile.seconds(), "scopes": self.profile.scopes(), "peaks": self.peaks,
            "phases": phases.iter().map(phase).collect::<Vec<Value>>(), "other": self.profile.other(), "layers": layers,
        })
    }

    fn op(&self, op: &OpTime) -> Value {
        let (least, roof) = self.peaks.least(&op.cost);
        let kernels: Vec<Value> = op.kernels.iter().map(|kernel| self.op(kernel)).collect();
        let mut row = json!({
            "op": op.name, "calls": op.calls, "seconds": op.seconds, "share": self.share(op.seconds),
            "flops": op.cost.flops, "bf16_flops": op.cost.bf16_flops, "bytes": op.cost.bytes,
            "flops_per_s": op.cost.all_flops() as f64 / op.seconds, "bytes_per_s": op.cost.bytes as f64 / op.seconds,
            "bound": bound(roof), "share_of_peak": least / op.seconds,
        });
        if let (Value::Object(row), false) = (&mut row, kernels.is_empty()) {
            row.insert("kernels".into(), kernels.into());
        }
        row
    }

    fn share(&self, seconds: f64) -> f64 {
        seconds / self.profile.seconds()
    }

    /// Prints the profile as text.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn say(&self, threads: usize) -> Result<()> {
        let Peaks { fma, fma_bf16, gemm, gemm_bf16, copy } = &self.peaks;
        let giga = |x: &f64| format!("{:.0}", x / 1e9);
        let and = |x: &Option<f64>| x.map_or(String::new(), |x| format!(" (bf16 {})", giga(&x)));
        say!("")?;
        say!(
            "peaks, measured, {threads} threads: multiply-adds in registers {}{} GFLOP/s, large products {}{} GFLOP/s, large copies {} GB/s",
            giga(fma),
            and(fma_bf16),
            giga(gemm),
            and(gemm_bf16),
            giga(copy)
        )?;
        say!("a recorded step: {:.4} s, {} scopes", self.profile.seconds(), self.profile.scopes())?;
        say!("")?;
        say!("{:<46} {:>6} {:>9} {:>7} {:>9} {:>7}  of peak", "", "calls", "ms", "share", "GFLOP/s", "GB/s")?;
        for phase in self.profile.phases() {
            self.line(phase.phase.name(), None, phase.seconds, "")?;
            for op in &phase.ops {
                self.row(op, "  ")?;
            }
            self.line("  other", None, phase.other, "")?;
        }
        self.line("other", None, self.profile.other(), "")
    }

    fn row(&self, op: &OpTime, indent: &str) -> Result<()> {
        let (least, roof) = self.peaks.least(&op.cost);
        let rate = |x: u64| x as f64 / op.seconds / 1e9;
        let share = format!("{:.0} % ({})", 100.0 * least / op.seconds, bound(roof));
        let rates = format!(" {:>9.1} {:>7.1}  {share}", rate(op.cost.all_flops()), rate(op.cost.bytes));
        self.line(&format!("{indent}{}", op.name), Some(op.calls), op.seconds, &rates)?;
        op.kernels.iter().try_for_each(|kernel| self.row(kernel, &format!("{indent}  ")))
    }

    fn line(&self, name: &str, calls: Option<u64>, seconds: f64, rest: &str) -> Result<()> {
        let calls = calls.map_or(String::new(), |calls| calls.to_string());
        say!("{:<46} {calls:>6} {:>9.2} {:>5.1} %{rest}", shortened(name), 1e3 * seconds, 100.0 * self.share(seconds))
    }
}

fn bound(roof: Roof) -> &'static str {
    match roof {
        Roof::Compute => "compute",
        Roof::Memory => "memory",
    }
}

/// A pointwise expression may be long.
fn shortened(name: &str) -> String {
    const MOST: usize = 46;
    if name.chars().count() <= MOST { name.into() } else { name.chars().take(MOST - 1).chain(['…']).collect() }
}
