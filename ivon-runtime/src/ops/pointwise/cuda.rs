//! Fused pointwise expressions on a GPU: the kernel is written around the expression's body, once for what it is called with.

use super::{Kernel, body, repeats};
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::digest::{Digest, Digester};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cuda::{Grid, Source, Text};
use crate::ops::shared::axes::Repeats;
use crate::tensor::Tensor;
use std::fmt::Write;

/// Threads go on to further elements beyond so many blocks: enough to fill any GPU.
const BLOCKS: usize = 4096;

/// The compute type, or f32 where all inputs are: a loss stays in f32.
pub(super) fn output_type(cx: &Context, inputs: &[&Tensor]) -> DType {
    let all_f32 = !inputs.is_empty() && inputs.iter().all(|x| x.dtype() == DType::F32);
    if all_f32 { DType::F32 } else { cx.dtype() }
}

/// outputs\[j\] = K(inputs)\[j\], or += where it says so.
pub(super) fn evaluate<K: Kernel<I, S, O>, const I: usize, const S: usize, const O: usize>(
    cx: &Context,
    shape: Shape,
    inputs: [&Tensor; I],
    scalars: [f64; S],
    outputs: [Option<(&mut Tensor, bool)>; O],
) -> Result<()> {
    let lengths = inputs.map(|x| x.shape().elements());
    let repeats = inputs.map(|x| repeats(x, &shape));
    // Sixteen bytes a thread, where no such piece runs over the end of an input, or of a part of it, that repeats.
    let wide = 16 / cx.dtype().bytes();
    let fits = |(length, repeats): (&usize, &Repeats)| match (repeats.is_whole(), repeats.inner) {
        (true, _) => *length == 1 || length.is_multiple_of(wide),
        (false, 1) => repeats.axis.is_multiple_of(wide),
        (false, inner) => inner.is_multiple_of(wide),
    };
    let all_fit = lengths.iter().zip(&repeats).all(fits);
    let vector = if all_fit && shape.elements().is_multiple_of(wide) { wide } else { 1 };
    let form = Form {
        inputs: inputs.map(|x| x.dtype() == DType::F32).to_vec(),
        along: repeats.map(|repeats| !repeats.is_whole()).to_vec(),
        numbers: S,
        outputs: outputs.each_ref().map(|y| y.as_ref().is_some_and(|(y, _)| y.dtype() == DType::F32)).to_vec(),
        vector,
    };
    let kernel = cx.gpu()?.generated(form.key(K::CUDA), || form.source(K::NAME, K::CUDA))?;
    let groups = shape.elements() / vector;
    let mut args: Vec<Arg> = vec![];
    for ((x, length), repeats) in inputs.iter().zip(lengths).zip(repeats) {
        args.extend([Arg::from(*x), Arg::from(length)]);
        if !repeats.is_whole() {
            args.extend([Arg::from(repeats.axis), Arg::from(repeats.inner)]);
        }
    }
    args.extend(scalars.map(|s| Arg::from(s as f32)));
    for output in outputs {
        let add = output.as_ref().is_some_and(|(_, add)| *add);
        args.extend([Arg::from(output.map(|(y, _)| y)), Arg::from(add)]);
    }
    args.push(Arg::from(groups));
    kernel.launch(cx, "pointwise", Grid::over(groups).at_most(BLOCKS), &mut args)
}

pub(super) fn source(name: &str, body: &str, [inputs, numbers, outputs]: [usize; 3], vector: usize) -> Text {
    Form { inputs: vec![false; inputs], along: vec![false; inputs], numbers, outputs: vec![false; outputs], vector }
        .named_text(name, body)
}

/// Everything besides the body that the text of a kernel depends on.
struct Form {
    /// For each input, true if it is f32 in every context.
    inputs: Vec<bool>,
    /// For each input, true if it repeats along an axis: see [`Repeats`].
    along: Vec<bool>,
    numbers: usize,
    /// The same for each output.
    outputs: Vec<bool>,
    /// Elements a thread at a time.
    vector: usize,
}

impl Form {
    /// The digest of everything that the kernel depends on.
    fn key(&self, body: &str) -> Digest {
        let flags = |types: &[bool]| types.iter().map(|f32| *f32 as usize).collect::<Vec<_>>();
        let mut key = Digester::new("pointwise");
        key.text(body)
            .numbers(&flags(&self.inputs))
            .numbers(&flags(&self.along))
            .numbers(&flags(&self.outputs))
            .numbers(&[self.numbers, self.vector]);
        key.finish()
    }

    /// # Errors
    /// If the body is more than arithmetic.
    fn source(&self, name: &str, body: &str) -> Result<Source> {
        body::check(name, body)?;
        // SAFETY: the body computes with numbers alone, which was just checked. The code around it reads elements below the lengths of
        // the inputs and reads and writes as many elements of each output as the launch above has groups for, which is the shape that
        // outputs have. Inputs are not empty where there are groups.
        Ok(unsafe { Source::generated(self.named_text(name, body)) })
    }

    fn named_text(&self, name: &str, body: &str) -> Text {
        Text::new(format!("pointwise_{}", self.key(body)), self.text(name, body))
    }

    fn text(&self, name: &str, body: &str) -> String {
        let real = |f32: &bool| if *f32 { "float" } else { "real" };
        let mut text = format!("// {}\n", name.replace(|c: char| c.is_control() || c == '\\', " "));
        text += READ_AND_WRITE;
        text += "extern \"C\" __global__ void __launch_bounds__(256) pointwise(";
        // A `String` takes any text: `write!` cannot fail here and below.
        for (i, f32) in self.inputs.iter().enumerate() {
            let _ = write!(text, "const {}* in_{i}, uint64_t length_{i}, ", real(f32));
            if self.along[i] {
                let _ = write!(text, "uint64_t axis_{i}, uint64_t inner_{i}, ");
            }
        }
        for i in 0..self.numbers {
            let _ = write!(text, "float s{i}, ");
        }
        for (i, f32) in self.outputs.iter().enumerate() {
            let _ = write!(text, "{}* to_{i}, uint32_t add_{i}, ", real(f32));
        }
        let vector = self.vector;
        text += "uint64_t groups) {\n";
        text += "  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;\n";
        text += "  for (uint64_t g = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; g < groups; g += stride) {\n";
        for i in 0..self.inputs.len() {
            let (read, along) = match self.along[i] {
                true => ("read_along", format!("axis_{i}, inner_{i}, ")),
                false => ("read", String::new()),
            };
            let _ = writeln!(text, "    float a{i}[{vector}];\n    {read}(in_{i}, length_{i}, {along}g * {vector}, a{i});");
        }
        for i in 0..self.outputs.len() {
            let _ = writeln!(text, "    float b{i}[{vector}];");
        }
        let _ = writeln!(text, "#pragma unroll\n    for (int j = 0; j < {vector}; ++j) {{");
        for i in 0..self.inputs.len() {
            let _ = writeln!(text, "      const float x{i} = a{i}[j];");
        }
        for i in 0..self.outputs.len() {
            let _ = writeln!(text, "      float y{i};");
        }
        let _ = writeln!(text, "      {}", body.trim_end().replace('\n', "\n      "));
        for i in 0..self.outputs.len() {
            let _ = writeln!(text, "      b{i}[j] = y{i};");
        }
        text += "    }\n";
        for i in 0..self.outputs.len() {
            let _ = writeln!(text, "    write(to_{i}, add_{i}, g * {vector}, b{i});");
        }
        text += "  }\n}\n";
        text
    }
}

/// Pieces of N elements: read from an input that repeats, written or added to an output that may not be wanted.
const READ_AND_WRITE: &str = "
template <int N, class T> __device__ __forceinline__ void read(const T* from, uint64_t length, uint64_t at, float (&to)[N]) {
  if (length == 1) {
    float x = to_float(from[0]);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = x;
  } else {
    load<N>(from + (at < length ? at : at % length), to);
  }
}
// The same of one that repeats along an axis: no piece runs over the end of one of its parts.
template <int N, class T>
__device__ __forceinline__ void read_along(
    const T* from, uint64_t length, uint64_t axis, uint64_t inner, uint64_t at, float (&to)[N]) {
  uint64_t part = at / inner / axis % (length / inner);
  if (inner == 1) {
    float x = to_float(from[part]);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = x;
  } else {
    load<N>(from + part * inner + at % inner, to);
  }
}
template <int N, class T> __device__ __forceinline__ void write(T* to, uint32_t add, uint64_t at, float (&from)[N]) {
  if (!to) return;
  if (add) {
    float old[N];
    load<N>(to + at, old);
#pragma unroll
    for (int i = 0; i < N; ++i) from[i] += old[i];
  }
  store<N>(to + at, from);
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_around_a_body_reads_like_one_by_hand() {
        let form = Form { inputs: vec![false, true], along: vec![false; 2], numbers: 1, outputs: vec![false], vector: 4 };
        let text = form.text("s * x + b", "y0 = s0 * x0 + x1;");
        for line in [
            "// s * x + b",
            "void __launch_bounds__(256) pointwise(const real* in_0, uint64_t length_0, const float* in_1, uint64_t length_1, float s0, \
             real* to_0, uint32_t add_0, uint64_t groups) {",
            "    read(in_1, length_1, g * 4, a1);",
            "      const float x1 = a1[j];",
            "      y0 = s0 * x0 + x1;",
            "    write(to_0, add_0, g * 4, b0);",
        ] {
            assert!(text.contains(line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn every_form_of_every_body_has_a_key_of_its_own() {
        let form = |inputs: &[bool], numbers, outputs: &[bool], vector| {
            let along = vec![false; inputs.len()];
            Form { inputs: inputs.to_vec(), along, numbers, outputs: outputs.to_vec(), vector }
        };
        let key =
            |body: &str, inputs: &[bool], numbers, outputs: &[bool], vector| form(inputs, numbers, outputs, vector).key(body);
        let all = [
            key("y0 = x0;", &[false], 0, &[false], 1),
            key("y0 = -x0;", &[false], 0, &[false], 1),
            key("y0 = x0;", &[true], 0, &[false], 1),
            key("y0 = x0;", &[false], 0, &[true], 1),
            key("y0 = x0;", &[false], 1, &[false], 1),
            key("y0 = x0;", &[false], 0, &[false], 8),
            // Twice the width with one input, and once with two.
            key("y0 = x0;", &[false, false], 0, &[false], 4),
            key("y0 = x0;", &[false, false], 0, &[false], 1),
            Form { along: vec![true], ..form(&[false], 0, &[false], 1) }.key("y0 = x0;"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
