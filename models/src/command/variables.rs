//! Names of variables of the environment that nothing reads.

use std::ffi::OsString;

/// Those of the project's tests, examples and scripts.
const OF_TESTS: &[&str] = &[
    "IVON_EMULATOR_MUTATION",
    "IVON_EMULATOR_WATCH",
    "IVON_EXAMPLE_SCALE",
    "IVON_IMAGE_CORPUS",
    "IVON_KILLS",
    "IVON_KILL_SEED",
    "IVON_NVRTC",
    "IVON_OWN_OPTIMIZER",
    "IVON_OWN_RUN",
    "IVON_PYTHON",
    "IVON_REQUIRE_TOOLS",
    "IVON_TEST_GPU",
];

/// Notes on the variables among `names` that begin like those of this program and are none of them.
pub fn unknown(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let known = ivon_runtime::variables::NAMES;
    let mut notes: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("IVON_") && !known.contains(&name.as_str()) && !OF_TESTS.contains(&name.as_str()))
        .map(|name| {
            let likeness = |known: &str| strsim::jaro_winkler(&name["IVON_".len()..], &known["IVON_".len()..]);
            let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|known| likeness(known) > 0.8);
            let advice = nearest.map_or(String::new(), |known| format!("; did you mean {known}?"));
            format!("the variable {name} is set, and nothing reads it{advice}")
        })
        .collect();
    notes.sort_unstable();
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_reads_is_said_with_the_nearest_one() {
        let notes = |names: &[&str]| unknown(names.iter().map(OsString::from));
        assert_eq!(notes(&["IVON_SIMD", "IVON_KILLS", "HOME", "IVONNE"]), Vec::<String>::new());
        assert_eq!(
            notes(&["IVON_KERNEL_CASHE", "IVON_COLOUR"]),
            [
                "the variable IVON_COLOUR is set, and nothing reads it",
                "the variable IVON_KERNEL_CASHE is set, and nothing reads it; did you mean IVON_KERNEL_CACHE?"
            ]
        );
    }

    #[test]
    fn every_variable_of_the_page_is_known() {
        let page = include_str!("../../../docs/command.md");
        let names: Vec<OsString> = page
            .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
            .filter(|word| word.starts_with("IVON_") && word.len() > "IVON_".len())
            .map(OsString::from)
            .collect();
        assert!(names.len() >= 9);
        assert_eq!(unknown(names.into_iter()), Vec::<String>::new());
    }
}
