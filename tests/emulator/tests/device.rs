//! The stand-ins themselves: what the driver does, what the emulator finds, and what goes wrong on purpose.

use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DeviceRepr, LaunchConfig, PushKernelArg, sys};
use cudarc::nvrtc::{Ptx, result as nvrtc};
use ivon_emulator::{Failures, Order, Watch, load};
use std::sync::{Arc, Mutex, MutexGuard};

/// Failures concern the whole process: tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn stream() -> Arc<CudaStream> {
    let context = CudaContext::new(0).unwrap();
    // SAFETY: every test uses one stream.
    unsafe { context.disable_event_tracking() };
    context.new_stream().unwrap()
}

/// The data on the device. It waits for the stream, since a copy to memory that is not page-locked may return before it is done.
fn read<T: DeviceRepr + Default + Clone>(stream: &Arc<CudaStream>, from: &CudaSlice<T>) -> Vec<T> {
    let values = stream.clone_dtoh(from).unwrap();
    stream.synchronize().unwrap();
    values
}

/// The cubin of a source, as the runtime makes it.
fn cubin(source: &str) -> Result<Vec<u8>, String> {
    let text = std::ffi::CString::new(source).unwrap();
    let program = nvrtc::create_program(&text, None).unwrap();
    // SAFETY: the program is alive until it is destroyed at the end; the buffers are as long as NVRTC says.
    unsafe {
        let compiled = nvrtc::compile_program(program, &["--gpu-architecture=sm_90"]);
        let log = nvrtc::get_program_log(program).unwrap();
        let log = std::ffi::CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned();
        let mut size = 0;
        cudarc::nvrtc::sys::nvrtcGetCUBINSize(program, &mut size).result().unwrap();
        let mut image = vec![0u8; size];
        cudarc::nvrtc::sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()).result().unwrap();
        nvrtc::destroy_program(program).unwrap();
        compiled.map(|()| image).map_err(|_| log)
    }
}

const ADD: &str = r#"
extern "C" __global__ void add(const float* x, float* y, int n, float factor) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += factor * x[i];
}
"#;

#[test]
fn a_kernel_runs_in_order_captured_and_replayed() {
    let Some(_) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let module = stream.context().load_module(Ptx::from_binary(cubin(ADD).unwrap())).unwrap();
    let add = module.load_function("add").unwrap();
    let x: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let (x, mut y) = (stream.clone_htod(&x).unwrap(), stream.alloc_zeros::<f32>(1000).unwrap());
    let mut launch = |factor: f32| {
        let mut arguments = stream.launch_builder(&add);
        arguments.arg(&x).arg(&mut y).arg(&1000i32).arg(&factor);
        // SAFETY: x and y have 1000 elements.
        unsafe { arguments.launch(LaunchConfig { grid_dim: (4, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 }).unwrap() };
    };
    launch(2.0);
    stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
    launch(10.0);
    let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap();
    assert_eq!(read(&stream, &y)[3], 6.0, "what is captured does not run");
    graph.launch().unwrap();
    graph.launch().unwrap();
    assert_eq!(read(&stream, &y)[3], 66.0);
    assert_eq!(read(&stream, &y)[999], 999.0 * 22.0);
}

#[test]
fn a_source_that_does_not_compile_says_where() {
    let Some(_) = load() else { return };
    let _turn = turn();
    stream();
    let log = cubin("extern \"C\" __global__ void broken(float* x) { *x = missing; }").unwrap_err();
    assert!(log.contains("missing"), "{log}");
}

#[test]
fn a_damaged_image_and_an_unknown_kernel_are_refused() {
    let Some(_) = load() else { return };
    let _turn = turn();
    let stream = stream();
    assert!(stream.context().load_module(Ptx::from_binary(b"something that is not a cubin".to_vec())).is_err());
    let module = stream.context().load_module(Ptx::from_binary(cubin(ADD).unwrap())).unwrap();
    assert!(module.load_function("subtract").is_err());
}

#[test]
fn failures_on_purpose() {
    let Some(emulator) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let module = stream.context().load_module(Ptx::from_binary(cubin(ADD).unwrap())).unwrap();
    let add = module.load_function("add").unwrap();
    let launch = || {
        let mut y = stream.alloc_zeros::<f32>(8)?;
        let x = stream.alloc_zeros::<f32>(8)?;
        let mut arguments = stream.launch_builder(&add);
        arguments.arg(&x).arg(&mut y).arg(&8i32).arg(&1.0f32);
        // SAFETY: x and y have 8 elements.
        unsafe { arguments.launch(LaunchConfig::for_num_elems(8)) }?;
        let values = stream.clone_dtoh(&y)?;
        stream.synchronize().map(|()| values)
    };
    assert!(launch().is_ok());
    emulator.set_failures(Failures { allocation_after: Some(1), ..Failures::default() });
    assert_eq!(launch().unwrap_err().0, sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    emulator.set_failures(Failures { launch_after: Some(0), ..Failures::default() });
    assert_eq!(launch().unwrap_err().0, sys::CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    emulator.set_failures(Failures { device_lost: true, ..Failures::default() });
    assert_eq!(launch().unwrap_err().0, sys::CUresult::CUDA_ERROR_LAUNCH_FAILED);
    emulator.set_failures(Failures::default());
    let used = emulator.used_memory();
    emulator.set_memory(used + 256);
    assert_eq!(launch().unwrap_err().0, sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    emulator.set_memory(4 << 30);
    assert!(launch().is_ok());
    assert_eq!(emulator.used_memory(), used, "all memory was given back");
}

#[test]
fn a_missing_barrier_shows_in_the_order_of_threads() {
    let Some(emulator) = load() else { return };
    let _turn = turn();
    let stream = stream();
    // Thread i reads what thread i + 1 wrote, or, without the barrier, what was there before.
    let source = |barrier: &str| {
        format!(
            r#"extern "C" __global__ void shift(float* y) {{
              __shared__ float row[64];
              row[threadIdx.x] = threadIdx.x;
              {barrier}
              y[threadIdx.x] = row[(threadIdx.x + 1) % 64];
            }}"#
        )
    };
    let run = |source: &str, order: Order| {
        emulator.set_order(order);
        let module = stream.context().load_module(Ptx::from_binary(cubin(source).unwrap())).unwrap();
        let shift = module.load_function("shift").unwrap();
        let mut y = stream.alloc_zeros::<f32>(64).unwrap();
        let mut arguments = stream.launch_builder(&shift);
        arguments.arg(&mut y);
        // SAFETY: y has as many elements as the block has threads.
        unsafe { arguments.launch(LaunchConfig { grid_dim: (1, 1, 1), block_dim: (64, 1, 1), shared_mem_bytes: 0 }).unwrap() };
        read(&stream, &y).iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    let right: Vec<_> = (0..64).map(|i| ((i + 1) % 64) as f32).map(f32::to_bits).collect();
    for order in Order::ALL {
        assert_eq!(run(&source("__syncthreads();"), order), right, "{order:?}");
    }
    assert!(Order::ALL.iter().any(|order| run(&source(""), *order) != right));
}

#[test]
fn blocks_that_wait_for_each_other_run_side_by_side() {
    let Some(emulator) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let source = r#"extern "C" __global__ void meet(volatile unsigned* flags, unsigned* seen) {
      __shared__ unsigned own;
      if (threadIdx.x == 0) {
        own = blockIdx.x + 1;
        flags[blockIdx.x] = 1;
        while (!flags[gridDim.x - 1 - blockIdx.x]) emulator_other_blocks();
      }
      __syncthreads();
      if (threadIdx.x == 1) seen[blockIdx.x] = own;
    }"#;
    let module = stream.context().load_module(Ptx::from_binary(cubin(source).unwrap())).unwrap();
    let meet = module.load_function("meet").unwrap();
    for seed in 0..4 {
        emulator.set_order(Order::Shuffled(seed));
        let (mut flags, mut seen) = (stream.alloc_zeros::<u32>(4).unwrap(), stream.alloc_zeros::<u32>(4).unwrap());
        let mut arguments = stream.launch_builder(&meet);
        arguments.arg(&mut flags).arg(&mut seen);
        // SAFETY: there is a number for each block in both.
        unsafe { arguments.launch(LaunchConfig { grid_dim: (4, 1, 1), block_dim: (64, 1, 1), shared_mem_bytes: 0 }).unwrap() };
        assert_eq!(read(&stream, &seen), [1, 2, 3, 4], "each block has shared memory of its own");
    }
    emulator.set_order(Order::Forward);
}

mod product {
    //! cuBLASLt's product and epilogues against the definition.

    use super::*;
    use cudarc::cublaslt::{result, sys as lt};
    use std::ffi::c_void;

    struct Call {
        epilogue: lt::cublasLtEpilogue_t,
        transposed: (bool, bool),
        beta: f32,
    }

    /// (D, the vector, the saved input) of D [m, n] column-major = epilogue(op(A) op(B) + beta C).
    fn multiply(
        stream: &Arc<CudaStream>,
        call: &Call,
        [m, n, k]: [usize; 3],
        [a, b, c, bias, aux]: [&[f32]; 5],
    ) -> [Vec<f32>; 3] {
        let to = |x: &[f32]| stream.clone_htod(x).unwrap();
        let (a, b, d, bias, aux) = (to(a), to(b), to(c), to(bias), to(aux));
        use cudarc::driver::DevicePtr;
        let at = |x: &cudarc::driver::CudaSlice<f32>| x.device_ptr(stream).0;
        let f32_type = lt::cudaDataType::CUDA_R_32F;
        let handle = result::create_handle().unwrap();
        let compute = lt::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let what = result::create_matmul_desc(compute, f32_type).unwrap();
        use lt::cublasLtMatmulDescAttributes_t as Attribute;
        let set = |attribute, value: u64, size: usize| {
            let bytes = value.to_ne_bytes();
            // SAFETY: the description is alive, and the value has at least `size` bytes.
            unsafe { result::set_matmul_desc_attribute(what, attribute, bytes.as_ptr().cast(), size).unwrap() }
        };
        set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, call.transposed.0 as u64, 4);
        set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, call.transposed.1 as u64, 4);
        set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, call.epilogue as u64, 4);
        set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, at(&bias), 8);
        set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, at(&aux), 8);
        set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, m as u64, 8);
        let layout = |rows: usize, columns: usize| {
            result::create_matrix_layout(f32_type, rows as u64, columns as u64, rows as i64).unwrap()
        };
        let a_layout = if call.transposed.0 { layout(k, m) } else { layout(m, k) };
        let b_layout = if call.transposed.1 { layout(n, k) } else { layout(k, n) };
        let d_layout = layout(m, n);
        let preference = result::create_matmul_pref().unwrap();
        // SAFETY: handle, description, layouts and preference were made above.
        let algorithm = unsafe {
            result::get_matmul_algo_heuristic(handle, what, a_layout, b_layout, d_layout, d_layout, preference).unwrap()
        };
        // SAFETY: all pointers are to device memory of the sizes that the layouts say.
        unsafe {
            result::matmul(
                handle,
                what,
                (&1.0f32) as *const f32 as *const c_void,
                (&call.beta) as *const f32 as *const c_void,
                at(&a) as *const c_void,
                a_layout,
                at(&b) as *const c_void,
                b_layout,
                at(&d) as *const c_void,
                d_layout,
                at(&d) as *mut c_void,
                d_layout,
                (&algorithm.algo) as *const _,
                std::ptr::null_mut(),
                0,
                stream.cu_stream() as *mut _,
            )
            .unwrap();
        }
        [d, bias, aux].map(|x| read(stream, &x))
    }

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 23) as f32 / 7.0 - 1.5).collect()
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() <= 2e-5 * (1.0 + e.abs()), "{f} and {e}");
        }
    }

    #[test]
    fn products_and_epilogues() {
        let Some(_) = load() else { return };
        let _turn = turn();
        let stream = stream();
        let [m, n, k] = [8, 3, 4]; // the leading dimension of a saved matrix is a multiple of 8
        let (a, b, c, bias, aux) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3), numbers(m, 4), numbers(m * n, 5));
        let gelu = |x: f32| 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044715 * x * x * x)).tanh());
        let slope = |x: f32| (gelu(x + 1e-2) - gelu(x - 1e-2)) / 2e-2;
        for transposed in [(false, false), (true, false), (false, true), (true, true)] {
            let element = |i: usize, j: usize| -> f32 {
                (0..k)
                    .map(|l| {
                        let a = if transposed.0 { a[i * k + l] } else { a[l * m + i] };
                        let b = if transposed.1 { b[l * n + j] } else { b[j * k + l] };
                        a * b
                    })
                    .sum()
            };
            let each = |f: &dyn Fn(f32, usize, usize) -> f32| -> Vec<f32> {
                (0..n).flat_map(|j| (0..m).map(move |i| (i, j))).map(|(i, j)| f(element(i, j), i, j)).collect()
            };
            use lt::cublasLtEpilogue_t as E;
            let run =
                |epilogue, beta| multiply(&stream, &Call { epilogue, transposed, beta }, [m, n, k], [&a, &b, &c, &bias, &aux]);
            close(&run(E::CUBLASLT_EPILOGUE_DEFAULT, 0.0)[0], &each(&|x, _, _| x));
            close(&run(E::CUBLASLT_EPILOGUE_DEFAULT, 2.0)[0], &each(&|x, i, j| x + 2.0 * c[j * m + i]));
            close(&run(E::CUBLASLT_EPILOGUE_BIAS, 0.0)[0], &each(&|x, i, _| x + bias[i]));
            let [y, _, kept] = run(E::CUBLASLT_EPILOGUE_GELU_AUX_BIAS, 0.0);
            close(&y, &each(&|x, i, _| gelu(x + bias[i])));
            close(&kept, &each(&|x, i, _| x + bias[i]));
            let [d_x, sums, _] = run(E::CUBLASLT_EPILOGUE_DGELU_BGRAD, 0.0);
            let expected = each(&|x, i, j| x * slope(aux[j * m + i]));
            for (f, e) in d_x.iter().zip(&expected) {
                assert!((f - e).abs() < 2e-3 * (1.0 + e.abs()), "{f} and {e}, the slope by differences");
            }
            close(&sums, &(0..m).map(|i| (0..n).map(|j| d_x[j * m + i]).sum()).collect::<Vec<f32>>());
            if transposed == (false, true) {
                let [_, of_a, _] = run(E::CUBLASLT_EPILOGUE_BGRADA, 0.0);
                close(&of_a, &(0..m).map(|i| (0..k).map(|l| a[l * m + i]).sum::<f32>()).collect::<Vec<_>>());
                let [_, of_b, _] = run(E::CUBLASLT_EPILOGUE_BGRADB, 0.0);
                close(&of_b[..n], &(0..n).map(|j| (0..k).map(|l| b[l * n + j]).sum::<f32>()).collect::<Vec<_>>());
            }
        }
    }

    /// The real library refuses these: sizes of attributes (tried with versions 12.8.4 and 13.1.0), combinations of types, and addresses
    /// that are aligned to less than the algorithm was chosen for.
    #[test]
    fn what_the_library_refuses() {
        let Some(_) = load() else { return };
        let _turn = turn();
        let stream = stream();
        let (f32_type, bf16) = (lt::cudaDataType::CUDA_R_32F, lt::cudaDataType::CUDA_R_16BF);
        let what = result::create_matmul_desc(lt::cublasComputeType_t::CUBLAS_COMPUTE_32F, f32_type).unwrap();
        use lt::cublasLtMatmulDescAttributes_t::*;
        let set = |attribute, value: u64, size: usize| {
            // SAFETY: the description is alive, and the value has at least `size` bytes.
            unsafe { result::set_matmul_desc_attribute(what, attribute, value.to_ne_bytes().as_ptr().cast(), size).is_ok() }
        };
        for (attribute, size) in [
            (CUBLASLT_MATMUL_DESC_TRANSA, 4),
            (CUBLASLT_MATMUL_DESC_EPILOGUE, 4),
            (CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8),
            (CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, 4),
            (CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, 8),
            (CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, 8),
        ] {
            assert!(set(attribute, 0, size) && !set(attribute, 0, 12 - size), "{attribute:?}");
        }

        let memory = stream.alloc_zeros::<f32>(1 << 12).unwrap();
        use cudarc::driver::DevicePtr;
        let at = memory.device_ptr(&stream).0;
        let handle = result::create_handle().unwrap();
        let layout = |dtype, rows: u64, columns: u64| result::create_matrix_layout(dtype, rows, columns, rows as i64).unwrap();
        let preference = result::create_matmul_pref().unwrap();
        // A way to compute D [m, 16] of this type from A [m, 8] and B [8, 16] in bf16.
        let find = |m: u64, dtype| {
            let (a, b, d) = (layout(bf16, m, 8), layout(bf16, 8, 16), layout(dtype, m, 16));
            // SAFETY: all of them were made above.
            let found = unsafe { result::get_matmul_algo_heuristic(handle, what, a, b, d, d, preference) };
            found.map(|found| (found.algo, [a, b, d])).map_err(|error| error.0)
        };
        let run = |(algorithm, [a, b, d]): &(_, [_; 3]), offset: u64| {
            let (alpha, beta) = (1.0f32, 0.0f32);
            let (to, zero) = ((at + offset) as *mut c_void, at as *const c_void);
            let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
            let (workspace, stream) = (std::ptr::null_mut(), stream.cu_stream() as *mut _);
            // SAFETY: the memory is larger than each of the matrices, with any offset that is used here.
            unsafe {
                result::matmul(
                    handle,
                    what,
                    alpha,
                    beta,
                    zero,
                    *a,
                    zero,
                    *b,
                    to.cast_const(),
                    *d,
                    to,
                    *d,
                    algorithm,
                    workspace,
                    0,
                    stream,
                )
            }
        };
        use lt::cublasLtEpilogue_t as E;
        use lt::cublasStatus_t::{CUBLAS_STATUS_INVALID_VALUE as INVALID, CUBLAS_STATUS_NOT_SUPPORTED as UNSUPPORTED};
        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, u64::MAX, 4); // D's
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, E::CUBLASLT_EPILOGUE_DEFAULT as u64, 4);
        assert_eq!(find(0, bf16).err(), Some(INVALID), "a matrix without elements");
        assert_eq!(find(24, lt::cudaDataType::CUDA_R_16F).err(), Some(UNSUPPORTED), "another type of D");
        let plain = find(24, f32_type).unwrap();
        assert!(run(&plain, 256).is_ok());
        assert!(run(&plain, 16).is_err(), "D is aligned to less than 256 bytes, of which nothing was said");
        assert!(run(&(plain.0, find(16, f32_type).unwrap().1), 256).is_err(), "a way for another shape");

        set(CUBLASLT_MATMUL_DESC_EPILOGUE, E::CUBLASLT_EPILOGUE_BIAS as u64, 4);
        assert_eq!(find(24, bf16).err(), Some(INVALID), "no bias");
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, at + 128, 8);
        let biased = find(24, bf16).unwrap();
        assert!(run(&biased, 1024).is_ok());
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, at + 64, 8);
        assert!(run(&biased, 1024).is_err(), "a bias that is aligned to less than the one shown");
        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, f32_type as u64, 4);
        assert_eq!(find(24, bf16).err(), Some(UNSUPPORTED), "a bias of another type than D");

        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, u64::MAX, 4);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, E::CUBLASLT_EPILOGUE_GELU_AUX as u64, 4);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, at + 128, 8);
        for (rows, ld, known) in [(24, 24, true), (24, 16, false), (12, 12, false), (12, 16, true)] {
            set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, ld, 8);
            assert_eq!(find(rows, bf16).is_ok(), known, "{rows} rows, kept {ld} apart");
        }
    }
}

#[test]
fn sanitizers_watch_kernels_and_memory() {
    let Some(_) = load() else { return };
    ivon_emulator::again(Watch::Sanitizers, &["a_kernel_runs_in_order_captured_and_replayed"]);
    let error = std::panic::catch_unwind(|| ivon_emulator::again(Watch::Sanitizers, &["reads_beyond_the_end"])).unwrap_err();
    let text = error.downcast_ref::<String>().unwrap();
    assert!(text.contains("use-after-poison") && text.contains(" in add "), "{text}");
}

/// Run by the test above. It is wrong on purpose, which only a sanitizer finds.
#[test]
#[ignore = "wrong on purpose"]
fn reads_beyond_the_end() {
    let Some(_) = load() else { return };
    let stream = stream();
    let module = stream.context().load_module(Ptx::from_binary(cubin(ADD).unwrap())).unwrap();
    let add = module.load_function("add").unwrap();
    let (x, mut y) = (stream.alloc_zeros::<f32>(99).unwrap(), stream.alloc_zeros::<f32>(100).unwrap());
    let mut arguments = stream.launch_builder(&add);
    arguments.arg(&x).arg(&mut y).arg(&100i32).arg(&1.0f32);
    // SAFETY: not at all: x has an element less, and the emulator is to find it.
    unsafe { arguments.launch(LaunchConfig::for_num_elems(100)).unwrap() };
}

/// Swaps neighbouring elements of a line, 32 threads a warp; `between` stands between writing and reading shared memory.
fn turned(between: &str) {
    let Some(_) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let source = format!(
        r#"
extern "C" __global__ void __launch_bounds__(64) turned(const float* x, float* y) {{
  __shared__ float line[64];
  line[threadIdx.x] = x[threadIdx.x];
  {between}
  y[threadIdx.x] = line[threadIdx.x ^ 1];
}}
"#
    );
    let module = stream.context().load_module(Ptx::from_binary(cubin(&source).unwrap())).unwrap();
    let turned = module.load_function("turned").unwrap();
    let line: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let (x, mut y) = (stream.clone_htod(&line).unwrap(), stream.alloc_zeros::<f32>(64).unwrap());
    let mut arguments = stream.launch_builder(&turned);
    arguments.arg(&x).arg(&mut y);
    // SAFETY: x and y have 64 elements.
    unsafe { arguments.launch(LaunchConfig { grid_dim: (1, 1, 1), block_dim: (64, 1, 1), shared_mem_bytes: 0 }).unwrap() };
    stream.synchronize().unwrap();
}

#[test]
fn races_are_found_in_whatever_order_threads_run() {
    let Some(_) = load() else { return };
    ivon_emulator::again(Watch::Races, &["a_kernel_runs_in_order_captured_and_replayed", "a_barrier_orders", "the_warp_orders"]);
    for wrong in ["no_barrier", "a_shuffle_for_a_barrier"] {
        let error = std::panic::catch_unwind(|| ivon_emulator::again(Watch::Races, &[wrong])).unwrap_err();
        let text = error.downcast_ref::<String>().unwrap();
        assert!(text.contains("a race: thread "), "{wrong}: {text}");
    }
}

#[test]
fn a_barrier_orders() {
    turned("__syncthreads();");
}

#[test]
fn the_warp_orders() {
    turned("__syncwarp();");
}

/// Run by the test above; wrong on purpose.
#[test]
#[ignore = "wrong on purpose"]
fn no_barrier() {
    turned("");
}

/// Run by the test above: lanes meet, but what they wrote before is not ordered.
#[test]
#[ignore = "wrong on purpose"]
fn a_shuffle_for_a_barrier() {
    turned("__shfl_xor_sync(0xffffffffu, 1.0f, 1);");
}

#[test]
fn launches_keep_to_the_bounds_of_their_kernels_and_of_the_gpu() {
    let Some(emulator) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let source = r#"
extern "C" __global__ void __launch_bounds__(2 > 1 ? 64 : 1, 2) bounded(float* x) {
  x[threadIdx.x] = 1.0f;
}
"#;
    let module = stream.context().load_module(Ptx::from_binary(cubin(source).unwrap())).unwrap();
    let bounded = module.load_function("bounded").unwrap();
    let mut x = stream.alloc_zeros::<f32>(128).unwrap();
    let mut launch = |threads, shared_mem_bytes| {
        let mut arguments = stream.launch_builder(&bounded);
        arguments.arg(&mut x);
        // SAFETY: x has as many elements as the largest block threads.
        unsafe { arguments.launch(LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes }) }
    };
    assert!(launch(64, 0).is_ok());
    assert!(launch(128, 0).is_err());
    assert!(launch(64, 48 << 10).is_ok());
    assert!(launch(64, 49 << 10).is_err());
    let opt_in = |bytes| bounded.set_attribute(sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
    emulator.set_shared_memory(99 << 10);
    assert!(opt_in(100 << 10).is_err());
    assert!(opt_in(98 << 10).is_ok());
    emulator.set_shared_memory(227 << 10);
    assert!(launch(64, 98 << 10).is_ok());
    stream.synchronize().unwrap();
}

/// The layouts of `mma.sync` m16n8k16 and of `ldmatrix` as CUTLASS has them: strides of the four lanes that share a row and of the eight groups of them, and of
/// the values of a lane (`SM80_16x8x16_F32BF16BF16F32_TN`, where A is m + 16 k, B n + 8 k, D m + 16 n, and `SM75_U32x4_LDSM_N` and `SM75_U16x8_LDSM_T`, in elements).
const FRAGMENTS: &str = r#"
template <int LOW, int HIGH, int A, int B = 0, int C = 0> __device__ int place(int lane, int value) {
  return lane % 4 * LOW + lane / 4 * HIGH + value % 2 * A + value / 2 % 2 * B + value / 4 * C;
}
extern "C" __global__ void fragments(const unsigned short* a, const unsigned short* b, float* d, unsigned short* rows, unsigned short* columns) {
  int lane = threadIdx.x;
  unsigned short x[8], y[4];
  float zero[4] = {}, z[4];
  for (int v = 0; v < 8; ++v) x[v] = a[place<32, 1, 16, 8, 128>(lane, v)];
  for (int v = 0; v < 4; ++v) y[v] = b[place<16, 1, 8, 64>(lane, v)];
  emulator_mma_bf16(z, (const uint32_t*)x, (const uint32_t*)y, zero);
  for (int v = 0; v < 4; ++v) d[place<32, 1, 16, 8>(lane, v)] = z[v];
  // Four matrices of 8 x 8, one after the other; their values by lanes.
  for (int transposed = 0; transposed < 2; ++transposed) {
    emulator_ldmatrix((uint32_t*)x, a + 8 * lane, 4, transposed);
    for (int v = 0; v < 8; ++v) {
      int at = transposed ? place<16, 1, 8>(lane, v % 2) : place<2, 8, 1>(lane, v % 2);
      (transposed ? columns : rows)[v / 2 * 64 + at] = x[v];
    }
  }
}
"#;

#[test]
fn fragments_lie_as_other_tables_of_the_hardware_say() {
    let Some(_) = load() else { return };
    let _turn = turn();
    let stream = stream();
    let module = stream.context().load_module(Ptx::from_binary(cubin(FRAGMENTS).unwrap())).unwrap();
    let fragments = module.load_function("fragments").unwrap();
    // Whole numbers that bf16 holds, in no symmetric order.
    let numbers = |n: usize| (0..n).map(|i| half::bf16::from_f32((i * i % 251) as f32)).collect::<Vec<_>>();
    let (a, b) = (numbers(16 * 16), numbers(16 * 8));
    let [a_bits, b_bits] = [&a, &b].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<u16>>());
    let (on_gpu, other) = (stream.clone_htod(&a_bits).unwrap(), stream.clone_htod(&b_bits).unwrap());
    let mut d = stream.alloc_zeros::<f32>(16 * 8).unwrap();
    let (mut rows, mut columns) = (stream.alloc_zeros::<u16>(256).unwrap(), stream.alloc_zeros::<u16>(256).unwrap());
    let mut arguments = stream.launch_builder(&fragments);
    arguments.arg(&on_gpu).arg(&other).arg(&mut d).arg(&mut rows).arg(&mut columns);
    // SAFETY: the buffers have as many elements as the matrices.
    unsafe { arguments.launch(LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 }).unwrap() };
    let d = read(&stream, &d);
    for m in 0..16 {
        for n in 0..8 {
            let expected: f32 = (0..16).map(|k| a[m + 16 * k].to_f32() * b[n + 8 * k].to_f32()).sum();
            assert_eq!(d[m + 16 * n], expected, "row {m}, column {n}");
        }
    }
    assert_eq!(read(&stream, &rows), a_bits);
    assert_eq!(read(&stream, &columns), a_bits);
}
