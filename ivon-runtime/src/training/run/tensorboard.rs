//! Scalars in the event files that TensorBoard reads.
//!
//! A file is a sequence of records (TensorFlow's TFRecord): length (u64), its masked checksum (u32), content, its masked checksum (u32), all
//! little-endian; a checksum `c` (CRC-32C) is masked as `rotate_right(c, 15) + a282ead8`. The content is an `Event` in protocol
//! buffers' encoding:
//!
//! ```text
//! Event   { 1: double wall_time; 2: int64 step; 3: string file_version; 5: Summary summary; 7: SessionLog session_log }
//! Summary { 1: repeated Value { 1: string tag; 2: float simple_value } }
//! SessionLog { 1: enum status (1 is START) }
//! ```

use super::{metrics, step_of};
use crate::core::checksum::Crc32c;
use crate::core::error::Result;
use crate::training::disk;
use crate::training::disk::{unreadable, unwritable};
use serde_json::{Map, Value};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Keys of a line of `metrics.jsonl` and the tags that TensorBoard shows them under.
const TAGS: [(&str, &str); 11] = [
    ("loss", "loss/training"),
    ("smooth", "loss/training_smoothed"),
    ("lr", "learning_rate"),
    ("rate", "examples_per_second"),
    ("hessian_min", "posterior/hessian_min"),
    ("hessian_max", "posterior/hessian_max"),
    ("sigma_mean", "posterior/sigma_mean"),
    ("validation_loss", "loss/validation"),
    ("validation_loss_posterior", "loss/validation_posterior"),
    ("validation_accuracy", "accuracy/validation"),
    ("validation_accuracy_posterior", "accuracy/validation_posterior"),
];

/// How the name of an event file begins; the time in seconds and nanoseconds follows, and the step.
const PREFIX: &str = "events.out.tfevents.";

/// The event file of a run, open for more. It holds what `metrics.jsonl` holds, and a process that is killed loses nothing of it:
/// every record is handed to the operating system at once.
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in a run directory. It begins with the lines that `metrics.jsonl` has already and takes the place of the event
    /// files of earlier processes, which may lack steps or hold steps that the run takes again.
    pub fn create(folder: &Path) -> Result<Events> {
        let (mut last, mut end) = (0, 0.0);
        metrics::read(folder, |line, _| {
            last = step_of(&line);
            end = seconds(&line).unwrap_or(end);
            Ok(())
        })?;
        let now = now();
        let nanoseconds = (now.fract() * 1e9) as u32;
        let path = folder.join(format!("{PREFIX}{}.{nanoseconds:09}.{last}", now as u64));
        let earlier = ours(folder)?;
        disk::write(&path, |file| {
            let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| unwritable(&path, &e));
            put(&event(now, 0, &bytes_field(3, b"brain.Event:2")))?;
            if !earlier.is_empty() {
                // A TensorBoard that watches the directory drops what it has read so far, and reads all of it here.
                put(&event(now, 0, &bytes_field(7, &[field(1, VARINT), 1])))?;
            }
            // Lines have no time of day: theirs is told by the seconds of training that followed.
            let mut at = 0.0;
            metrics::read(folder, |line, _| {
                at = seconds(&line).unwrap_or(at);
                put(&line_event(now - (end - at).max(0.0), &line))
            })
        })?;
        for path in earlier {
            fs::remove_file(&path).map_err(|e| unwritable(&path, &e))?;
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Events { path, file })
    }

    /// Adds the figures of a line of `metrics.jsonl`.
    pub fn add(&mut self, line: &Map<String, Value>) -> Result<()> {
        self.file.write_all(&line_event(now(), line)).map_err(|e| unwritable(&self.path, &e))
    }

    /// Waits until everything is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| unwritable(&self.path, &e))
    }
}

/// The event files in a directory that a run wrote: other programs put a host's name where ours have a number.
fn ours(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let mut found = vec![];
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(folder, &e))?;
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_ours = |numbers: &str| {
            let parts: Vec<&str> = numbers.split('.').collect();
            parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        };
        found.extend(numbers.filter(|numbers| is_ours(numbers)).map(|_| entry.path()));
    }
    Ok(found)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Seconds of training until a line was written.
fn seconds(line: &Map<String, Value>) -> Option<f64> {
    line.get("seconds")?.as_f64()
}

/// The record of a line's figures; nothing for a line without any. A figure that is not finite is null in a line and NaN here.
fn line_event(time: f64, line: &Map<String, Value>) -> Vec<u8> {
    let there = TAGS.iter().filter_map(|(key, tag)| Some((tag, line.get(*key)?.as_f64().unwrap_or(f64::NAN))));
    let summary: Vec<u8> = there.flat_map(|(tag, value)| bytes_field(1, &scalar(tag, value as f32))).collect();
    if summary.is_empty() { vec![] } else { event(time, step_of(line), &bytes_field(5, &summary)) }
}

fn event(time: f64, step: u64, what: &[u8]) -> Vec<u8> {
    let mut content = vec![field(1, FIXED_64)];
    content.extend(time.to_le_bytes());
    content.push(field(2, VARINT));
    content.extend(varint(step));
    content.extend(what);
    record(&content)
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// The first byte of a field with a number below 16.
const fn field(number: u8, kind: u8) -> u8 {
    number << 3 | kind
}

/// Seven bits a byte, the lowest first.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[field(number, BYTES)], &varint(content.len() as u64)[..], content].concat()
}

fn scalar(tag: &str, value: f32) -> Vec<u8> {
    [&bytes_field(1, tag.as_bytes())[..], &[field(2, FIXED_32)], &value.to_le_bytes()].concat()
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    Crc32c::of(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), content, &masked(content)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_those_of_the_documentation_of_protocol_buffers() {
        assert_eq!((varint(1), varint(150), varint(300)), (vec![1], vec![0x96, 1], vec![0xAC, 2]));
        assert_eq!(varint(u64::MAX).len(), 10);
    }

    /// Python: tensorboard.summary.writer.record_writer.RecordWriter and tensorboard.compat.proto.event_pb2, version 2.
    #[test]
    fn a_record_has_the_bytes_that_tensorboard_writes() {
        assert_eq!(scalar("a", 1.5), [0x0A, 1, b'a', 0x15, 0, 0, 0xC0, 0x3F]);
        let hex: String = record(b"hello").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, RECORD);
    }

    const RECORD: &str = "0500000000000000eab2043e68656c6c6fbb1f1c19";

    /// Every figure that is not finite is a null in JSON.
    #[test]
    fn a_line_becomes_the_scalars_of_its_step() {
        let line = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        assert_eq!(line_event(0.0, &line(r#"{"step": 3, "warning": "x"}"#)), [0u8; 0]);
        let found = line_event(2.0, &line(r#"{"step": 3, "validation_loss": null, "lr": 0.5}"#));
        let scalars = [scalar("learning_rate", 0.5), scalar("loss/validation", f32::NAN)];
        let summary: Vec<u8> = scalars.iter().flat_map(|s| bytes_field(1, s)).collect();
        assert_eq!(found, event(2.0, 3, &bytes_field(5, &summary)));
    }

    #[test]
    fn a_new_file_takes_the_place_of_the_earlier_ones_of_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let theirs = "events.out.tfevents.1700000000.host.17.0";
        for name in ["events.out.tfevents.1700000000.000000001.0", theirs] {
            fs::write(path(name), "x").unwrap();
        }
        fs::write(path("metrics.jsonl"), "{\"step\": 1, \"loss\": 0.5, \"seconds\": 2}\n{\"step\": 2, \"lo").unwrap();
        let mut events = Events::create(folder.path()).unwrap();
        events.add(&serde_json::from_str(r#"{"step": 2, "loss": 0.25}"#).unwrap()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names.iter().filter(|name| name.starts_with(PREFIX)).count(), 2, "{names:?}");
        assert!(names.iter().any(|name| name == theirs), "{names:?}");
        let bytes = fs::read(&events.path).unwrap();
        let count = |wanted: &[u8]| bytes.windows(wanted.len()).filter(|w| *w == wanted).count();
        assert_eq!((count(&scalar("loss/training", 0.5)), count(&scalar("loss/training", 0.25))), (1, 1));
    }
}
