//! Operations that move, repeat or rename axes.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

model! {
    Moved<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let y = self.up.forward(x);
        let turned = y.permute([2, 0, 1]) * x.permute([-1, 0, -2]);
        let back = turned.permute([1, 2, 0]).unsqueeze(1).squeeze(1).unsqueeze(-1).squeeze(3);
        let open = back.reshape([_, N, T]).reshape([B, _]);
        (open * open).mean() + (y.transpose(-1, 1) * turned.transpose(0, 1)).sum()
    }
}

#[test]
fn permute_squeeze_unsqueeze_and_open_reshapes() {
    let x = tensor([2, 4, 3], 1);
    verify!(Moved::<3>::new(), x);
}

model! {
    Expanded<N> { row: Parameter<N>, column: Parameter<4, 1>, up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>, y: Tensor<T, 1>) -> Tensor {
        let wide = y.expand([B, T, N]) * self.up.forward(x);
        let table = self.row.expand([4, N]) * self.column.expand([4, N]);
        let kept = x.sum_keep(1).expand([B, T, N]) * wide;
        (wide * wide).sum() + (table * table).sum() + (kept * kept).mean()
    }
}

#[test]
fn expand() {
    let (x, y) = (tensor([2, 4, 3], 1), tensor([4, 1], 2));
    verify!(Expanded::<3>::new(), x, y);
}

/// A dimension that is left open is computed when the model runs.
#[test]
fn a_dimension_that_does_not_come_out_is_refused() {
    let cx = context();
    let error = Open::new().halves(&cx, &cx.zeros([3, 3]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("[3, 3]") && error.contains("9 elements") && error.contains("other dimensions, 2"), "{error}");
}

#[variational]
struct Open {
    up: Linear<3, 3>,
}

#[variational]
impl Open {
    fn halves<B>(&self, x: Tensor<B, 3>) -> Tensor {
        x.reshape([2, _]).sum() + self.up.forward(x).sum()
    }
}
