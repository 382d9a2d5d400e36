//! Generation with a cache of keys and values: grouped heads and rotary positions, token by token, against the whole sequence at once.

use ivon_gallery::{ids, llama::Llama};
use ivon_runtime::prelude::*;
use ivon_runtime::{Cache, Flat, Layout};

#[test]
fn a_llama_reads_token_by_token_what_it_reads_at_once() {
    let model = Llama::<11, 16, 4, 2, 24, 2>::new();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let layout = Layout::of(&model);
    let weights = Flat::zeros(&layout, DType::F64).unwrap();
    for entry in layout.entries() {
        let values = ivon_gallery::initial_values(entry.parameter.name(), entry.parameter.shape());
        weights.tensor(&entry.parameter).as_mut_slice().copy_from_slice(&values);
    }
    cx.set_weights(&weights);

    let tokens = ids("tokens", 11, [2, 9]).unwrap();
    let expected = model.forward(&cx, &tokens).unwrap().to_f64();
    let mut cache = Cache::new(9);
    let mut place = 0;
    for added in [4, 1, 1, 3] {
        let part: Vec<u32> = (0..2).flat_map(|b| tokens.as_slice::<u32>()[b * 9 + place..][..added].to_vec()).collect();
        let part = Tensor::from_slice(&part, [2, added]).unwrap();
        let logits = cx.cached(&mut cache, |cx| model.forward(cx, &part)).unwrap().to_f64();
        for (i, found) in logits.iter().enumerate() {
            let (b, t, token) = (i / (added * 11), i / 11 % added, i % 11);
            let exact = expected[(b * 9 + place + t) * 11 + token];
            assert!((found - exact).abs() < 1e-12, "place {}: {found}, not {exact}", place + t);
        }
        place += added;
    }
}
