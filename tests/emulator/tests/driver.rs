//! The stand-in for the driver refuses what the real one refuses, and leaves open what the real one leaves open.

use cudarc::driver::sys::{CUevent_flags, CUfunction_attribute, CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaStream, DriverError, result};
use ivon_emulator::{Emulator, Failures, Pace, load};
use std::sync::{Arc, Mutex, MutexGuard};

/// Contexts and failures concern the whole process: tests take turns.
fn device() -> Option<(&'static Emulator, MutexGuard<'static, ()>, Arc<CudaContext>)> {
    static TURN: Mutex<()> = Mutex::new(());
    let emulator = load()?;
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = CudaContext::new(0).unwrap();
    // SAFETY: every test keeps its streams in order itself.
    unsafe { context.disable_event_tracking() };
    Some((emulator, turn, context))
}

#[track_caller]
fn refused<T>(result: Result<T, DriverError>, code: CUresult) {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => assert_eq!(error.0, code),
    }
}

/// Copies to the device.
fn upload(stream: &CudaStream, to: u64, from: &[u8]) -> Result<(), DriverError> {
    // SAFETY: the tests give memory of the device that is as long, and keep `from`.
    unsafe { result::memcpy_htod_async(to, from, stream.cu_stream()) }
}

/// The byte on the device after all work of its stream.
fn read(stream: &CudaStream, from: u64) -> u8 {
    let mut byte = [0];
    // SAFETY: the tests give memory of the device, and this waits for the copy.
    unsafe { result::memcpy_dtoh_async(&mut byte, from, stream.cu_stream()) }.unwrap();
    stream.synchronize().unwrap();
    byte[0]
}

/// Some bytes of the device.
fn bytes(stream: &CudaStream) -> u64 {
    // SAFETY: nothing reads them before they are written.
    unsafe { result::malloc_async(stream.cu_stream(), 8) }.unwrap()
}

type Call<'a> = &'a dyn Fn() -> Result<(), DriverError>;

const LOCAL: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const NONE: CUgraphInstantiate_flags = CUgraphInstantiate_flags(0);

#[test]
fn a_copy_reads_when_it_is_done_and_not_when_it_is_asked_for() {
    let Some((emulator, _turn, context)) = device() else { return };
    let stream = context.new_stream().unwrap();
    let to = bytes(&stream);
    for (pace, expected) in [(Pace::Eager, 1), (Pace::Late, 2)] {
        emulator.set_pace(pace);
        let mut from = [1u8; 8];
        upload(&stream, to, &from).unwrap();
        from[0] = std::hint::black_box(2);
        assert_eq!(read(&stream, to), expected, "{pace:?}");
        assert_eq!(from[0], 2);
    }
    emulator.set_pace(Pace::default());
}

#[test]
fn streams_overtake_each_other_unless_one_waits() {
    let Some((_, _turn, context)) = device() else { return };
    let (first, second) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let to = bytes(&first);
    first.synchronize().unwrap();
    upload(&first, to, &[1]).unwrap();
    assert_ne!(read(&second, to), 1, "nothing keeps the second one");
    first.synchronize().unwrap();
    upload(&first, to, &[2]).unwrap();
    second.wait(&first.record_event(None).unwrap()).unwrap();
    assert_eq!(read(&second, to), 2);
}

#[test]
fn a_capture_refuses_what_it_cannot_see() {
    use CUresult::*;
    let Some((_, _turn, context)) = device() else { return };
    let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let before = stream.record_event(None).unwrap();
    let to = bytes(&stream);
    let heap = [1u8; 8];
    // SAFETY: all of these are refused, and so give and take nothing.
    let calls: [(Call, CUresult); 9] = unsafe {
        [
            (&|| stream.synchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| other.synchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| context.synchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| before.synchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| stream.wait(&before), CUDA_ERROR_STREAM_CAPTURE_ISOLATION),
            (&|| result::malloc_sync(8).map(drop), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| result::malloc_host(8, 0).map(drop), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
            (&|| result::free_async(to, stream.cu_stream()), CUDA_ERROR_INVALID_VALUE),
            (&|| upload(&stream, to, &heap), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
        ]
    };
    // SAFETY: there are eight bytes.
    let fill = || unsafe { result::memset_d8_async(to, 7, 8, stream.cu_stream()) };
    for (i, (call, code)) in calls.into_iter().enumerate() {
        stream.begin_capture(LOCAL).unwrap();
        fill().unwrap();
        match call() {
            Ok(()) => panic!("call {i} should have been refused"),
            Err(error) => assert_eq!(error.0, code, "call {i}"),
        }
        refused(fill(), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        refused(stream.end_capture(NONE), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    // The stream is as good as before.
    fill().unwrap();
    assert_eq!(read(&stream, to), 7);
}

#[test]
fn an_event_of_a_capture_cannot_be_waited_for() {
    let Some((_, _turn, context)) = device() else { return };
    let stream = context.new_stream().unwrap();
    stream.begin_capture(LOCAL).unwrap();
    let inside = stream.record_event(None).unwrap();
    let graph = stream.end_capture(NONE).unwrap().unwrap();
    graph.launch().unwrap();
    refused(inside.synchronize(), CUresult::CUDA_ERROR_CAPTURED_EVENT);
}

#[test]
fn events_tell_the_time_if_they_are_made_for_it_and_are_over() {
    let Some((_, _turn, context)) = device() else { return };
    let stream = context.new_stream().unwrap();
    let moment = |flags| stream.record_event(flags).unwrap();
    let timed = || moment(Some(CUevent_flags::CU_EVENT_DEFAULT));
    let between = |from: &cudarc::driver::CudaEvent, to: &cudarc::driver::CudaEvent| {
        // SAFETY: both events live.
        unsafe { result::event::elapsed(from.cu_event(), to.cu_event()) }
    };
    let (untimed, from, to) = (moment(None), timed(), timed());
    refused(between(&from, &to), CUresult::CUDA_ERROR_NOT_READY);
    to.synchronize().unwrap();
    assert!(between(&from, &to).unwrap() >= 0.0);
    refused(between(&untimed, &to), CUresult::CUDA_ERROR_INVALID_HANDLE);
    let fresh = context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).unwrap();
    refused(between(&from, &fresh), CUresult::CUDA_ERROR_INVALID_HANDLE);
}

#[test]
fn a_thread_without_a_context_can_do_nothing() {
    let Some((_, _turn, context)) = device() else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: it is refused.
            refused(unsafe { result::malloc_sync(8) }, CUresult::CUDA_ERROR_INVALID_CONTEXT);
            context.bind_to_thread().unwrap();
            // SAFETY: it is given back at once.
            unsafe { result::free_sync(result::malloc_sync(8).unwrap()).unwrap() };
        });
    });
}

#[test]
fn a_context_is_gone_with_the_last_who_holds_it() {
    let Some((_, _turn, context)) = device() else { return };
    drop(context);
    // SAFETY: it is refused.
    refused(unsafe { result::malloc_sync(8) }, CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

#[test]
fn memory_that_was_given_back_is_free_once_the_stream_has_come_so_far() {
    let Some((emulator, _turn, context)) = device() else { return };
    let stream = context.new_stream().unwrap();
    let free = || context.mem_get_info().unwrap().0;
    let before = free();
    // SAFETY: nothing uses the memory.
    unsafe {
        let all = result::malloc_async(stream.cu_stream(), before).unwrap();
        result::free_async(all, stream.cu_stream()).unwrap();
        assert_eq!(free(), 0);
        // Who asks for memory on that stream may have it.
        let again = result::malloc_async(stream.cu_stream(), before).unwrap();
        result::free_async(again, stream.cu_stream()).unwrap();
        refused(result::free_async(again, stream.cu_stream()), CUresult::CUDA_ERROR_INVALID_VALUE);
    }
    stream.synchronize().unwrap();
    assert_eq!(free(), before);
    assert_eq!(emulator.used_memory(), 0);
}

#[test]
fn a_fault_is_told_to_who_waits_and_lasts() {
    let Some((emulator, _turn, context)) = device() else { return };
    let stream = context.new_stream().unwrap();
    let image = std::ffi::CString::new(image("extern \"C\" __global__ void nothing() {}")).unwrap();
    // SAFETY: the image ends where it says; the kernel takes nothing.
    let launch = unsafe {
        let module = result::module::load_data(image.as_ptr().cast()).unwrap();
        let function = result::module::get_function(module, c"nothing".into()).unwrap();
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        assert!(result::function::set_function_attribute(function, most, 227 << 10).is_ok());
        refused(result::function::set_function_attribute(function, most, (227 << 10) + 1), CUresult::CUDA_ERROR_INVALID_VALUE);
        move |stream: &CudaStream| result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, stream.cu_stream(), &mut [])
    };
    emulator.set_failures(Failures { fault_after: Some(1), ..Failures::default() });
    launch(&stream).unwrap();
    stream.synchronize().unwrap();
    launch(&stream).unwrap();
    refused(stream.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    emulator.set_failures(Failures::default());
    refused(launch(&stream), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    drop((stream, context));
    let again = CudaContext::new(0).unwrap();
    assert!(again.synchronize().is_ok());
}

/// A cubin of the emulator.
fn image(source: &str) -> String {
    format!("emulated cubin {}\n{source}", source.len())
}

/// cudarc panics where the driver lacks a function that it calls: the runtime asks for all of them before. The emulator has none besides but for what tests call,
/// and so every test shows that those are all.
#[test]
fn the_driver_is_asked_for_every_function_that_is_called() {
    let Some((emulator, ..)) = device() else { return };
    let asked = ivon_runtime::cuda::libraries::functions("driver");
    let Ok(output) =
        std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(emulator.folder().join("libcuda.so")).output()
    else {
        return ivon_emulator::skipped("nm was not found");
    };
    let names = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> =
        names.lines().filter_map(|line| line.rsplit(' ').next()).filter(|name| name.starts_with("cu")).collect();
    // And of builds that check themselves.
    let of_tests =
        ["current_thread", "cuCtxSynchronize", "cuDriverGetVersion", "cuFuncGetParamInfo", "cuGetErrorName", "cuGetErrorString"];
    assert!(found.len() > 30, "{names}");
    for name in &found {
        assert!(asked.contains(name) || of_tests.contains(name), "`{name}` is not asked for");
    }
    for name in asked {
        assert!(found.contains(name), "the emulator lacks `{name}`");
    }
}
