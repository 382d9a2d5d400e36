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

use crate::checksum::Crc32c;
use crate::disk::unwritable;
use crate::error::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file being written.
pub(super) struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Events {
    /// A new file in a folder, for a run that goes on after `step`: TensorBoard drops what earlier files say of later steps.
    pub fn create(folder: &Path, step: usize) -> Result<Events> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // TensorBoard reads the files of a folder in the order of their names.
        let path = folder.join(format!("events.out.tfevents.{}.{:09}.{step}", now.as_secs(), now.subsec_nanos()));
        let file = File::create_new(&path).map_err(|e| unwritable(&path, &e))?;
        let mut events = Events { path, file: BufWriter::new(file) };
        events.event(0, &bytes_field(3, b"brain.Event:2"))?;
        if step > 0 {
            events.event(step + 1, &bytes_field(7, &[field(1, VARINT), 1]))?;
        }
        Ok(events)
    }

    /// Adds scalars of a step, those that are there.
    pub fn scalars(&mut self, step: usize, scalars: &[(&str, Option<f64>)]) -> Result<()> {
        let present = scalars.iter().filter_map(|(tag, value)| Some((tag, (*value)?)));
        let summary: Vec<u8> = present.flat_map(|(tag, value)| bytes_field(1, &scalar(tag, value as f32))).collect();
        self.event(step, &bytes_field(5, &summary))
    }

    fn event(&mut self, step: usize, what: &[u8]) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut content = vec![field(1, FIXED_64)];
        content.extend(now.to_le_bytes());
        content.push(field(2, VARINT));
        content.extend(varint(step as u64));
        content.extend(what);
        self.file.write_all(&record(&content)).map_err(|e| unwritable(&self.path, &e))
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|e| unwritable(&self.path, &e))
    }
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
}
