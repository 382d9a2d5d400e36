//! The scale of the experiments: with `IVON_EXAMPLE_SCALE=0.01` each loop of an experiment takes a hundredth of its steps, to see that it runs at all.

use std::path::PathBuf;

/// The variable's value; 1 where it is not set.
fn scale() -> f64 {
    let Some(value) = std::env::var_os("IVON_EXAMPLE_SCALE") else { return 1.0 };
    match value.to_str().and_then(|text| text.parse().ok()).filter(|scale| 0.0 < *scale && *scale <= 1.0) {
        Some(scale) => scale,
        None => {
            eprintln!("error: the variable IVON_EXAMPLE_SCALE is {value:?}; expected a number above 0, at most 1");
            std::process::exit(2);
        }
    }
}

/// The number of steps, or of other repetitions, at this scale, at least 1; `full` of them make the published figures.
pub fn steps(full: usize) -> usize {
    ((full as f64 * scale()).ceil() as usize).max(1)
}

/// The directory of the figures: that of the pages, or at a reduced scale the working directory.
pub fn figures() -> PathBuf {
    match scale() {
        1.0 => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/experiments"),
        _ => PathBuf::from("."),
    }
}
