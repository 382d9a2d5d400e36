//! The stand-in for cuBLASLt takes the attributes that the real library takes, where that is installed: descriptors need no GPU.
//! `IVON_CUDA_LIBRARIES` names its directory if it is not found by itself.

use ivon_emulator::load;
use ivon_runtime::cuda::libraries;
use libloading::Library;
use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};

type Descriptor = *mut c_void;
type Set = unsafe extern "C" fn(Descriptor, c_int, *const c_void, usize) -> c_int;

/// Pairs of an attribute and a size in bytes that a library takes, of a product, a matrix and a preference.
fn taken(library: &Library) -> [BTreeSet<(c_int, usize)>; 3] {
    let mut made: [Descriptor; 3] = [std::ptr::null_mut(); 3];
    // SAFETY: these are the functions of cublasLt.h with the types that they have there; 68 is CUBLAS_COMPUTE_32F, 0 CUDA_R_32F.
    let codes = unsafe {
        let product = library.get::<unsafe extern "C" fn(*mut Descriptor, c_int, c_int) -> c_int>(b"cublasLtMatmulDescCreate\0");
        let matrix =
            library.get::<unsafe extern "C" fn(*mut Descriptor, c_int, u64, u64, i64) -> c_int>(b"cublasLtMatrixLayoutCreate\0");
        let preference = library.get::<unsafe extern "C" fn(*mut Descriptor) -> c_int>(b"cublasLtMatmulPreferenceCreate\0");
        [product.unwrap()(&mut made[0], 68, 0), matrix.unwrap()(&mut made[1], 0, 8, 8, 8), preference.unwrap()(&mut made[2])]
    };
    assert_eq!(codes, [0; 3]);
    let setters: [&[u8]; 3] =
        [b"cublasLtMatmulDescSetAttribute\0", b"cublasLtMatrixLayoutSetAttribute\0", b"cublasLtMatmulPreferenceSetAttribute\0"];
    std::array::from_fn(|i| {
        let zeros = [0u8; 16];
        // SAFETY: as above; the value has at least as many bytes as are said, and is read before the call returns.
        let takes = |attribute, size| unsafe {
            library.get::<Set>(setters[i]).unwrap()(made[i], attribute, zeros.as_ptr().cast(), size) == 0
        };
        (0..40).flat_map(|a| (1..=16).map(move |size| (a, size))).filter(|&(a, size)| takes(a, size)).collect()
    })
}

#[test]
fn attributes_have_the_sizes_that_the_real_library_asks_for() {
    let found = libraries::report().libraries.iter().find(|library| library.name == "cuBLASLt");
    let Some(path) = found.and_then(|library| library.path.as_ref()) else {
        eprintln!("SKIPPED: cuBLASLt is not installed (pip install nvidia-cublas); IVON_CUDA_LIBRARIES names its folder");
        return;
    };
    let Some(emulator) = load() else { return };
    println!("{} {:?}", path.display(), found.and_then(|library| library.version.as_deref()));
    // SAFETY: both were loaded before; loading them again runs nothing.
    let [real, ours] =
        [path.clone(), emulator.folder().join("libcublasLt.so")].map(|path| taken(&unsafe { Library::new(path) }.unwrap()));
    for (real, ours) in real.iter().zip(&ours) {
        assert!(!ours.is_empty());
        let known: BTreeSet<c_int> = ours.iter().map(|&(attribute, _)| attribute).collect();
        // The stand-in knows fewer attributes.
        let of_known = real.iter().copied().filter(|(attribute, _)| known.contains(attribute));
        assert_eq!(*ours, of_known.collect());
    }
}
