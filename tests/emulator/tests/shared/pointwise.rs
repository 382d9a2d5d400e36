//! The pointwise kernels: those that the macro writes for the test models and for the models of this workspace, taken from its output, and those of
//! ops that are written by hand.

use ivon_runtime::cuda::Text;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// One of them.
pub struct Kernel {
    pub expression: String,
    pub body: String,
    /// Inputs, numbers, outputs.
    pub counts: [usize; 3],
}

impl Kernel {
    /// The CUDA source around it.
    pub fn source(&self, vector: usize) -> Text {
        ivon_runtime::ops::pointwise::source(&self.expression, &self.body, self.counts, vector)
    }
}

/// The kernels of all models of the workspace, and of the ops.
pub fn kernels() -> Vec<Kernel> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files =
        ["tests/models", "models/src", "ivon-runtime/src/layers"].iter().flat_map(|folder| rust_files(&root.join(folder)));
    let mut found = Found(vec![]);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.contains("#[variational]") {
            continue;
        }
        // A file whose models need others' definitions is compiled where they are; its kernels are of the same kinds.
        let Ok(expanded) = ivon_compiler::expand_file(&file, &[]) else { continue };
        found.visit_file(&syn::parse_file(&expanded).unwrap());
    }
    for file in rust_files(&root.join("ivon-runtime/src/ops")) {
        found.visit_file(&syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap());
    }
    found.0
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            all.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}

struct Found(Vec<Kernel>);

impl<'a> Visit<'a> for Found {
    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let Some((path, _)) = &item.trait_ else { return };
        let Some(segment) = path.segments.last().filter(|s| s.ident == "Kernel") else { return };
        let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return };
        let counts: Vec<usize> =
            arguments.args.iter().map(|a| quote::ToTokens::to_token_stream(a).to_string().parse().unwrap()).collect();
        let text = |name: &str| {
            item.items.iter().find_map(|item| match item {
                syn::ImplItem::Const(c) if c.ident == name => match &c.expr {
                    syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            })
        };
        // A name may be that of another kernel.
        let expression = text("NAME").unwrap_or_default();
        let body = text("CUDA").expect("the body of a kernel is a text");
        self.0.push(Kernel { expression, body, counts: counts.try_into().unwrap() });
    }
}
