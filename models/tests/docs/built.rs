//! The examples and benchmarks that the pages run.

use super::lines::root;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program of an example, which `cargo test` builds, or of a benchmark; `None` for a benchmark where this test does not build them.
///
/// # Errors
/// If it is not built.
pub fn program(is_bench: bool, name: &str) -> Result<Option<PathBuf>, String> {
    if is_bench {
        return match std::env::var_os("IVON_REQUIRE_TOOLS") {
            Some(_) => benches()?.get(name).cloned().map(Some).ok_or_else(|| format!("cargo built no benchmark `{name}`")),
            None => Ok(None),
        };
    }
    // Beside the directory of the tests.
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    let program = test.parent().and_then(|deps| deps.parent()).map(|target| target.join("examples").join(name));
    match program.filter(|program| program.is_file()) {
        Some(program) => Ok(Some(program)),
        None => Err(format!(
            "the example `{name}` is not built: run `cargo build -p ivon-cli --examples`, or the tests without `--test`"
        )),
    }
}

/// All benchmarks by name, built once without optimisation of their own.
fn benches() -> Result<&'static HashMap<String, PathBuf>, String> {
    static ALL: OnceLock<Result<HashMap<String, PathBuf>, String>> = OnceLock::new();
    ALL.get_or_init(build).as_ref().map_err(String::clone)
}

fn build() -> Result<HashMap<String, PathBuf>, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--workspace", "--benches", "--locked", "--message-format=json"]).current_dir(root());
    let output = command.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let artifact = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_bench = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "bench");
        Some((message["target"]["name"].as_str()?.to_string(), PathBuf::from(message["executable"].as_str()?)))
            .filter(|_| is_bench)
    };
    Ok(lines.lines().filter_map(artifact).collect())
}
