//! The description of a convolution as a cuDNN graph, and the engines that cuDNN offers for it.

use super::descriptor::{Descriptor, Kind, Name, Type};
use super::{Convolution, Product};
use crate::core::dtype::DType;
use crate::core::error::Result;
use cudarc::cudnn::sys;
use std::ffi::c_void;

/// The ids of the tensors: x or its gradient, the weight or its gradient, y or its gradient.
pub(crate) const NAMES: [i64; 3] = [b'x' as i64, b'w' as i64, b'y' as i64];

/// The GPU that a convolution is for.
#[derive(Clone, Copy)]
pub(crate) enum Gpu<'a> {
    Opened(sys::cudnnHandle_t),
    /// A GPU that does not have to be present.
    Described(&'a Descriptor),
}

/// A graph of one operation, with its parts.
pub(crate) struct Graph {
    whole: Descriptor,
    /// In an order in which they may be dropped.
    _parts: [Descriptor; 5],
}

impl Graph {
    pub fn new(c: &Convolution, gpu: Gpu) -> Result<Graph> {
        let tensors = [tensor(NAMES[0], c.x, c.dtype)?, tensor(NAMES[1], c.weight, c.dtype)?, tensor(NAMES[2], c.y, c.dtype)?];
        let window = window(c)?;
        let operation = operation(c.product, &window, &tensors)?;
        let whole = Descriptor::of(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, |graph| {
            if let Gpu::Opened(handle) = gpu {
                graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle])?;
            }
            graph.set_descriptors(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, [&operation])
        })?;
        let [x, weight, y] = tensors;
        Ok(Graph { whole, _parts: [operation, window, x, weight, y] })
    }

    /// Returns configurations of engines: first those that cuDNN expects to be the fastest, then slow ones that support nearly
    /// every shape.
    pub fn configurations(&self, gpu: Gpu) -> Result<Vec<Descriptor>> {
        use sys::cudnnBackendHeurMode_t::{CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
        let mut all = vec![];
        for mode in [CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK] {
            let heuristics = Descriptor::of(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, |heuristics| {
                heuristics.set_descriptors(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, [&self.whole])?;
                heuristics.set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, Type::CUDNN_TYPE_HEUR_MODE, &[mode])?;
                match gpu {
                    Gpu::Described(device) => heuristics.set_descriptors(Name::CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, [device]),
                    Gpu::Opened(_) => Ok(()),
                }
            });
            // If one mode finds nothing, the other one may.
            if let Ok(heuristics) = heuristics {
                let kind = Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
                all.extend(heuristics.get_descriptors(Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, kind, MOST_CONFIGURATIONS)?);
            }
        }
        Ok(all)
    }
}

const MOST_CONFIGURATIONS: usize = 128;

/// cuDNN's notes on an engine that decide if we may use it. Values of `cudnnBackendNumericalNote_t`, to which each version adds
/// some.
const TENSOR_CORE: i32 = 0;
const DOWN_CONVERT_INPUTS: i32 = 1;
const REDUCED_PRECISION_REDUCTION: i32 = 2;
const NONDETERMINISTIC: i32 = 4;

/// True if the engine of a configuration gives the same bits each time, sums in f32, and computes f32 without tensor cores, which
/// would use TF32.
pub(crate) fn allowed(configuration: &Descriptor, dtype: DType) -> Result<bool> {
    let kind = Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    let engines = configuration.get_descriptors(Name::CUDNN_ATTR_ENGINECFG_ENGINE, kind, 1)?;
    let mut notes = [-1; 32];
    let Some(engine) = engines.first() else { return Ok(false) };
    let count = engine.get(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, Type::CUDNN_TYPE_NUMERICAL_NOTE, &mut notes)?;
    let refused: &[i32] = match dtype {
        DType::Bf16 => &[NONDETERMINISTIC, REDUCED_PRECISION_REDUCTION],
        _ => &[NONDETERMINISTIC, REDUCED_PRECISION_REDUCTION, TENSOR_CORE, DOWN_CONVERT_INPUTS],
    };
    Ok(!notes[..count].iter().any(|note| refused.contains(note)))
}

/// Describes a tensor [B, H, W, C], or a weight [OUT, HIGH, WIDE, IN]. cuDNN lists dimensions in the order B, C, H, W,
/// whatever their order in memory.
fn tensor(name: i64, [b, h, w, c]: [usize; 4], dtype: DType) -> Result<Descriptor> {
    let numbers = |all: [usize; 4]| all.map(|n| n as i64);
    let data_type = match dtype {
        DType::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        _ => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
    };
    Descriptor::of(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR, |tensor| {
        tensor.set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, Type::CUDNN_TYPE_INT64, &[name])?;
        tensor.set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[data_type])?;
        tensor.set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, Type::CUDNN_TYPE_INT64, &numbers([b, c, h, w]))?;
        tensor.set(Name::CUDNN_ATTR_TENSOR_STRIDES, Type::CUDNN_TYPE_INT64, &numbers([h * w * c, 1, w * c, c]))?;
        // Arena, parameters and inputs are aligned to at least 128 bytes.
        tensor.set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, Type::CUDNN_TYPE_INT64, &[16i64])
    })
}

/// Describes the window of the convolution; sums are f32.
fn window(c: &Convolution) -> Result<Descriptor> {
    let both = |numbers: [usize; 2]| numbers.map(|n| n as i64);
    Descriptor::of(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, |window| {
        let f32 = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[f32])?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE, Type::CUDNN_TYPE_CONVOLUTION_MODE, &[mode])?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, Type::CUDNN_TYPE_INT64, &[2i64])?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, Type::CUDNN_TYPE_INT64, &both(c.stride))?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, Type::CUDNN_TYPE_INT64, &both(c.padding))?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, Type::CUDNN_TYPE_INT64, &both(c.padding))?;
        window.set(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, Type::CUDNN_TYPE_INT64, &both(c.dilation))
    })
}

fn operation(product: Product, window: &Descriptor, [x, weight, y]: &[Descriptor; 3]) -> Result<Descriptor> {
    use Name::*;
    let (kind, alpha, beta, named) = match product {
        Product::Forward => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
            [
                (CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, window),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y),
            ],
        ),
        Product::Input => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
            [
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, window),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, weight),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y),
            ],
        ),
        Product::Weight => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
            [
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, window),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, weight),
                (CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, y),
            ],
        ),
    };
    Descriptor::of(kind, |operation| {
        // The operation overwrites and never adds: few engines could add.
        operation.set(alpha, Type::CUDNN_TYPE_FLOAT, &[1.0f32])?;
        operation.set(beta, Type::CUDNN_TYPE_FLOAT, &[0.0f32])?;
        named.into_iter().try_for_each(|(name, descriptor)| operation.set_descriptors(name, [descriptor]))
    })
}

/// A configuration prepared for a GPU, and its workspace in bytes.
pub(crate) struct Execution {
    plan: Descriptor,
    pub workspace: usize,
    _configuration: Descriptor,
}

impl Execution {
    /// # Errors
    /// If the engine does not support this shape on this GPU. Another one may.
    pub fn new(configuration: Descriptor, gpu: Gpu) -> Result<Execution> {
        let plan = Descriptor::of(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, |plan| {
            match gpu {
                Gpu::Opened(handle) => plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle])?,
                Gpu::Described(device) => plan.set_descriptors(Name::CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, [device])?,
            }
            plan.set_descriptors(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, [&configuration])
        })?;
        let mut workspace = [0i64];
        plan.get(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, Type::CUDNN_TYPE_INT64, &mut workspace)?;
        Ok(Execution { plan, workspace: workspace[0].max(0) as usize, _configuration: configuration })
    }

    /// Launches the computation on the handle's stream.
    ///
    /// # Safety
    /// The addresses must be those of tensors of the convolution for which this was made, x, weight and y, aligned to 16 bytes,
    /// and of a workspace of the required size (0 if none is required).
    pub unsafe fn run(&self, handle: sys::cudnnHandle_t, tensors: [u64; 3], workspace: u64) -> Result<()> {
        let pointer = |address: u64| address as *mut c_void;
        let given = Descriptor::of(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, |given| {
            given.set(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, Type::CUDNN_TYPE_INT64, &NAMES)?;
            given.set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, Type::CUDNN_TYPE_VOID_PTR, &tensors.map(pointer))?;
            given.set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, Type::CUDNN_TYPE_VOID_PTR, &[pointer(workspace)])
        })?;
        // SAFETY: by the contract of this function; both descriptors are finalized.
        let status = unsafe { sys::cudnnBackendExecute(handle, self.plan.raw(), given.raw()) };
        super::descriptor::told(status, || "convolve".into())
    }
}
