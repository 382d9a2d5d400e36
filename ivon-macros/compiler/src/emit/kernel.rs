//! Fused elementwise kernels: a Rust loop's body and the same body as CUDA C++, from one graph.

use super::Method;
use crate::differentiate::{BackwardKernel, Read};
use crate::expression::{Graph, NodeId};
use crate::ir::Kernel;
use crate::ir::*;
use crate::names;
use crate::syntax::expr_text;
use proc_macro2::{Ident, Literal};
use quote::{format_ident, quote};

/// Emits the kernel of an instruction, unless it was emitted before; its name.
pub(super) fn emit_forward(method: &Method, instruction: &Instruction, kernel: &Kernel) -> Ident {
    let name = kernel_name(method, instruction.results[0], "");
    let inputs = value_names(method, kernel);
    emit(method, &name, &text(method, kernel), &kernel.graph, &[kernel.root], &inputs, kernel.numbers.len());
    name
}

/// The same for the derivative of a kernel.
pub(super) fn emit_backward(method: &Method, result: ValueId, forward: &Kernel, kernel: &BackwardKernel) -> Ident {
    let name = kernel_name(method, result, "Backward");
    let read = |r: &Read| match r {
        Read::Value(v) => method.value(*v).name.clone(),
        Read::Gradient => names::adjoint(&method.value(result).name),
    };
    let inputs: Vec<String> = kernel.reads.iter().map(read).collect();
    let roots: Vec<NodeId> = kernel.computed.iter().map(|(_, node)| *node).collect();
    let text = format!("gradient of {}", text(method, forward));
    emit(method, &name, &text, &kernel.graph, &roots, &inputs, kernel.numbers.len());
    name
}

fn value_names(method: &Method, kernel: &Kernel) -> Vec<String> {
    kernel.inputs.iter().map(|v| method.value(*v).name.clone()).collect()
}

/// Returns the expression as the user would write it.
pub(super) fn text(method: &Method, kernel: &Kernel) -> String {
    let numbers: Vec<String> = kernel.numbers.iter().map(|n| expr_text(n).replace("r#", "")).collect();
    kernel.graph.text(kernel.root, &value_names(method, kernel), &numbers)
}

/// `MlpForwardGelu`, `MlpForwardGeluBackward`
fn kernel_name(method: &Method, result: ValueId, suffix: &str) -> Ident {
    let prefix = names::type_prefix(method.owner, &method.function.name);
    // The result of a free function goes by the function's name.
    match !method.receiver && method.program.outputs == [result] {
        true => format_ident!("{prefix}{suffix}"),
        false => format_ident!("{prefix}{}{suffix}", names::camel(&method.value(result).name)),
    }
}

fn emit(method: &Method, name: &Ident, text: &str, graph: &Graph, roots: &[NodeId], inputs: &[String], numbers: usize) {
    if method.kernels.borrow().contains_key(&name.to_string()) {
        return;
    }
    let names: Vec<Ident> = inputs.iter().map(|n| names::ident(n)).collect();
    let number_names: Vec<Ident> = (0..numbers).map(|i| format_ident!("s{i}")).collect();
    let body = graph.rust(roots, inputs, numbers);
    let cuda = graph.cuda(roots);
    let operations = Literal::usize_unsuffixed(graph.operations(roots));
    let docs = format!(" `{text}`");
    let [i, s, o] = [inputs.len(), numbers, roots.len()].map(Literal::usize_unsuffixed);
    let tokens = quote! {
        #[doc = #docs]
        pub struct #name;
        impl ivon::ops::pointwise::Kernel<#i, #s, #o> for #name {
            const NAME: &'static str = #text;
            const CUDA: &'static str = #cuda;
            const OPERATIONS: usize = #operations;
            #[inline(always)]
            fn apply<R: ivon::Real>([#(#names),*]: [R; #i], [#(#number_names),*]: [R; #s]) -> [R; #o] {
                #body
            }
        }
    };
    method.kernels.borrow_mut().insert(name.to_string(), tokens);
}
