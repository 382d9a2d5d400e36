//! Every op on the emulated GPU against the same op on the CPU: in f32 under all orders of threads, which must give the same bits,
//! and in bf16.

#[path = "../shared/compare.rs"]
mod compare;
#[path = "../shared/mutations.rs"]
mod mutations;

mod attention;
mod broadcast;
mod edges;
mod grouped_attention;
mod losses;
mod moves;
mod pictures;
mod products;
mod rows;

use ivon_emulator::Watch;
use ivon_runtime::{Adjoint, Context, Result, Shape, Tensor};

/// An empty adjoint, or one that holds ones.
fn adjoint(cx: &Context, shape: &Shape, add: bool) -> Result<Adjoint> {
    Ok(if add { Adjoint::of(cx.filled(*shape, 1.0)?) } else { Adjoint::new() })
}

/// Runs `each` with adjoints of these shapes, empty ones and ones to be added to; what they hold afterwards.
fn both<const N: usize>(cx: &Context, shapes: [Shape; N], each: impl Fn([&mut Adjoint; N]) -> Result<()>) -> Result<Vec<Tensor>> {
    let mut all = vec![];
    for add in [false, true] {
        let mut adjoints = vec![];
        for shape in &shapes {
            adjoints.push(adjoint(cx, shape, add)?);
        }
        let mut adjoints: [Adjoint; N] = adjoints.try_into().unwrap();
        each(adjoints.each_mut())?;
        all.extend(adjoints.into_iter().zip(shapes).map(|(a, shape)| a.into_tensor(cx, shape).unwrap()));
    }
    Ok(all)
}

/// Two minutes of compiling: `cargo test -p ivon-emulator --test ops -- --ignored --nocapture seeded`.
#[test]
#[ignore = "compiles every bug; run it after changing kernels or the emulator"]
fn seeded_bugs_are_caught() {
    if ivon_emulator::load().is_none() || ivon_emulator::watching() != Watch::Nothing {
        return;
    }
    let (next, results) = (std::sync::Mutex::new(mutations::MUTATIONS.iter()), std::sync::Mutex::new(vec![]));
    std::thread::scope(|s| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            s.spawn(|| {
                while let Some(mutation) = { next.lock().unwrap().next() } {
                    let caught = mutation.caught();
                    results.lock().unwrap().push((mutation.name, caught));
                }
            });
        }
    });
    let mut missed = vec![];
    for (name, caught) in results.into_inner().unwrap() {
        match caught {
            Ok(sign) => println!("{name:60} {sign}"),
            Err(why) => missed.push(why),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

compare::watched!(
    pictures::norms_of_pictures,
    pictures::convolutions_by_our_kernels,
    pictures::convolutions_by_cudnn,
    products::products_in_batches,
    products::products_of_no_depth,
    pictures::pooling,
    pictures::batch_norms,
    attention::attention,
    edges::nan_in_rows,
    edges::nan_and_ties_of_pictures,
    edges::elementwise_functions,
    edges::comparisons,
    attention::attention_whose_scores_grow_along_the_keys,
    attention::attention_whose_scores_are_far_below_zero,
    attention::attention_sums_in_a_fixed_order_of_blocks,
    attention::attention_of_new_positions_to_those_in_a_cache,
    rows::sums_and_means,
    rows::extremes_and_logsumexp,
    rows::axes_apart,
    broadcast::operands_of_other_shapes,
    rows::layer_norm,
    rows::rms_norm,
    rows::softmax_and_its_logarithm,
    losses::cross_entropy_plain_smoothed_and_in_place,
    losses::cross_entropy_of_products_whose_rows_are_not_aligned,
    moves::masks_and_constants,
    moves::embedding_sums_repeated_ids_in_their_order,
    moves::parts_of_ids,
    moves::columns_by_their_numbers,
    moves::dropout_drops_the_same_elements,
    moves::slices_and_concatenations,
    moves::transposes
);
