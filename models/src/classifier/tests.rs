//! Classifiers as a whole: sizes, operations, gradients, weights in and out.

use super::*;
use crate::data::images::{Crop, Exif, Fit, Normalisation, Transform};
use crate::resnet;
use crate::weights::{self, Table, Values};
use ivon_runtime::{DType, Device, Flat, Layout, Posterior, gradcheck};

fn design(architecture: Architecture) -> Design {
    let (channels, classes) = match architecture {
        Architecture::Lenet => (1, 10),
        Architecture::Resnet20 => (3, 10),
        _ => (3, 1000),
    };
    Design { architecture, norm: Norm::Batch, channels, size: architecture.usual_size(), classes }
}

/// Numbers of parameters and operations.
struct Count(Design);

impl Visitor for Count {
    type Output = (usize, f64);
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<(usize, f64)> {
        Ok((Layout::of(&model).elements(), self.0.flops(&model.parameters())))
    }
}

#[test]
fn networks_have_their_published_numbers_of_parameters_and_operations() {
    let count = |architecture| design(architecture).build(Count(design(architecture))).unwrap();
    assert_eq!(count(Architecture::Lenet).0, 61_706);
    // He et al. with projections: 272,474; without, 269,722.
    assert_eq!(count(Architecture::Resnet20).0, 272_474);
    // torchvision's documentation, in multiplications: 1.81e9, 3.66e9, 4.09e9.
    for (architecture, parameters, multiplications) in [
        (Architecture::Resnet18, 11_689_512, 1.81),
        (Architecture::Resnet34, 21_797_672, 3.66),
        (Architecture::Resnet50, 25_557_032, 4.09),
    ] {
        let (found, flops) = count(architecture);
        assert_eq!(found, parameters);
        assert_eq!((flops / 2.0 / 1e7).round() / 100.0, multiplications, "{architecture:?}");
    }
}

#[test]
fn designs_that_make_no_sense_are_refused() {
    let refused = |design: Design, words: &[&str]| {
        let message = design.check().unwrap_err().to_string();
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    refused(Design { norm: Norm::Frn, ..design(Architecture::Resnet50) }, &["--norm frn is for resnet20", "batch norm"]);
    refused(Design { norm: Norm::Group, ..design(Architecture::Lenet) }, &["--norm group is for resnet20", "no norm"]);
    refused(Design { size: 8, ..design(Architecture::Lenet) }, &["at least 12 x 12", "8 x 8"]);
    refused(Design { channels: 1, ..design(Architecture::Resnet18) }, &["3 channels, not of 1"]);
    refused(Design { classes: 0, ..design(Architecture::Resnet18) }, &["0 classes"]);
}

/// Weights that are nowhere at their start.
fn scrambled(layout: &std::rc::Rc<Layout>) -> Flat {
    let mut weights = Flat::zeros(layout, DType::F64).unwrap();
    let scramble = |i: usize| ((i as f64 * 0.7548776662).fract() - 0.5) * 0.8;
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = scramble(i + 1));
    weights
}

struct Differentiate(Design);

impl Visitor for Differentiate {
    type Output = ();
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<()> {
        let Design { size, channels, .. } = self.0;
        let layout = Layout::of(&model);
        let cx = Context::new(Device::Cpu, DType::F64)?;
        let running = ivon_runtime::running_statistics(&model).unwrap();
        cx.set_running_statistics(Some(&running));
        cx.set_training(true);
        let images = gradcheck::tensor(&cx, [2, size, size, channels], 3)?;
        let labels = Tensor::from_slice(&[1u32, 0], [2])?;
        let mut weights = scrambled(&layout);
        let gradient = Flat::zeros(&layout, DType::F64).unwrap();
        let loss = |weights: &Flat, gradient: Option<&Flat>| {
            cx.set_weights(weights);
            cx.set_gradient(gradient);
            model.loss_gradient(&cx, &images, &labels)
        };
        loss(&weights, Some(&gradient))?;
        let exact = gradient.as_slice::<f64>().to_vec();
        for entry in layout.entries() {
            let at = entry.offset + entry.parameter.shape().elements() / 2;
            let h = 1e-6;
            let mut moved = |by: f64| {
                weights = scrambled(&layout);
                weights.as_mut_slice::<f64>()[at] += by;
                loss(&weights, None)
            };
            let numeric = (moved(h)? - moved(-h)?) / (2.0 * h);
            let name = entry.parameter.name();
            assert!((numeric - exact[at]).abs() < 1e-6 * (1.0 + numeric.abs()), "{name}: {numeric} against {}", exact[at]);
        }
        Ok(())
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (architecture, norm, size) in [
        (Architecture::Lenet, Norm::Batch, 13),
        (Architecture::Resnet20, Norm::Batch, 7),
        (Architecture::Resnet20, Norm::Group, 7),
        (Architecture::Resnet20, Norm::Frn, 7),
    ] {
        let design = Design { norm, size, classes: 3, ..design(architecture) };
        design.build(Differentiate(design)).unwrap();
    }
}

/// A table as torchvision's program would save it: every element is another number.
struct Theirs;

impl Visitor for Theirs {
    type Output = Table<f32>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Table<f32>> {
        let mut next = 0.0;
        let mut values = |shape: &ivon_runtime::Shape| {
            let numbers = (0..shape.elements()).map(|_| {
                next += 1.0;
                next
            });
            numbers.collect::<Vec<f32>>()
        };
        let parameters = model.parameters().iter().map(|p| values(p.shape())).collect();
        let buffers = model.buffers().iter().map(|b| values(b.shape())).collect();
        resnet::export(&model, resnet::Tensors { parameters, buffers })
    }
}

#[test]
fn weights_have_the_names_and_layouts_of_torchvision() {
    let table = Design { classes: 7, ..design(Architecture::Resnet50) }.build(Theirs).unwrap();
    // 161 parameters, and two running statistics for each of 53 norms.
    assert_eq!(table.len(), 161 + 2 * 53);
    let shape = |name: &str| table.get(name).unwrap_or_else(|| panic!("{name}")).shape.clone();
    assert_eq!(shape("conv1.weight"), [64, 3, 7, 7]);
    assert_eq!(shape("bn1.running_var"), [64]);
    assert_eq!(shape("layer1.0.downsample.0.weight"), [256, 64, 1, 1]);
    assert_eq!(shape("layer1.0.downsample.1.running_mean"), [256]);
    assert_eq!(shape("layer4.2.conv2.weight"), [512, 512, 3, 3]);
    assert_eq!(shape("layer3.5.bn3.weight"), [1024]);
    assert_eq!(shape("fc.weight"), [7, 2048]);
    // Ours is [out, height, width, in]: their neighbours along the height are a row of pixels apart.
    let stem = &table["conv1.weight"].data;
    assert_eq!((stem[0], stem[1], stem[7], stem[49]), (1.0, 4.0, 22.0, 2.0));
}

#[test]
fn weights_of_torchvision_come_out_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in [Architecture::Resnet18, Architecture::Resnet34] {
        let mut table = Design { classes: 3, ..design(architecture) }.build(Theirs).unwrap();
        let notes = weights::Notes::new();
        let stored = StoredClassifier::of_table(table.clone(), &notes).unwrap();
        assert_eq!((stored.design.architecture, stored.design.classes), (architecture, 3));
        let (ours, exported) = (folder.path().join("ours"), folder.path().join(architecture.name()));
        stored.write(&ours).unwrap();
        let (ours, notes) = weights::read_with_notes(&ours).unwrap();
        StoredClassifier::of_table(ours, &notes).unwrap().export(&exported).unwrap();
        assert!(weights::read::<f32>(&exported.join("model.safetensors")).unwrap() == table);

        // Everything that is wrong is named.
        table.remove("layer2.0.bn1.weight");
        table.insert("fc.weight".into(), Values { shape: vec![3, 5], data: vec![0.0; 15] });
        table.insert("layer9.0.conv1.weight".into(), Values { shape: vec![1], data: vec![0.0] });
        table.insert("bn1.num_batches_tracked".into(), Values { shape: vec![], data: vec![0.0] });
        let message = StoredClassifier::of_table(table, &weights::Notes::new()).err().unwrap().to_string();
        for part in
            ["missing: layer2.0.bn1.weight [128]", "wrong shape: fc.weight is [3, 5]", "unexpected: layer9.0.conv1.weight"]
        {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("num_batches"), "{message}");
    }
}

/// A posterior with a sigma of its own for every weight.
struct Spread;

impl Visitor for Spread {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        let layout = Layout::of(&model);
        let numbers: Vec<f32> = (0..layout.padded()).map(|i| 0.5 + (i as f32 * 0.7548777).fract()).collect();
        let decays = vec![0.0; layout.entries().len()];
        let mut running = ivon_runtime::running_statistics(&model).unwrap();
        running.as_mut_slice::<f32>().iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
        Ok(Posterior::gaussian(&layout, &numbers, &numbers, 10.0, &decays)?.with_running_statistics(&running).into_owned())
    }
}

#[test]
fn a_weights_file_of_ours_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let design = design(Architecture::Resnet20);
    let transform = Transform {
        size: 32,
        crop: Crop::Padded,
        flip: true,
        ratio: 1.0,
        fit: Fit::Cover,
        normalisation: Normalisation::imagenet(),
        exif: Exif::Ignore,
    };
    let classes = Some((0..10).map(|i| format!("class {i}")).collect::<Vec<_>>());
    let stored = StoredClassifier {
        design,
        classes: classes.clone(),
        transform: Some(transform.clone()),
        posterior: design.build(Spread).unwrap(),
        step: Some(3),
    };
    stored.write(&path).unwrap();
    let (table, notes) = weights::read_with_notes(&path).unwrap();
    assert!(is_ours(&notes));
    let again = StoredClassifier::of_table(table, &notes).unwrap();
    assert_eq!((again.design, &again.classes, &again.transform), (design, &classes, &Some(transform)));
    for name in ["stem.weight", "stage2.rest.1.norm2.gain", "head.bias"] {
        assert_eq!(again.posterior.mean(name).unwrap(), stored.posterior.mean(name).unwrap());
        let (a, b) = (again.posterior.sigma(name).unwrap(), stored.posterior.sigma(name).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() < 1e-6));
    }
    let running = |stored: &StoredClassifier| crate::stored::running(&stored.posterior);
    assert!(running(&again) == running(&stored) && !running(&stored).is_empty());
}

#[test]
fn values_that_no_network_can_have_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let design = design(Architecture::Resnet20);
    let stored =
        StoredClassifier { design, classes: None, transform: None, posterior: design.build(Spread).unwrap(), step: None };
    stored.write(&path).unwrap();
    let (table, notes) = weights::read_with_notes::<f32>(&path).unwrap();
    let running = |end: &str| table.keys().find(|name| name.ends_with(end)).unwrap().clone();
    let (mean, variance) = (running("running_mean"), running("running_variance"));
    for (name, x) in [
        (mean.as_str(), f32::NAN),
        (&variance, f32::NAN),
        (&variance, -1.0),
        ("mean/stem.weight", f32::NAN),
        ("mean/stem.weight", f32::INFINITY),
        ("mean/head.bias", f32::NAN),
        ("sigma/head.bias", f32::NAN),
        ("sigma/head.bias", -1.0),
    ] {
        let mut changed = table.clone();
        changed.get_mut(name).unwrap().data[0] = x;
        let error = StoredClassifier::of_table(changed, &notes).err().map(|e| e.to_string()).unwrap_or_default();
        let parameter = name.rsplit('/').next().unwrap();
        assert!(error.contains(parameter) && error.contains(&x.to_string()), "{name} {x}: {error}");
    }
    // A channel that has died has a variance of 0, which batch norm knows how to divide by.
    let mut changed = table.clone();
    changed.get_mut(&variance).unwrap().data[0] = 0.0;
    assert!(StoredClassifier::of_table(changed, &notes).is_ok());
}

/// Weights of zero.
struct Point;

impl Visitor for Point {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        let layout = Layout::of(&model);
        Ok(Posterior::point(&layout, &vec![0.0; layout.padded()])?.into_owned())
    }
}

fn grey(size: usize, deviation: f64) -> Transform {
    let normalisation = Normalisation { mean: vec![0.5], deviation: vec![deviation] };
    Transform { size, crop: Crop::None, flip: false, ratio: 1.0, fit: Fit::Cover, normalisation, exif: Exif::Apply }
}

#[test]
fn notes_that_contradict_the_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let design = Design { architecture: Architecture::Lenet, norm: Norm::Batch, channels: 1, size: 12, classes: 2 };
    let whole = StoredClassifier {
        design,
        classes: Some(vec!["a".into(), "b".into()]),
        transform: Some(grey(12, 1.0)),
        posterior: design.build(Point).unwrap(),
        step: None,
    };
    let path = folder.path().join("w.safetensors");
    let read = |stored: &StoredClassifier| {
        stored.write(&path).unwrap();
        let (table, notes) = crate::weights::read_with_notes(&path).unwrap();
        StoredClassifier::of_table(table, &notes).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(read(&whole), "");
    let names = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    for (classes, transform, wanted) in [
        (names(&["a"]), grey(12, 1.0), "names 1 classes, but the model tells 2 apart"),
        (names(&["a", "a"]), grey(12, 1.0), "names `a` twice"),
        (names(&["a", "b"]), grey(10_000_000, 1.0), "images of size 10000000, but the model takes 12"),
        (names(&["a", "b"]), grey(12, 0.0), "deviations above 0"),
    ] {
        let posterior = design.build(Point).unwrap();
        let found = read(&StoredClassifier { design, classes, transform: Some(transform), posterior, step: None });
        assert!(found.contains(wanted), "{found}");
    }
    assert!(grey(100_000, 1.0).check(1).unwrap_err().contains("100000 x 100000"));
}
