//! Scores against scikit-learn, torchmetrics, SciPy and torch, to 1e-6. The script `data/uncertainty/make.py` made the fixtures.

use ivon_runtime::Tensor;
use ivon_runtime::uncertainty::{Detection, Predictions, Predictive, Regression};
use serde_json::Value;

/// Some of the reference scores are computed in f32.
const TOLERANCE: f64 = 1e-6;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Checks that every key of `expected` exists and that its number agrees. null stands for an infinite number.
fn agree(what: &str, expected: &Value, found: &Value) {
    for (key, expected) in expected.as_object().unwrap() {
        let close = match (expected.as_f64(), found[key].as_f64()) {
            (Some(e), Some(f)) => (e - f).abs() <= TOLERANCE,
            (e, f) => e.is_none() && f.is_none() && found.get(key).is_some(),
        };
        assert!(close, "{what}: {key} is {}, expected {expected}", found[key]);
    }
}

fn all_close(what: &str, expected: &[f64], found: &[f64]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!((e - f).abs() <= TOLERANCE, "{what}: number {i} is {f}, expected {e}");
    }
}

#[test]
fn classification_scores_agree() {
    for case in cases(include_str!("data/uncertainty/classification.json")) {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let labels: Vec<u32> = numbers(&case["labels"]).into_iter().map(|y| y as u32).collect();
        let mut predictive = Predictive::labelled(&labels, classes).unwrap();
        let (logits, samples) = match &case["logits"] {
            Value::Null => (false, &case["probabilities"]),
            logits => (true, logits),
        };
        let mut compared = 0;
        for (k, sample) in samples.as_array().unwrap().iter().enumerate() {
            match logits {
                true => predictive.add_logits(&Tensor::from_slice(&numbers(sample), [labels.len(), classes]).unwrap()),
                false => predictive.add_probabilities(&numbers(sample)),
            }
            .unwrap();
            let Some(expected) = case["scores"].get((k + 1).to_string()) else { continue };
            let what = format!("{}, {} samples", case["name"], k + 1);
            let mut found = Predictions::default();
            predictive.record(&mut found);
            let mut scalars = expected.clone();
            let rejection = scalars.as_object_mut().unwrap().remove("rejection");
            let confidence = scalars.as_object_mut().unwrap().remove("confidence").unwrap();
            agree(&what, &scalars, &serde_json::to_value(found.scores().unwrap()).unwrap());
            all_close(&what, &numbers(&confidence), &found.confidence);
            if let Some(rejection) = rejection {
                all_close(&what, &numbers(&rejection), &found.rejection().unwrap().accuracy);
            }
            compared += 1;
        }
        assert_eq!(compared, case["scores"].as_object().unwrap().len());
    }
}

#[test]
fn detection_scores_agree() {
    for case in cases(include_str!("data/uncertainty/detection.json")) {
        let found = Detection::of(&numbers(&case["negatives"]), &numbers(&case["positives"])).unwrap();
        let mut expected = case.clone();
        expected.as_object_mut().unwrap().retain(|key, _| !["name", "negatives", "positives"].contains(&key.as_str()));
        agree(&case["name"].to_string(), &expected, &serde_json::to_value(found).unwrap());
    }
}

#[test]
fn regression_scores_agree() {
    for case in cases(include_str!("data/uncertainty/regression.json")) {
        let mut found = Regression::new(&numbers(&case["targets"])).unwrap();
        let samples = case["means"].as_array().unwrap().iter().zip(case["variances"].as_array().unwrap());
        let mut compared = 0;
        for (means, variances) in samples {
            found.add(&numbers(means), &numbers(variances)).unwrap();
            let Some(expected) = case["scores"].get(found.samples().to_string()) else { continue };
            agree(&case["name"].to_string(), expected, &serde_json::to_value(found.scores().unwrap()).unwrap());
            compared += 1;
        }
        assert_eq!(compared, case["scores"].as_object().unwrap().len());
    }
}
