//! The real cuDNN accepts our descriptions of convolutions, where it is installed (9.8 or later). It needs no GPU to prepare an engine for
//! an H100. `IVON_CUDA_LIBRARIES` names its directory if it is not found by itself.

use ivon_runtime::DType;
use ivon_runtime::cuda::{Convolution, Product, libraries, workspace};

/// The properties of an H100 that cuDNN asks for.
const H100: &str = r#"{"regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
    "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32,
    "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64], "pciDeviceId": 9008, "isTccDriver": 0, "supportCoopLaunch": 1,
    "totalGlobalMem": 85028765696, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800,
    "cudaDeviceId": 0, "deviceVer": 900, "driverVer": 13000, "smCountOrigin": 0, "oversizedSharedMemoryPerBlock": 0,
    "deviceName": "NVIDIA H100 80GB HBM3"}"#;

/// Kernel, stride, inputs, outputs, size of the image; of ResNet-50 and, with 32 groups, ResNeXt.
const LAYERS: [(usize, usize, usize, usize, usize, usize); 9] = [
    (1, 1, 256, 64, 56, 1),
    (7, 2, 3, 64, 224, 1),
    (3, 1, 64, 64, 56, 1),
    (3, 2, 128, 128, 56, 1),
    (3, 1, 128, 128, 28, 1),
    (3, 1, 512, 512, 7, 1),
    (1, 2, 256, 512, 56, 1),
    (1, 2, 1024, 2048, 14, 1),
    (3, 1, 128, 128, 56, 32),
];

#[test]
fn every_product_of_resnet_50_has_an_engine_that_gives_the_same_bits_each_time() {
    let found = libraries::report().libraries.iter().find(|library| library.name == "cuDNN");
    let Some(path) = found.and_then(|library| library.path.as_ref()) else {
        eprintln!("SKIPPED: cuDNN is not installed (pip install nvidia-cudnn-cu13); IVON_CUDA_LIBRARIES names its folder");
        return;
    };
    println!("{} {:?}", path.display(), found.and_then(|library| library.version.as_deref()));
    for (kernel, stride, inputs, outputs, size, groups) in LAYERS {
        for product in [Product::Forward, Product::Input, Product::Weight] {
            for dtype in [DType::Bf16, DType::F32] {
                let (batch, padding) = (64, kernel / 2);
                let out = (size + 2 * padding - kernel) / stride + 1;
                let convolution = Convolution {
                    product,
                    x: [batch, size, size, inputs],
                    weight: [outputs, kernel, kernel, inputs / groups],
                    y: [batch, out, out, outputs],
                    stride: [stride; 2],
                    padding: [padding; 2],
                    dilation: [1; 2],
                    dtype,
                };
                let found = workspace(&convolution, H100).unwrap();
                println!(
                    "{kernel} x {kernel} / {stride}, {inputs} -> {outputs}, {groups} groups, {product:?} {dtype:?}: works in {found:?} bytes"
                );
                assert!(found.is_some(), "no engine will do: {convolution:?}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_in_the_words_of_the_library() {
    if libraries::report().libraries.iter().any(|library| library.name == "cuDNN" && library.path.is_none()) {
        return;
    }
    let (x, weight, y) = ([1, 8, 8, 4], [4, 3, 3, 4], [1, 5, 8, 4]);
    let wrong = Convolution {
        product: Product::Forward,
        x,
        weight,
        y,
        stride: [1; 2],
        padding: [1; 2],
        dilation: [1; 2],
        dtype: DType::F32,
    };
    let error = workspace(&wrong, H100).unwrap_err().to_string();
    for part in ["OPERATION_CONVOLUTION_FORWARD", "IVON_CUDNN=off"] {
        assert!(error.contains(part), "{error}");
    }
}
