//! Launches with arguments that do not fit the declaration of a kernel are refused, and nothing is launched.

#[path = "shared/compare.rs"]
mod compare;

use compare::look_for_the_emulator;
use ivon_runtime::args;
use ivon_runtime::cuda::{Arg, Grid, Source};
use ivon_runtime::prelude::*;

// SAFETY: tests launch them with the sizes of their tensors, and wrong arguments of which the checks let none pass.
static KERNELS: Source = unsafe {
    Source::new(
        "launches",
        r#"
        #define SIZES uint64_t elements
        extern "C" __global__ void scale(const real* __restrict__ x, real* y, float factor, SIZES) {
          uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
          if (i < elements) y[i] = from_float<real>(factor * to_float(x[i]));
        }
        extern "C" __global__ void count(const uint32_t* ids, float* sum, void* anything, uint32_t n, int32_t shift) {}
        struct Pair { float a, b; };
        extern "C" __global__ void own(Pair* pairs) {}
        extern "C" __global__ void takes_bool(real* y, bool yes) {}
        "#,
    )
};

// SAFETY: it is never launched: its declaration reads otherwise than the compiler takes it.
static HIDDEN: Source = unsafe {
    Source::new(
        "hidden",
        r#"
        namespace other {
          typedef uint64_t uint32_t;
          extern "C" __global__ void hidden(float* y, uint32_t n) {}
        }
        using other::hidden;
        "#,
    )
};

fn context() -> Option<Context> {
    look_for_the_emulator().then(|| Context::new(Device::Cuda(0), DType::F32).unwrap())
}

fn scale(cx: &Context, args: &mut [Arg]) -> Result<()> {
    KERNELS.launch(cx, "scale", Grid::over(8), args)
}

/// Launches beside a good one, in a real pass and in a dry run: each is an error with these words.
#[track_caller]
fn refused(cx: &Context, words: &str, launch: impl Fn(&Context) -> Result<()>) {
    let launches = || ivon_emulator::load().map(|emulator| emulator.counts().1);
    let before = launches();
    let real = launch(cx).unwrap_err().to_string();
    assert!(real.contains(words), "{real}");
    assert_eq!(launches(), before, "nothing is launched");
    let dry = cx.plan(|cx| launch(cx)).unwrap_err().to_string();
    assert!(dry.contains(words), "in a dry run: {dry}");
}

#[test]
fn arguments_that_fit_are_launched() {
    let Some(cx) = context() else { return };
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]).unwrap();
    let mut y = cx.empty([3]).unwrap();
    scale(&cx, &mut args![&x, &mut y, 2.0f32, 3usize]).unwrap();
    assert_eq!(y.to_f64(), [2.0, 4.0, 6.0]);
    let (ids, mut sum) = (Tensor::from_slice(&[1u32], [1]).unwrap(), cx.zeros([1]).unwrap());
    KERNELS.launch(&cx, "count", Grid::new(1), &mut args![&ids, &mut sum, Arg::Null, 3u32, -1i32]).unwrap();
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let Some(cx) = context() else { return };
    let x = Tensor::from_slice(&[1.0f32; 8], [8]).unwrap();
    let ids = Tensor::from_slice(&[1u32; 8], [8]).unwrap();
    let half = Tensor::from_slice(&[half::bf16::ONE; 8], [8]).unwrap();
    refused(&cx, "it takes 4 arguments, and was given 3", |cx| scale(cx, &mut args![&x, &mut cx.empty([8])?, 2.0f32]));
    refused(&cx, "it takes 4 arguments, and was given 5", |cx| {
        scale(cx, &mut args![&x, &mut cx.empty([8])?, 2.0f32, 8usize, 1u32])
    });
    refused(&cx, "argument 2, for `float factor`: the argument is a number of `uint64_t`", |cx| {
        scale(cx, &mut args![&x, &mut cx.empty([8])?, 2usize, 8usize])
    });
    refused(&cx, "argument 3, for `uint64_t elements`: the argument is a number of `uint32_t`", |cx| {
        scale(cx, &mut args![&x, &mut cx.empty([8])?, 2.0f32, 8u32])
    });
    // An address of the caller's choice.
    refused(&cx, "argument 1, for `real* y`: the argument is a number", |cx| {
        scale(cx, &mut args![&x, 4096usize, 2.0f32, 8usize])
    });
    refused(&cx, "argument 2, for `float factor`: the argument is a null pointer", |cx| {
        scale(cx, &mut [Arg::In(&x), Arg::Out(&mut cx.empty([8])?), Arg::Null, Arg::U64(8)])
    });
    refused(&cx, "`const`; pass `&` where the kernel reads it", |cx| {
        scale(cx, &mut args![&mut cx.empty([8])?, &mut cx.empty([8])?, 2.0f32, 8usize])
    });
    refused(&cx, "pass `&mut` where the kernel writes it", |cx| scale(cx, &mut args![&x, &x, 2.0f32, 8usize]));
    refused(&cx, "it takes elements of F32, and the tensor has U32", |cx| {
        scale(cx, &mut args![&ids, &mut cx.empty([8])?, 2.0f32, 8usize])
    });
    refused(&cx, "it takes elements of F32, and the tensor has Bf16", |cx| {
        scale(cx, &mut args![&half, &mut cx.empty([8])?, 2.0f32, 8usize])
    });
    refused(&cx, "it takes elements of F32, and the tensor has U32", |cx| {
        scale(cx, &mut args![&x, &mut cx.empty_of(DType::U32, [8])?, 2.0f32, 8usize])
    });
    refused(&cx, "the tensor is shared", |cx| {
        let mut y = cx.empty([8])?;
        let _other = y.clone();
        scale(cx, &mut args![&x, &mut y, 2.0f32, 8usize])
    });
    refused(&cx, "the tensor lies in the CPU's memory", |cx| {
        let mut y = Tensor::from_slice(&[0.0f32; 8], [8])?;
        scale(cx, &mut args![&x, &mut y, 2.0f32, 8usize])
    });
    refused(&cx, "for `Pair* pairs`: a tensor has no elements of this type", |cx| {
        KERNELS.launch(cx, "own", Grid::new(1), &mut args![&mut cx.empty([8])?])
    });
    refused(&cx, "the parameter `bool yes` is none that a launch can pass", |cx| {
        KERNELS.launch(cx, "takes_bool", Grid::new(1), &mut args![&mut cx.empty([8])?, true])
    });
    refused(&cx, "declares no such kernel; it declares `count`, `own`, `scale`, `takes_bool`", |cx| {
        KERNELS.launch(cx, "sacle", Grid::new(1), &mut args![&x])
    });
}

#[test]
fn the_types_are_those_of_the_context() {
    if !look_for_the_emulator() {
        return;
    }
    let cx = Context::new(Device::Cuda(0), DType::Bf16).unwrap();
    let x = Tensor::from_slice(&[1.0f32; 8], [8]).unwrap();
    refused(&cx, "it takes elements of Bf16, and the tensor has F32", |cx| {
        scale(cx, &mut args![&x, &mut cx.empty([8])?, 2.0f32, 8usize])
    });
    let mut y = cx.empty([8]).unwrap();
    scale(&cx, &mut args![&cx.input(&x).unwrap(), &mut y, 2.0f32, 8usize]).unwrap();
    assert_eq!(y.to_f64(), [2.0; 8]);
}

#[test]
fn a_declaration_that_is_not_the_compiled_one_is_refused() {
    let Some(cx) = context() else { return };
    let launches = || ivon_emulator::load().map(|emulator| emulator.counts().1);
    let mut y = cx.zeros([8]).unwrap();
    let before = launches();
    let error = HIDDEN.launch(&cx, "hidden", Grid::new(1), &mut args![&mut y, 1u32]).unwrap_err().to_string();
    assert!(error.contains("and the compiled kernel takes [8, 8]"), "{error}");
    assert_eq!(launches(), before, "nothing is launched");
}

#[test]
fn a_context_on_the_cpu_launches_nothing() {
    let cx = Context::new(Device::Cpu, DType::F32).unwrap();
    let x = Tensor::from_slice(&[1.0f32; 8], [8]).unwrap();
    let mut y = cx.empty([8]).unwrap();
    let error = scale(&cx, &mut args![&x, &mut y, 2.0f32, 8usize]).unwrap_err().to_string();
    assert!(error.contains("on cpu"), "{error}");
}
