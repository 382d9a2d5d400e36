//! Time on the CPU, and on a GPU with events between its kernels.

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::device::cuda::{Cuda, Moment};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// A clock of the CPU or of a GPU.
pub(super) enum Clock {
    Processor,
    Gpu { cuda: Rc<Cuda>, intervals: RefCell<Vec<Interval>>, failure: RefCell<Option<Error>> },
}

/// Two moments on a GPU, before and after a kernel of this node.
pub(super) struct Interval {
    node: usize,
    from: Moment,
    to: Moment,
}

/// The begin of a scope.
pub(super) enum Stamp {
    Processor(Instant),
    Gpu(Moment),
    /// The scope is not timed.
    None,
}

impl Clock {
    /// Returns the clock of the device on which the context computes.
    pub fn of(cx: &Context) -> Result<Clock> {
        let Some(cuda) = cx.cuda().cloned() else { return Ok(Clock::Processor) };
        cuda.synchronize()?;
        Ok(Clock::Gpu { cuda, intervals: RefCell::default(), failure: RefCell::default() })
    }

    /// Begins a time. On a GPU only kernels are timed, because the GPU may be idle between them.
    pub fn start(&self, kernel: bool) -> Stamp {
        match self {
            Clock::Processor => Stamp::Processor(Instant::now()),
            Clock::Gpu { cuda, failure, .. } if kernel => match cuda.moment() {
                Ok(moment) => Stamp::Gpu(moment),
                Err(error) => {
                    failure.borrow_mut().get_or_insert(error);
                    Stamp::None
                }
            },
            Clock::Gpu { .. } => Stamp::None,
        }
    }

    /// Returns the seconds since `start`, if they are known at once.
    pub fn stop(&self, node: usize, start: &mut Stamp) -> Option<f64> {
        match (self, std::mem::replace(start, Stamp::None)) {
            (Clock::Processor, Stamp::Processor(start)) => Some(start.elapsed().as_secs_f64()),
            (Clock::Gpu { cuda, intervals, failure }, Stamp::Gpu(from)) => {
                match cuda.moment() {
                    Ok(to) => intervals.borrow_mut().push(Interval { node, from, to }),
                    Err(error) => drop(failure.borrow_mut().get_or_insert(error)),
                }
                None
            }
            _ => None,
        }
    }

    /// On a GPU: waits for all kernels and returns the seconds of each launch, by node.
    ///
    /// # Errors
    /// If the GPU was lost.
    pub fn finish(&self) -> Result<Option<Vec<(usize, f64)>>> {
        let Clock::Gpu { cuda, intervals, failure } = self else { return Ok(None) };
        if let Some(error) = failure.take() {
            return Err(error);
        }
        cuda.synchronize()?;
        let seconds = |interval: Interval| Ok((interval.node, interval.from.seconds_to(&interval.to)?));
        intervals.take().into_iter().map(seconds).collect::<Result<_>>().map(Some)
    }
}
