use super::*;

/// Numbers in [-1, 1) without a pattern, by SplitMix64.
fn numbers<E: Real>(n: usize, seed: u64) -> Vec<E> {
    let number = |i: u64| {
        let mut z = (seed << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        E::of((z >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    };
    (0..n as u64).map(number).collect()
}

/// The product by its definition, with sums in f64.
fn reference<E: Real>(a: Matrix<E>, b: Matrix<E>, c: &mut [E], row_stride: usize, accumulate: bool) {
    for i in 0..a.rows {
        for j in 0..b.columns {
            let product = |l: usize| {
                E::to_f64(a.data[i * a.row_stride + l * a.column_stride])
                    * E::to_f64(b.data[l * b.row_stride + j * b.column_stride])
            };
            let sum: f64 = (0..a.columns).map(product).sum();
            let c = &mut c[i * row_stride + j];
            *c = E::of(if accumulate { c.to_f64() + sum } else { sum });
        }
    }
}

/// The four layouts of a product: A or its transpose, and B or its transpose, in memory.
fn layouts<'a, E: Copy>(a: &'a [E], b: &'a [E], (m, n, k): (usize, usize, usize)) -> [(Matrix<'a, E>, Matrix<'a, E>); 4] {
    let (a, at) = (Matrix::new(a, m, k), Matrix::new(a, k, m).transposed());
    let (b, bt) = (Matrix::new(b, k, n), Matrix::new(b, n, k).transposed());
    [(a, b), (a, bt), (at, b), (at, bt)]
}

/// Sizes around the edges of tiles, the shapes of a few layers, long sums, many rows with few columns.
const SHAPES: &[(usize, usize, usize)] = &[
    (1, 1, 1),
    (1, 33, 7),
    (5, 1, 300),
    (12, 32, 256),
    (13, 31, 257),
    (11, 47, 16),
    (24, 64, 64),
    (100, 130, 70),
    (37, 515, 129),
    (300, 64, 512),
    (900, 33, 40),
    (40, 33, 4500),
];

type Multiply<E> = fn(Matrix<E>, Matrix<E>, &mut [E], usize, bool);

/// Checks `multiply` against the definition. The error of each element may be at most `relative` times the square root of the
/// length of the sum.
fn agrees_with_the_definition<E: Real>(multiply: Multiply<E>, relative: f64) {
    for &(m, n, k) in SHAPES {
        let (a, b) = (numbers::<E>(m * k, 1), numbers::<E>(k * n, 2));
        for (layout, (a, b)) in layouts(&a, &b, (m, n, k)).into_iter().enumerate() {
            for (row_stride, accumulate) in [(n, false), (n + 3, true)] {
                let old = numbers::<E>(m * row_stride, 3);
                let (mut expected, mut found) = (old.clone(), old.clone());
                reference(a, b, &mut expected, row_stride, accumulate);
                multiply(a, b, &mut found, row_stride, accumulate);
                for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
                    let tolerance = if i % row_stride < n { relative * (k as f64).sqrt() } else { 0.0 };
                    let error = (e.to_f64() - f.to_f64()).abs();
                    assert!(error <= tolerance, "{m} x {n} x {k}, layout {layout}, element {i}: expected {e:?}, found {f:?}");
                }
            }
        }
    }
}

#[test]
fn a_product_of_f32_matrices_is_the_sum_of_products() {
    agrees_with_the_definition::<f32>(multiply, 2e-6);
}

#[test]
fn a_product_of_f64_matrices_is_the_sum_of_products() {
    agrees_with_the_definition::<f64>(multiply, 1e-14);
}

#[test]
fn a_product_by_the_library_is_the_sum_of_products() {
    agrees_with_the_definition::<f32>(library::multiply, 2e-6);
}

/// Rounds to the nearest bf16, ties to even.
fn rounded(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_product_in_bf16_is_the_sum_of_products_of_rounded_operands() {
    if !avx512::has_bf16() {
        return;
    }
    let rounding: Multiply<f32> = |a, b, c, row_stride, accumulate| {
        // The kernel rounds the original operands. The definition is given rounded operands.
        let (x, y): (Vec<f32>, Vec<f32>) =
            (a.data.iter().map(|&x| rounded(x)).collect(), b.data.iter().map(|&x| rounded(x)).collect());
        let old = c.to_vec();
        let mut expected = old.clone();
        reference(Matrix { data: &x, ..a }, Matrix { data: &y, ..b }, &mut expected, row_stride, accumulate);
        multiply_as(Precision::Bf16, a, b, c, row_stride, accumulate);
        for (e, f) in expected.iter().zip(&*c) {
            assert!((e - f).abs() <= 2e-6 * (a.columns as f32).sqrt(), "expected {e}, found {f}");
        }
    };
    // Rounding changes each product by at most 2^-8 of its value.
    agrees_with_the_definition::<f32>(rounding, 2.0f64.powi(-7));
}

/// A second operand in bf16 gives the same bits as the same numbers in f32.
#[test]
fn weights_in_bf16_are_multiplied_as_they_are() {
    for &(m, n, k) in SHAPES {
        let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
        let stored: Vec<bf16> = b.iter().map(|x| bf16::from_f32(*x)).collect();
        let widened: Vec<f32> = stored.iter().map(|x| x.to_f32()).collect();
        let a = Matrix::new(&a, m, k);
        for (stored, widened) in [
            (Matrix::new(&stored, k, n), Matrix::new(&widened, k, n)),
            (Matrix::new(&stored, n, k).transposed(), Matrix::new(&widened, n, k).transposed()),
        ] {
            let (mut expected, mut found) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
            multiply_as(Precision::Bf16, a, widened, &mut expected, n, false);
            multiply_as(Precision::Bf16, a, stored, &mut found, n, false);
            assert_eq!(expected, found, "{m} x {n} x {k}");
        }
    }
}

/// A row gives the same bits as a C whose rows all hold it. Elements between the rows of C do not change.
#[test]
fn a_row_is_added_to_every_row() {
    fn check<E: Real>(precision: Precision) {
        for &(m, n, k) in SHAPES.iter().chain(&[(7, 9, 0), (530, 500, 8200)]) {
            let (a, b, row) = (numbers::<E>(m * k, 1), numbers::<E>(k * n, 2), numbers::<E>(n, 3));
            let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            let mut expected = vec![E::of(7.0); m * (n + 3)];
            let mut found = expected.clone();
            expected.chunks_mut(n + 3).for_each(|c| c[..n].copy_from_slice(&row));
            multiply_as(precision, a, b, &mut expected, n + 3, true);
            multiply_onto(precision, a, b, Onto::Row(&row), &mut found, n + 3);
            let bits = |c: &[E]| c.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
            assert!(bits(&expected) == bits(&found), "{m} x {n} x {k}");
        }
    }
    check::<f32>(Precision::F32);
    check::<f32>(Precision::Bf16);
    check::<f64>(Precision::F32);
}

/// `each` is called once for every element, after its sum is complete, with its neighbour in the other matrix. Elements between
/// the rows do not change.
#[test]
fn a_result_is_finished_once() {
    fn check<E: Real>(precision: Precision) {
        for &(m, n, k) in SHAPES.iter().chain(&[(7, 9, 0), (530, 500, 8200), (3500, 40, 300)]) {
            let (a, b, stride) = (numbers::<E>(m * k, 1), numbers::<E>(k * n, 2), n + 3);
            let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            let (mut sums, mut doubled, mut kept) =
                (vec![E::of(7.0); m * stride], vec![E::of(7.0); m * stride], vec![E::of(9.0); m * stride]);
            multiply_as(precision, a, b, &mut sums, stride, false);
            let place = |i: usize| E::of((i % 64) as f64);
            let each = |at: usize, c: &mut [E], beside: &mut [E]| {
                beside.copy_from_slice(c);
                c.iter_mut().enumerate().for_each(|(i, c)| *c = *c + *c + place(at + i));
            };
            let finish = Finish { each: &each, beside: Some(&mut kept) };
            multiply_then(precision, a, b, Onto::Nothing, Some(finish), &mut doubled, stride);
            for i in 0..m * stride {
                let expected = match i % stride < n {
                    true => [sums[i] + sums[i] + place(i), sums[i]],
                    false => [E::of(7.0), E::of(9.0)],
                };
                assert!([doubled[i], kept[i]] == expected, "{m} x {n} x {k}, element {i}");
            }
        }
    }
    check::<f32>(Precision::F32);
    check::<f32>(Precision::Bf16);
    check::<f64>(Precision::F32);
}

/// More rows than a shared block of A, more columns than a task, and every layout of views in larger matrices.
#[test]
fn parts_of_larger_matrices_are_multiplied_in_blocks() {
    let (m, n, k) = (3470, 1190, 3);
    let (data_a, data_b) = (numbers::<f32>((m + 1) * (k + 2), 1), numbers::<f32>((n + 1) * (k + 2), 2));
    let a = Matrix { data: &data_a, rows: m, columns: k, row_stride: k + 2, column_stride: 1 };
    let b = Matrix { data: &data_b, rows: k, columns: n, row_stride: 1, column_stride: k + 2 };
    let (mut expected, mut found) = (vec![0.0; m * n], vec![f32::NAN; m * n]);
    reference(a, b, &mut expected, n, false);
    multiply(a, b, &mut found, n, false);
    let error = expected.iter().zip(&found).map(|(e, f)| (e - f).abs());
    assert!(error.fold(0.0, f32::max) < 1e-6);
    assert!(found.iter().all(|x| x.is_finite()));
}

/// A is too large to be packed at once: blocks of k use two buffers alternately. Checks every 97th element.
#[test]
fn long_sums_are_added_up_block_by_block() {
    let (m, n, k) = (530, 500, 8200);
    let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
    let mut c = vec![1.0f32; m * n];
    multiply(Matrix::new(&a, m, k), Matrix::new(&b, n, k).transposed(), &mut c, n, true);
    for (at, found) in c.iter().enumerate().step_by(97) {
        let (row, column) = (&a[at / n * k..][..k], &b[at % n * k..][..k]);
        let expected = 1.0 + row.iter().zip(column).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        assert!((expected - f64::from(*found)).abs() < 1e-3, "element {at}: expected {expected}, found {found}");
    }
}

#[test]
fn matrices_that_are_contiguous_along_no_axis_are_multiplied() {
    let data = numbers::<f32>(400, 1);
    let a = Matrix { data: &data, rows: 5, columns: 7, row_stride: 30, column_stride: 2 };
    let (mut expected, mut found) = ([0.0; 25], [0.0; 25]);
    reference(a, a.transposed(), &mut expected, 5, false);
    multiply(a, a.transposed(), &mut found, 5, false);
    assert!(expected.iter().zip(&found).all(|(e, f)| (e - f).abs() < 1e-5), "{expected:?} {found:?}");
}

fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

fn same_bits_for_every_number_of_threads<E: Real>(multiply: Multiply<E>) {
    for &(m, n, k) in SHAPES.iter().chain(&[(256, 768, 768), (768, 2304, 64), (257, 1001, 300), (128, 384, 384)]) {
        let (a, b) = (numbers::<E>(m * k, 1), numbers::<E>(k * n, 2));
        for (layout, (a, b)) in layouts(&a, &b, (m, n, k)).into_iter().enumerate() {
            let product = |threads| {
                let mut c = vec![E::of(0.5); m * n];
                with_threads(threads, || multiply(a, b, &mut c, n, true));
                c.into_iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>()
            };
            let alone = product(1);
            for threads in 2..=4 {
                assert!(
                    product(threads) == alone,
                    "{m} x {n} x {k}, layout {layout}: {threads} threads give other bits than one"
                );
            }
        }
    }
}

#[test]
fn f32_products_have_the_same_bits_for_every_number_of_threads() {
    same_bits_for_every_number_of_threads::<f32>(multiply);
}

#[test]
fn f64_products_have_the_same_bits_for_every_number_of_threads() {
    same_bits_for_every_number_of_threads::<f64>(multiply);
}

#[test]
fn products_by_the_library_have_the_same_bits_for_every_number_of_threads() {
    same_bits_for_every_number_of_threads::<f32>(library::multiply);
}

#[test]
fn bf16_products_have_the_same_bits_for_every_number_of_threads() {
    same_bits_for_every_number_of_threads::<f32>(|a, b, c, row_stride, accumulate| {
        multiply_as(Precision::Bf16, a, b, c, row_stride, accumulate);
    });
}

#[test]
fn products_inside_of_rayon_tasks_have_the_same_bits() {
    use rayon::prelude::*;
    let (m, n, k) = (150, 200, 300);
    let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
    let product = |_: usize| {
        let mut c = vec![0.0; m * n];
        multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), &mut c, n, false);
        c
    };
    let alone = product(0);
    let nested: Vec<_> = with_threads(3, || (0..24).into_par_iter().map(product).collect());
    assert!(nested.iter().all(|c| *c == alone));
}

#[test]
fn an_empty_sum_is_zero_or_adds_nothing() {
    let (a, b) = (Matrix::<f32>::new(&[], 2, 0), Matrix::<f32>::new(&[], 0, 2));
    let mut c = [1.0f32; 7];
    multiply(a, b, &mut c, 5, true);
    assert_eq!(c, [1.0; 7]);
    multiply(a, b, &mut c, 5, false);
    assert_eq!(c, [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn without_accumulate_the_old_content_is_not_read() {
    let one = [1.0f32; 40];
    let mut c = [f32::NAN; 16];
    multiply(Matrix::new(&one, 4, 10), Matrix::new(&one, 10, 4), &mut c, 4, false);
    assert_eq!(c, [10.0; 16]);
}

#[test]
#[should_panic = "B 3 x 4 exceeds its 11 elements"]
fn a_matrix_beyond_its_slice_is_refused() {
    multiply(Matrix::new(&[0.0f32; 6], 2, 3), Matrix::new(&[0.0; 11], 3, 4), &mut [0.0; 8], 4, false);
}

#[test]
#[should_panic = "C 2 x 4 exceeds its 7 elements"]
fn a_result_beyond_its_slice_is_refused() {
    multiply(Matrix::new(&[0.0f32; 6], 2, 3), Matrix::new(&[0.0; 12], 3, 4), &mut [0.0; 7], 4, false);
}

#[test]
#[should_panic = "exceeds its"]
fn strides_that_overflow_are_refused() {
    let a = Matrix { data: &[0.0f32; 6], rows: 2, columns: 3, row_stride: usize::MAX, column_stride: 1 };
    multiply(a, Matrix::new(&[0.0; 12], 3, 4), &mut [0.0; 8], 4, false);
}
