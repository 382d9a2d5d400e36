//! The table of libraries to search.

use libloading::Library as Loaded;
use std::ffi::c_int;

/// One of NVIDIA's libraries.
pub(super) struct Library {
    pub name: &'static str,
    /// Its purpose.
    pub purpose: &'static str,
    /// True if CUDA cannot be used without it.
    pub needed: bool,
    /// The name by which cudarc loads it, if cudarc calls it. Other libraries are opened where they are used.
    pub loaded_as: Option<&'static str>,
    /// Its possible file names, the preferred one first.
    pub files: &'static [&'static str],
    /// Directories of Python packages, below `site-packages`.
    pub packages: &'static [&'static str],
    /// Functions that it must have.
    pub functions: &'static [&'static str],
    /// Libraries that must be loaded before it, from the same directory.
    pub before: &'static [&'static str],
    pub version: fn(&Loaded) -> Option<String>,
    /// Instructions to get it.
    pub get: &'static str,
}

pub(super) const LIBRARIES: [Library; 6] = [
    Library {
        name: "driver",
        purpose: "the GPU itself",
        needed: true,
        loaded_as: Some("cuda"),
        files: &["libcuda.so.1", "libcuda.so"],
        packages: &[],
        // All functions that the runtime calls, also through cudarc: those of CUDA 12.8.
        functions: &[
            "cuInit",
            "cuDeviceGet",
            "cuDeviceGetCount",
            "cuDeviceGetName",
            "cuDeviceGetAttribute",
            "cuDeviceTotalMem_v2",
            "cuDevicePrimaryCtxRetain",
            "cuDevicePrimaryCtxRelease_v2",
            "cuCtxGetCurrent",
            "cuCtxSetCurrent",
            "cuMemGetInfo_v2",
            "cuMemAlloc_v2",
            "cuMemAllocAsync",
            "cuMemFree_v2",
            "cuMemFreeAsync",
            "cuMemHostAlloc",
            "cuMemFreeHost",
            "cuMemcpyHtoDAsync_v2",
            "cuMemcpyDtoHAsync_v2",
            "cuMemcpyDtoDAsync_v2",
            "cuMemsetD8Async",
            "cuMemsetD16Async",
            "cuMemsetD32Async",
            "cuStreamCreate",
            "cuStreamDestroy_v2",
            "cuStreamSynchronize",
            "cuStreamWaitEvent",
            "cuStreamBeginCapture_v2",
            "cuStreamEndCapture",
            "cuEventCreate",
            "cuEventDestroy_v2",
            "cuEventRecord",
            "cuEventSynchronize",
            "cuEventElapsedTime_v2",
            "cuGraphInstantiateWithFlags",
            "cuGraphLaunch",
            "cuGraphDestroy",
            "cuGraphExecDestroy",
            "cuModuleLoadData",
            "cuModuleUnload",
            "cuModuleGetFunction",
            "cuFuncGetParamInfo",
            "cuFuncSetAttribute",
            "cuLaunchKernel",
        ],
        before: &[],
        version: |library| number(library, b"cuDriverGetVersion\0").map(|n| format!("CUDA {}.{}", n / 1000, n % 1000 / 10)),
        get: "install the NVIDIA driver, 570 or later, from https://www.nvidia.com/drivers or your distribution",
    },
    Library {
        name: "NVRTC",
        purpose: "compiles kernels for the GPU",
        needed: true,
        loaded_as: Some("nvrtc"),
        files: &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
        packages: &["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", "torch/lib"],
        functions: &[
            "nvrtcVersion",
            "nvrtcCreateProgram",
            "nvrtcDestroyProgram",
            "nvrtcCompileProgram",
            "nvrtcGetCUBINSize",
            "nvrtcGetCUBIN",
            "nvrtcGetProgramLogSize",
            "nvrtcGetProgramLog",
        ],
        // The packages of CUDA 13.0 do not contain the path of this library.
        before: &["libnvrtc-builtins.so"],
        version: |library| {
            // SAFETY: NVIDIA's header declares this type.
            let ask = unsafe { library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(b"nvrtcVersion\0") }.ok()?;
            let (mut major, mut minor) = (0, 0);
            // SAFETY: the function writes the two numbers.
            let code = unsafe { ask(&mut major, &mut minor) };
            (code == 0).then(|| format!("{major}.{minor}"))
        },
        get: "pip install nvidia-cuda-nvrtc, or install the CUDA toolkit (13, or 12)",
    },
    Library {
        name: "cuBLASLt",
        purpose: "products of matrices",
        needed: true,
        loaded_as: Some("cublasLt"),
        files: &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
        packages: &["nvidia/cu13/lib", "nvidia/cublas/lib", "torch/lib"],
        functions: &[
            "cublasLtGetVersion",
            "cublasLtCreate",
            "cublasLtDestroy",
            "cublasLtMatmul",
            "cublasLtMatmulAlgoGetHeuristic",
            "cublasLtMatmulDescCreate",
            "cublasLtMatmulDescDestroy",
            "cublasLtMatmulDescSetAttribute",
            "cublasLtMatmulPreferenceCreate",
            "cublasLtMatmulPreferenceDestroy",
            "cublasLtMatmulPreferenceSetAttribute",
            "cublasLtMatrixLayoutCreate",
            "cublasLtMatrixLayoutDestroy",
            "cublasLtMatrixLayoutSetAttribute",
        ],
        before: &[],
        version: |library| {
            size(library, b"cublasLtGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100))
        },
        get: "pip install nvidia-cublas, or install the CUDA toolkit (13, or 12)",
    },
    Library {
        name: "cuDNN",
        purpose: "fast convolutions; without it our own kernels serve, slowly",
        needed: false,
        loaded_as: Some("cudnn"),
        files: &["libcudnn.so.9"],
        packages: &["nvidia/cudnn/lib", "torch/lib"],
        functions: &[
            "cudnnGetVersion",
            "cudnnCreate",
            "cudnnDestroy",
            "cudnnSetStream",
            "cudnnGetLastErrorString",
            "cudnnBackendCreateDescriptor",
            "cudnnBackendDestroyDescriptor",
            "cudnnBackendSetAttribute",
            "cudnnBackendGetAttribute",
            "cudnnBackendFinalize",
            "cudnnBackendExecute",
        ],
        before: &[],
        version: |library| size(library, b"cudnnGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100)),
        get: "pip install nvidia-cudnn-cu13",
    },
    Library {
        name: "NCCL",
        purpose: "several GPUs; not used yet",
        needed: false,
        loaded_as: None,
        files: &["libnccl.so.2", "libnccl.so"],
        packages: &["nvidia/nccl/lib", "torch/lib"],
        functions: &["ncclGetVersion", "ncclAllReduce"],
        before: &[],
        version: |library| number(library, b"ncclGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100)),
        get: "pip install nvidia-nccl-cu13",
    },
    Library {
        name: "NVTX",
        purpose: "ranges of layers and ops for Nsight Systems",
        needed: false,
        loaded_as: None,
        files: &["libnvtx3interop.so.1", "libnvtx3interop.so", "libnvToolsExt.so.1", "libnvToolsExt.so"],
        packages: &["nvidia/cu13/lib", "nvidia/nvtx/lib"],
        functions: &["nvtxRangePushA", "nvtxRangePop"],
        before: &[],
        version: |_| None,
        get: "pip install nvidia-nvtx",
    },
];

/// Calls a function of type `int f(int *)`.
fn number(library: &Loaded, name: &[u8]) -> Option<i64> {
    // SAFETY: NVIDIA's headers declare this type for the functions that are called here.
    let ask = unsafe { library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(name) }.ok()?;
    let mut number = 0;
    // SAFETY: the function writes one number.
    let code = unsafe { ask(&mut number) };
    (code == 0).then_some(number as i64)
}

/// Calls a function of type `size_t f(void)`.
fn size(library: &Loaded, name: &[u8]) -> Option<usize> {
    // SAFETY: NVIDIA's headers declare this type for the functions that are called here.
    let ask = unsafe { library.get::<unsafe extern "C" fn() -> usize>(name) }.ok()?;
    // SAFETY: the function has no arguments.
    Some(unsafe { ask() })
}
