//! `IVON_EXPAND_DIR` writes what the macro generates, formatted, one file a model.

use std::process::Command;

const DIR: &str = "IVON_EXPAND_DIR";

/// The other tests of this file run this one in a process of its own, because the variable belongs to the process.
#[test]
#[ignore = "run by the other tests, with the variable set"]
fn compile_one_model() {
    let round = "
        { impl<const IN: usize, const OUT: usize> Linear<IN, OUT> { fn forward<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {} } }
        { Linear }
        { ::ivon_runtime }
        pub struct Mlp<const WIDTH: usize> { up: Linear<WIDTH, { 2 * WIDTH }>, down: Linear<{ 2 * WIDTH }, WIDTH> }
        impl<const WIDTH: usize> Mlp<WIDTH> {
            pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> { self.down.forward(relu(self.up.forward(x))) }
        }";
    println!("{}", ivon_compiler::finish(round.parse().unwrap()));
    if std::env::var_os("AGAIN").is_some() {
        println!("{}", ivon_compiler::finish(round.parse().unwrap()));
    }
}

fn run(dir: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["compile_one_model", "--ignored", "--exact", "--nocapture"])
        .env(DIR, dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn generated_code_is_written_formatted_and_with_comments() {
    let dir = tempfile::tempdir().unwrap();
    let emitted = run(&dir.path().join("new/folder"));
    let text = std::fs::read_to_string(dir.path().join("new/folder").join(env!("CARGO_PKG_NAME")).join("Mlp.rs")).unwrap();
    assert!(syn::parse_file(&text).is_ok());
    assert!(text.contains("        // up: Linear<WIDTH, { 2 * WIDTH }>\n"), "{text}");
    assert!(text.lines().all(|line| !line.contains("__comment")));
    // rustc gets no comments, and the variable is tracked: setting it builds again.
    assert!(!emitted.contains("__comment"));
    assert!(emitted.contains("option_env"));
}

/// A file that is two modules has two models of one name at one place.
#[test]
fn two_models_of_one_name_are_two_files() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["compile_one_model", "--ignored", "--exact"])
        .envs([(DIR, dir.path().as_os_str()), ("AGAIN", "1".as_ref())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = dir.path().join(env!("CARGO_PKG_NAME"));
    let text = |name: &str| std::fs::read_to_string(files.join(name)).unwrap();
    assert_eq!(text("Mlp.rs"), text("Mlp_2.rs"));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let emitted = run(file.path());
    assert!(emitted.contains("compile_error") && emitted.contains("IVON_EXPAND_DIR: cannot write"), "{emitted}");
}

#[test]
fn a_relative_folder_is_refused() {
    let emitted = run(std::path::Path::new("expanded"));
    assert!(emitted.contains("compile_error") && emitted.contains("by its whole path"), "{emitted}");
}
