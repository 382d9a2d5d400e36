//! Signals: a request to stop that ends a run in order, and limits that become errors.

use ivon_runtime::trainer::Stop;
use ivon_runtime::{Error, Result};

/// The exit status of a run that was stopped, as a shell has it for Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Makes Ctrl-C, the end of the terminal and the end that a cluster announces ask for a checkpoint and an orderly end; a second one ends at once.
/// A signal that the process was started to ignore, as `nohup` does, stays ignored.
///
/// # Errors
/// If the system refuses.
pub fn stop_on_request(stop: Stop) -> Result<()> {
    watch(move || {
        if stop.request() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        tell!("\nsaving a checkpoint after this step; once more ends at once");
    })
    .map_err(|e| Error::config(format!("Ctrl-C cannot be watched for: {e}")))
}

/// Makes a write beyond a limit on the size of files an error of that write; without it the process ends without a message.
pub fn limits_are_errors() {
    #[cfg(unix)]
    {
        // A signal with a handler fails the write. That it came is all that the handler keeps; where it cannot be installed, the limit ends the
        // process as before.
        let came = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, came);
    }
}

#[cfg(unix)]
fn watch(mut requested: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(heard)?;
    let work = move || signals.forever().for_each(|_| requested());
    std::thread::Builder::new().name("signals".into()).spawn(work).map(drop)
}

/// True where the process ignores a signal.
#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action `sigaction` only writes the present one to a place that is valid for it, and changes nothing.
    let status = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the system has written it where the status is 0.
    status == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

#[cfg(not(unix))]
fn watch(requested: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(requested).map_err(std::io::Error::other)
}
