//! The packages that users download build without this repository: the README's model, in a crate that knows the archives alone, trains.

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
    let user = folder.path().join("user");
    fs::create_dir_all(user.join("src")).unwrap();
    fs::write(user.join("Cargo.toml"), manifest(folder.path())).unwrap();
    fs::copy(root.join("Cargo.lock"), user.join("Cargo.lock")).unwrap();
    fs::copy(unpacked_path(folder.path(), "ivon-runtime").join("examples/readme.rs"), user.join("src/main.rs")).unwrap();
    // This test's target directory, so that dependencies need not be built again.
    let built = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
    let run = cargo(&user, &built).args(["run", "--offline"]).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{error}");
    let loss: f64 = out.lines().find_map(|line| line.strip_prefix("loss at the mean: ")).unwrap().parse().unwrap();
    assert!(loss < 0.05, "{out}");
}

fn cargo(directory: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(directory).env("CARGO_TARGET_DIR", target);
    cargo
}

fn unpacked_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-{}", env!("CARGO_PKG_VERSION")))
}

/// A crate that depends on the runtime, with the archives in place of a registry.
fn manifest(folder: &Path) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let patches: String =
        PACKAGES.iter().map(|name| format!("{name} = {{ path = {:?} }}\n", unpacked_path(folder, name))).collect();
    format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nivon-runtime = \"{version}\"\n\n\
         [patch.crates-io]\n{patches}\n[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n\n{OPTIMISED}"
    )
}

/// As in this workspace, so that these dependencies are the ones that were built.
const OPTIMISED: &str = "[profile.dev.package.gemm]\nopt-level = 2\n[profile.dev.package.gemm-common]\nopt-level = 2\n\
                         [profile.dev.package.gemm-f32]\nopt-level = 2\n[profile.dev.package.gemm-f64]\nopt-level = 2\n";
