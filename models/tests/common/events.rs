//! The event files of a run, read as TensorBoard does.

use std::collections::BTreeMap;
use std::path::Path;

/// Steps and values of every tag.
pub type Scalars = BTreeMap<String, Vec<(u64, f32)>>;

/// Reads the files of a run directory in the order of their names. The start of a session drops what was read of its step and later ones.
/// A record that was cut off at the end of a file is passed over; any other damage is a panic.
pub fn scalars(run: &Path) -> Scalars {
    let names = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        names.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents.")).collect();
    files.sort();
    let mut scalars = Scalars::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let mut rest = &bytes[..];
        while let Some((content, next)) = record(rest) {
            event(content, &mut scalars);
            rest = next;
        }
    }
    scalars
}

/// Length, its checksum, content, its checksum.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().unwrap()) as usize;
    let content = bytes.get(12..12 + length)?;
    let sums = [(&bytes[..8], &bytes[8..12]), (content, bytes.get(12 + length..16 + length)?)];
    for (of, sum) in sums {
        let masked = ivon_runtime::crc32c(of).rotate_right(15).wrapping_add(0xA282_EAD8);
        assert_eq!(masked.to_le_bytes(), sum, "a record is damaged");
    }
    Some((content, &bytes[16 + length..]))
}

fn event(content: &[u8], scalars: &mut Scalars) {
    let fields = fields(content);
    let step = fields.iter().find(|(number, _)| *number == 2).map_or(0, |(_, value)| value.number());
    for (number, value) in &fields {
        match number {
            5 => value.fields().iter().for_each(|(_, value)| {
                let [(1, tag), (2, number)] = &value.fields()[..] else { panic!("a value without tag or number") };
                let tag = String::from_utf8(tag.0.clone()).unwrap();
                scalars.entry(tag).or_default().push((step, f32::from_le_bytes(number.0[..].try_into().unwrap())));
            }),
            7 => scalars.values_mut().for_each(|all| all.retain(|(s, _)| *s < step)),
            _ => {}
        }
    }
}

/// The bytes of a field.
struct Field(Vec<u8>);

impl Field {
    fn fields(&self) -> Vec<(u64, Field)> {
        fields(&self.0)
    }

    fn number(&self) -> u64 {
        varint(&self.0).0
    }
}

fn varint(bytes: &[u8]) -> (u64, usize) {
    let length = 1 + bytes.iter().position(|b| b & 0x80 == 0).expect("a number has an end");
    (bytes[..length].iter().rev().fold(0, |n, b| n << 7 | u64::from(b & 0x7F)), length)
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let (key, used) = varint(bytes);
        bytes = &bytes[used..];
        let (skipped, length) = match key & 7 {
            0 => (0, varint(bytes).1),
            1 => (0, 8),
            2 => {
                let (length, used) = varint(bytes);
                (used, length as usize)
            }
            5 => (0, 4),
            other => panic!("field of kind {other}"),
        };
        fields.push((key >> 3, Field(bytes[skipped..skipped + length].to_vec())));
        bytes = &bytes[skipped + length..];
    }
    fields
}
