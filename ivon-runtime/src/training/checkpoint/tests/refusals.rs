//! Checkpoints that are refused, with their messages.

use super::*;

fn save(optimizer: &dyn Optimizer) -> (tempfile::TempDir, Checkpoint) {
    let root = tempfile::tempdir().unwrap();
    let saved = Checkpoints::new(root.path(), 1).save(optimizer, Notes::default()).unwrap();
    (root, saved)
}

#[test]
fn another_model_is_refused_with_every_difference() {
    let (_root, saved) = save(&ivon(&Shapes::new(&[("tokens", &[8, 4]), ("up", &[4, 16]), ("old", &[4])]), 0));
    let other = Shapes::new(&[("tokens", &[8, 6]), ("up", &[4, 16]), ("new", &[2])]);
    let mut optimizer = ivon(&other, 0);
    let before = bits(&optimizer);
    let message = saved.restore(&mut optimizer).unwrap_err().to_string();
    for part in [
        "only in the model: `new` [2]",
        "only in the checkpoint: `old` [4]",
        "`tokens` is [8, 4] in the checkpoint and [8, 6] in the model",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("`up`"), "{message}");
    assert_eq!(before, bits(&optimizer));
    assert_eq!(saved.posterior(&other).err().unwrap().to_string(), message);
}

#[test]
fn the_same_parameters_in_another_order_are_another_model() {
    let (_root, saved) = save(&ivon(&Shapes::new(&[("a", &[2]), ("b", &[2])]), 0));
    let message = saved.restore(&mut ivon(&Shapes::new(&[("b", &[2]), ("a", &[2])]), 0)).unwrap_err().to_string();
    assert!(message.contains("another order"), "{message}");
}

#[test]
fn another_optimizer_is_refused() {
    let (_root, saved) = save(&ivon(&Shapes::small(), 0));
    let mut adamw = AdamW::new(&Shapes::small(), AdamWConfig::default(), Settings::default()).unwrap();
    let message = saved.restore(&mut adamw).unwrap_err().to_string();
    assert!(message.contains("of optimizer ivon, not adamw: resume with ivon"), "{message}");
}

#[test]
fn another_version_is_refused() {
    let (_root, saved) = save(&ivon(&Shapes::small(), 0));
    alter(&saved, |text| text.replace("\"version\": 2", "\"version\": 3"));
    let message = Checkpoint::open(saved.path()).unwrap_err().to_string();
    assert!(message.contains("has version 3 of its format; this program reads versions 1 to 2"), "{message}");
}

/// Changes a manifest and seals it again.
fn alter(saved: &Checkpoint, change: impl Fn(&str) -> String) {
    let path = saved.path().join("manifest.json");
    let text = change(&std::fs::read_to_string(&path).unwrap());
    let above = &text[..text.rfind("  \"crc32c\"").unwrap()];
    let crc = crate::core::checksum::Crc32c::of(above.as_bytes());
    std::fs::write(&path, format!("{above}  \"crc32c\": \"{crc:08x}\"\n}}\n")).unwrap();
}

#[test]
fn a_checkpoint_from_before_there_were_buffers_is_read() {
    let model = || Shapes::new(&[("weight", &[2, 2])]);
    let mut optimizer = ivon(&model(), 4);
    step(&mut optimizer);
    let (_root, saved) = save(&optimizer);
    alter(&saved, |text| text.replace("\"version\": 2", "\"version\": 1").replace("  \"buffers\": [],\n", ""));
    let old = Checkpoint::open(saved.path()).unwrap();
    let mut resumed = ivon(&model(), 5);
    assert_eq!(old.restore(&mut resumed), Ok(vec![]));
    assert_eq!(bits(&resumed), bits(&optimizer));
    let message = old.restore(&mut ivon(&model().with_buffers(&[("seen", 2)]), 5)).unwrap_err().to_string();
    assert!(message.contains("only in the model: `seen` [2]"), "{message}");
}

#[test]
fn a_model_with_other_buffers_is_another_model() {
    let (_root, saved) = save(&ivon(&Shapes::small(), 0));
    let other = |buffers: &[(&str, usize)]| {
        let model = Shapes::small().with_buffers(buffers);
        let message = saved.restore(&mut ivon(&model, 0)).unwrap_err().to_string();
        assert_eq!(saved.posterior(&model).err().unwrap().to_string(), message);
        message
    };
    let message = other(&[("seen", 3)]);
    assert!(message.contains("`seen` is [2] in the checkpoint and [3] in the model"), "{message}");
    let message = other(&[]);
    assert!(message.contains("only in the checkpoint: `seen` [2]"), "{message}");
}

#[test]
fn hyperparameters_that_changed_are_told() {
    let (_root, saved) = save(&ivon(&Shapes::small(), 0));
    let config = IvonConfig { beta2: 0.9, clip_radius: Some(0.5), ..IvonConfig::new(1e6) };
    let mut optimizer = Ivon::new(&Shapes::small(), config, Settings::default()).unwrap();
    let changes = saved.restore(&mut optimizer).unwrap();
    assert_eq!(changes, ["clip_radius was not set and is 0.5 now", "ess was 1234.5 and is 1000000.0 now"]);
    assert_eq!(saved.restore(&mut ivon(&Shapes::small(), 5)), Ok(vec![]));
}
