//! The packages that users download build without this repository: the README's model, in a crate that knows the archives alone, trains.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of the library, each after those that it needs.
const PACKAGES: [&str; 3] = ["ivon-compiler", "ivon-macros", "ivon-runtime"];

#[test]
fn the_model_of_the_readme_trains_with_the_packaged_archives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archives = folder.path().join("archives");
    let names = PACKAGES.iter().flat_map(|name| ["-p", name]);
    let package =
        cargo(root, &archives).args(["package", "--allow-dirty", "--no-verify", "--offline"]).args(names).output().unwrap();
    assert!(package.status.success(), "{}", String::from_utf8_lossy(&package.stderr));
    for name in PACKAGES {
        let archive = archives.join(format!("package/{name}-{}.crate", env!("CARGO_PKG_VERSION")));
        let unpacked = Command::new("tar").arg("-xzf").arg(&archive).current_dir(folder.path()).output().unwrap();
        assert!(unpacked.status.success(), "{}: {}", archive.display(), String::from_utf8_lossy(&unpacked.stderr));
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(unpacked_path(folder.path(), name).join(file).is_file(), "{name} has no {file}");
        }
    }
    // With all features, and with none: generated code needs no feature.
    for features in ["", ", default-features = false"] {
        let user = user(root, folder.path(), &manifest(folder.path(), features));
        fs::copy(unpacked_path(folder.path(), "ivon-runtime").join("examples/readme.rs"), user.join("src/main.rs")).unwrap();
        // This test's target directory, so that dependencies need not be built again.
        let built = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
        let run = cargo(&user, &built).args(["run", "--offline"]).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{error}");
        let loss: f64 = out.lines().find_map(|line| line.strip_prefix("loss at the mean: ")).unwrap().parse().unwrap();
        assert!(loss < 0.05, "{out}");
    }
}

/// The most packages that a user's crate depends on without the runtime's features, its own and ours not counted.
const MOST_DEPENDENCIES: usize = 40;

#[test]
fn a_crate_without_features_has_few_dependencies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let names = |features: &str| -> BTreeSet<String> {
        let runtime = root.join("ivon-runtime");
        let user = user(root, folder.path(), &format!("{USER}ivon-runtime = {{ path = {runtime:?}{features} }}\n"));
        fs::write(user.join("src/main.rs"), "fn main() {}").unwrap();
        let tree = cargo(&user, folder.path()).args(["tree", "-e", "normal", "--prefix", "none", "--offline"]).output().unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8_lossy(&tree.stdout);
        let names = tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty());
        names.filter(|name| *name != "user" && !PACKAGES.contains(name)).map(String::from).collect()
    };
    let few = names(", default-features = false");
    assert!(few.contains("rayon") && few.len() <= MOST_DEPENDENCIES, "{} packages: {few:?}", few.len());
    for (feature, package) in [("cuda", "cudarc"), ("run", "safetensors"), ("theory", "nalgebra"), ("expand", "prettyplease")] {
        assert!(!few.contains(package), "{package} is a dependency without the feature {feature}");
        let more = names(&format!(", default-features = false, features = [{feature:?}]"));
        assert!(more.contains(package) && more.is_superset(&few), "the feature {feature}: {more:?}");
    }
}

/// A new crate of a user, with this workspace's versions of dependencies.
fn user(root: &Path, folder: &Path, manifest: &str) -> PathBuf {
    let user = folder.join("user");
    fs::create_dir_all(user.join("src")).unwrap();
    fs::write(user.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), user.join("Cargo.lock")).unwrap();
    user
}

fn cargo(directory: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(directory).env("CARGO_TARGET_DIR", target);
    cargo
}

fn unpacked_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-{}", env!("CARGO_PKG_VERSION")))
}

/// The beginning of a user's manifest, up to its dependencies.
const USER: &str = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n";

/// A crate that depends on the runtime with these features, with the archives in place of a registry.
fn manifest(folder: &Path, features: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let patches: String =
        PACKAGES.iter().map(|name| format!("{name} = {{ path = {:?} }}\n", unpacked_path(folder, name))).collect();
    format!(
        "{USER}ivon-runtime = {{ version = \"{version}\"{features} }}\n\n[patch.crates-io]\n{patches}\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n\n{OPTIMISED}"
    )
}

/// As in this workspace, so that these dependencies are the ones that were built.
const OPTIMISED: &str = "[profile.dev.package.gemm-common]\nopt-level = 2\n\
                         [profile.dev.package.gemm-f32]\nopt-level = 2\n[profile.dev.package.gemm-f64]\nopt-level = 2\n";
