//! Which checkpoints stay, and which one is found.

use super::*;

/// Takes a step and saves, with a validation loss where there is one.
fn save(store: &Checkpoints, optimizer: &mut Ivon, validation_loss: Option<f64>) -> Checkpoint {
    step(optimizer);
    store.save(optimizer, Notes { validation_loss, ..Notes::default() }).unwrap()
}

/// Steps 1 to 5; the best is 2.
fn five(root: &Path) -> Checkpoints {
    let store = Checkpoints::new(root.join("deep/checkpoints"), 2);
    let mut optimizer = ivon(&Shapes::small(), 0);
    for loss in [Some(2.0), Some(1.0), Some(f64::NAN), Some(1.0), None] {
        save(&store, &mut optimizer, loss);
    }
    store
}

fn alter(checkpoint: &Path, file: &str) {
    let path = checkpoint.join(file);
    let mut content = std::fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(path, content).unwrap();
}

#[test]
fn the_last_few_and_the_best_stay() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    assert_eq!(store.steps(), Ok(vec![2, 4, 5]));
    let step = |which| store.find(which).unwrap().manifest().step;
    assert_eq!((step(Which::Latest), step(Which::Best), step(Which::Step(4)), step(Which::LastGood)), (5, 2, 4, 5));
}

#[test]
fn a_damaged_checkpoint_is_never_passed_over_in_silence() {
    for file in ["mean.safetensors", "hessian.safetensors", "manifest.json"] {
        let root = tempfile::tempdir().unwrap();
        let store = five(root.path());
        alter(&store.path(5), file);
        let message = store.find(Which::Latest).unwrap_err().to_string();
        for part in ["step-00000005", "damaged", file, "the last good checkpoint is", "step-00000004 (step 4)"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(store.find(Which::LastGood).unwrap().manifest().step, 4);
    }
}

#[test]
fn the_best_cannot_be_told_where_a_manifest_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    alter(&store.path(4), "manifest.json");
    assert!(store.find(Which::Best).unwrap_err().to_string().contains("step-00000004"));
}

#[test]
fn where_there_is_none_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    let none = Checkpoints::new(root.path().join("nothing"), 1);
    assert!(none.find(Which::Latest).unwrap_err().to_string().ends_with("has no checkpoint"));
    let store = five(root.path());
    let message = store.find(Which::Step(3)).unwrap_err().to_string();
    assert!(message.contains("no checkpoint of step 3: it has those of steps 2, 4, 5"), "{message}");
    [2, 4, 5].iter().for_each(|s| alter(&store.path(*s), "manifest.json"));
    assert!(store.find(Which::Latest).unwrap_err().to_string().contains("there is no good checkpoint"));
    assert!(store.find(Which::LastGood).is_err());
}

#[test]
fn a_checkpoint_under_the_name_of_another_step_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    std::fs::rename(store.path(5), store.path(9)).unwrap();
    assert!(store.find(Which::Latest).unwrap_err().to_string().contains("it is of step 5: was it renamed?"));
}

#[test]
fn a_step_can_be_saved_again() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    alter(&store.path(5), "mean.safetensors");
    let mut optimizer = ivon(&Shapes::small(), 0);
    store.find(Which::LastGood).unwrap().restore(&mut optimizer).unwrap();
    save(&store, &mut optimizer, None);
    assert_eq!(store.find(Which::Latest).unwrap().manifest().step, 5);
    assert_eq!(std::fs::read_dir(store.folder()).unwrap().count(), 3);
}

#[test]
fn what_a_kill_leaves_behind_is_brought_in_order() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    let beside = |name: &str| store.folder().join(name);
    for left in [".step-00000006.writing", ".step-00000003.removed", ".step-00000002.replaced"] {
        std::fs::create_dir(beside(left)).unwrap();
        std::fs::write(beside(left).join("mean.safetensors"), "half").unwrap();
    }
    // Killed after the old one was moved aside and before the new one had its name.
    std::fs::rename(store.path(5), beside(".step-00000005.replaced")).unwrap();
    assert_eq!(store.steps(), Ok(vec![2, 4]));
    store.clean().unwrap();
    assert_eq!(store.steps(), Ok(vec![2, 4, 5]));
    assert_eq!(std::fs::read_dir(store.folder()).unwrap().count(), 3);
    store.find(Which::Latest).unwrap();
}

#[test]
fn a_run_that_goes_back_leaves_the_later_ones_aside() {
    let root = tempfile::tempdir().unwrap();
    let store = five(root.path());
    store.abandon_after(2).unwrap();
    assert_eq!(store.steps(), Ok(vec![2]));
    assert!(store.folder().join("abandoned-00000004/manifest.json").exists());
    store.abandon_after(2).unwrap();
}
