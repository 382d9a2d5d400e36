use ivon_runtime::prelude::*;

#[variational]
struct Deep {
    table: Parameter<2, 2, 2, 2, 2, 2, 2>,
}

#[variational]
impl Deep {
    fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor {
        x.sum() * self.table.sum()
    }
}

fn main() {}
