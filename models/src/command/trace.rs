//! `--trace`: what enters and leaves every update, as a safetensors file that another implementation of IVON can replay.
//!
//! Over all N parameters in declaration order, f32: `initial/mean`, `initial/hessian`, `initial/momentum`; then, t and s counted from 1,
//! `step{t}/sample{s}/noise` and `../gradient`, `step{t}/lr` [1], and `step{t}/mean`, `../hessian`, `../momentum` after the update. The
//! configuration stands in the metadata, key `config`.

use crate::weights::{self, Precision, Table, Values};
use ivon_runtime::optimizers::Tracer;
use ivon_runtime::{Result, State};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const BUFFERS: [&str; 3] = ["mean", "hessian", "momentum"];

/// Collects a trace, and writes it when its last step is done.
pub struct Trace {
    table: Table<f32>,
    path: PathBuf,
    config: Value,
    last: u32,
}

impl Trace {
    /// A trace of the steps from this state to step `last`, to be written to `path` with the optimizer's configuration.
    pub fn new(initial: &State, path: &Path, config: Value, last: u32) -> Trace {
        let mut trace = Trace { table: Table::new(), path: path.into(), config, last };
        trace.buffers("initial", initial);
        trace
    }

    fn insert(&mut self, name: String, data: Vec<f32>) {
        self.table.insert(name, Values { shape: vec![data.len()], data });
    }

    fn buffers(&mut self, prefix: &str, state: &State) {
        for name in BUFFERS {
            self.insert(format!("{prefix}/{name}"), state.unpadded(name));
        }
    }
}

impl Tracer for Trace {
    fn sample(&mut self, step: u32, sample: u32, noise: &[f32], gradient: &[f32]) -> Result<()> {
        if step <= self.last {
            let prefix = format!("step{step}/sample{}", sample + 1);
            self.insert(format!("{prefix}/noise"), noise.to_vec());
            self.insert(format!("{prefix}/gradient"), gradient.to_vec());
        }
        Ok(())
    }

    fn update(&mut self, step: u32, lr: f64, state: &State) -> Result<()> {
        if step <= self.last {
            self.insert(format!("step{step}/lr"), vec![lr as f32]);
            self.buffers(&format!("step{step}"), state);
        }
        if step == self.last {
            let metadata = HashMap::from([("config".into(), self.config.to_string())]);
            weights::write(&self.path, &std::mem::take(&mut self.table), Precision::F32, Some(metadata))?;
        }
        Ok(())
    }
}
