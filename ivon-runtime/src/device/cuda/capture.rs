//! Captures launches on a GPU as graphs.

use super::Cuda;
use super::error::Context as _;
use crate::core::error::{Error, Result};
use cudarc::driver::CudaGraph;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};

/// Captured launches.
pub(crate) struct Graph(CudaGraph);

impl Graph {
    /// Launches all of them. `what` names them in the error.
    pub fn launch(&self, what: &str) -> Result<()> {
        self.0.launch().doing(&format!("launch {what}"))
    }
}

impl Cuda {
    /// Records the launches of `work` as a graph, without running them.
    pub(crate) fn captured<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(Graph, R)> {
        let capture = Capture::begin(self)?;
        let result = work();
        let graph = capture.end();
        let result = result?;
        match graph? {
            Some(graph) => Ok((Graph(graph), result)),
            None => Err(Error::Device { message: "the capture of a step came out empty".into() }),
        }
    }
}

/// A capture of the stream. It ends even if the captured work panics: otherwise the stream would record all later launches
/// instead of running them.
struct Capture<'a> {
    cuda: &'a Cuda,
    open: bool,
}

impl Capture<'_> {
    fn begin(cuda: &Cuda) -> Result<Capture<'_>> {
        cuda.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).doing("begin to capture")?;
        cuda.capturing.set(true);
        Ok(Capture { cuda, open: true })
    }

    fn end(mut self) -> Result<Option<CudaGraph>> {
        self.close()
    }

    fn close(&mut self) -> Result<Option<CudaGraph>> {
        self.open = false;
        self.cuda.capturing.set(false);
        self.cuda.stream.end_capture(CUgraphInstantiate_flags(0)).doing("capture a step")
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        if self.open {
            // The panic continues; a lost device reports itself at the next call.
            let _ = self.close();
        }
    }
}
