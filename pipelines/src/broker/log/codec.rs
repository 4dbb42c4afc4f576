//! The codecs of record batches: <https://kafka.apache.org/documentation/#recordbatch>.
//!
//! Batches are stored and served as they came; their records are unpacked where a key or a time is looked for. gzip and zstd come from the crates that
//! Parquet uses, and so do snappy's blocks. LZ4 is read here: its block format is a page long, and the crate in the tree is built without checks.

use std::io::{self, Read, Write};

/// What records may come to when they are unpacked; a small batch that swells to more is not read.
const MOST: usize = 256 << 20;

/// Unpacks the records of a batch; `None` when they are not what the codec says, or too much.
pub(super) fn unpack(codec: i16, packed: &[u8]) -> Option<Vec<u8>> {
    match codec {
        0 => Some(packed.to_vec()),
        1 => read(flate2::read::MultiGzDecoder::new(packed)),
        2 => snappy(packed),
        3 => lz4_frame(packed),
        4 => read(zstd::stream::read::Decoder::new(packed).ok()?),
        _ => None,
    }
}

/// Packs records anew with the codec they had, where it is at hand for writing; else they stay unpacked. Returns the codec, too.
pub(super) fn pack(codec: i16, records: &[u8]) -> io::Result<(i16, Vec<u8>)> {
    match codec {
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(records)?;
            Ok((1, encoder.finish()?))
        }
        4 => Ok((4, zstd::stream::encode_all(records, 1)?)),
        _ => Ok((0, records.to_vec())),
    }
}

fn read(from: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = from.take(MOST as u64 + 1).read_to_end(&mut out).ok()?;
    (read <= MOST).then_some(out)
}

/// What snappy-java puts before its blocks: a magic word and two versions.
const XERIAL: &[u8] = b"\x82SNAPPY\0";

/// One block as librdkafka writes it, or several with their lengths, as snappy-java does.
fn snappy(packed: &[u8]) -> Option<Vec<u8>> {
    let block = |block: &[u8]| {
        let len = snap::raw::decompress_len(block).ok().filter(|len| *len <= MOST)?;
        snap::raw::Decoder::new().decompress_vec(block).ok().filter(|out| out.len() == len)
    };
    if !packed.starts_with(XERIAL) {
        return block(packed);
    }
    let (mut rest, mut out) = (packed.get(16..)?, Vec::new());
    while !rest.is_empty() {
        let len = usize::try_from(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
        out.extend(block(rest.get(4..4usize.checked_add(len)?)?)?);
        rest = &rest[4 + len..];
        if out.len() > MOST {
            return None;
        }
    }
    Some(out)
}

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// An LZ4 frame: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>. Its checksums are passed over: the batch has one of its own.
fn lz4_frame(packed: &[u8]) -> Option<Vec<u8>> {
    let flags = *packed.get(4)?;
    if packed[..4] != LZ4_MAGIC || flags >> 6 != 1 || flags & 1 != 0 {
        return None;
    }
    let (block_sums, content_size) = (flags & 0x10 != 0, flags & 0x08 != 0);
    let mut at = 7 + if content_size { 8 } else { 0 };
    let mut out = Vec::new();
    loop {
        let word = u32::from_le_bytes(packed.get(at..at + 4)?.try_into().ok()?);
        at += 4;
        if word == 0 {
            return Some(out);
        }
        let len = usize::try_from(word & 0x7fff_ffff).ok()?;
        let block = packed.get(at..at.checked_add(len)?)?;
        if word >> 31 == 1 {
            out.extend_from_slice(block);
        } else {
            lz4_block(block, &mut out)?;
        }
        if out.len() > MOST {
            return None;
        }
        at += len + if block_sums { 4 } else { 0 };
    }
}

/// An LZ4 block, behind what is in `out` already: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>.
fn lz4_block(block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    loop {
        let token = *block.get(at)?;
        at += 1;
        let literals = lz4_length(token >> 4, block, &mut at)?;
        let end = at.checked_add(literals)?;
        out.extend_from_slice(block.get(at..end)?);
        at = end;
        if at == block.len() {
            return Some(());
        }
        let back = usize::from(u16::from_le_bytes(block.get(at..at + 2)?.try_into().ok()?));
        at += 2;
        let len = lz4_length(token & 15, block, &mut at)?.checked_add(4)?;
        if back == 0 || back > out.len() || out.len() + len > MOST {
            return None;
        }
        // What is copied may reach into what is being written: a run repeats itself.
        let from = out.len() - back;
        for i in from..from + len {
            out.push(out[i]);
        }
    }
}

fn lz4_length(first: u8, block: &[u8], at: &mut usize) -> Option<usize> {
    let mut len = usize::from(first);
    if first == 15 {
        loop {
            let more = *block.get(*at)?;
            *at += 1;
            len = len.checked_add(usize::from(more))?;
            if more != 255 {
                break;
            }
        }
    }
    Some(len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame by hand: six bytes, a copy that runs over itself, five literals; independent blocks and a content checksum, which is passed over.
    fn lz4_sample() -> (Vec<u8>, Vec<u8>) {
        let plain = ["爬山".repeat(40), "end".to_owned()].concat().into_bytes();
        let mut block = vec![0x6f];
        block.extend("爬山".as_bytes());
        block.extend([6, 0]); // six bytes back
        let copied = plain.len() - 6 - 5; // the last five bytes are literals
        block.push(u8::try_from(copied - 4 - 15).unwrap());
        block.push(0x50);
        block.extend(&plain[plain.len() - 5..]);
        let mut frame = LZ4_MAGIC.to_vec();
        frame.extend([0x64, 0x40, 0xa7]);
        frame.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
        frame.extend(block);
        frame.extend([0, 0, 0, 0, 1, 2, 3, 4]);
        (plain, frame)
    }

    #[test]
    fn an_lz4_frame_is_read_and_a_cut_one_is_not() {
        let (plain, frame) = lz4_sample();
        assert_eq!(unpack(3, &frame).unwrap(), plain);
        for cut in 0..frame.len() - 8 {
            assert_eq!(unpack(3, &frame[..cut]), None, "{cut}");
        }
        let mut stored = LZ4_MAGIC.to_vec();
        stored.extend([0x60, 0x40, 0]);
        stored.extend([3, 0, 0, 0x80, b'a', b'b', b'c', 0, 0, 0, 0]);
        assert_eq!(unpack(3, &stored).unwrap(), b"abc");
    }

    #[test]
    fn both_forms_of_snappy_are_read() {
        let plain = "爬山爬山 snappy snappy".repeat(30).into_bytes();
        let block = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
        assert_eq!(unpack(2, &block(&plain)).unwrap(), plain);
        let mut framed = [XERIAL, &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
        for part in plain.chunks(100) {
            let packed = block(part);
            framed.extend(u32::try_from(packed.len()).unwrap().to_be_bytes());
            framed.extend(packed);
        }
        assert_eq!(unpack(2, &framed).unwrap(), plain);
        assert_eq!(unpack(2, &framed[..framed.len() - 1]), None);
    }

    #[test]
    fn what_swells_without_end_is_not_read() {
        let bomb = zstd::stream::encode_all(vec![0u8; MOST + 1].as_slice(), 1).unwrap();
        assert!(bomb.len() < 1 << 20 && unpack(4, &bomb).is_none());
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(records in proptest::collection::vec(any::<u8>(), 0..2000), codec in 0i16..5) {
            let (codec, packed) = pack(codec, &records).unwrap();
            prop_assert_eq!(unpack(codec, &packed).unwrap(), records);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), codec in 0i16..8) {
            let _ = unpack(codec, &bytes);
            let _ = unpack(3, &[&LZ4_MAGIC[..], &[0x60, 0x40, 0], &bytes].concat());
            let _ = unpack(2, &[XERIAL, &[0; 8], &bytes].concat());
        }
    }
}
