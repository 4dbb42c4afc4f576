//! Arrays as numpy stores them: a zip archive of `.npy` files, each a short header that reads like
//! a Python dictionary and then the numbers, row by row.

use std::io::{Read as _, Seek};

use candle_core::{Device, Tensor};
use zip::ZipArchive;

/// An open archive.
pub(super) struct Npz<R> {
    archive: ZipArchive<R>,
}

impl<R: std::io::Read + Seek> Npz<R> {
    pub(super) fn open(reader: R) -> Result<Self, String> {
        let archive = ZipArchive::new(reader).map_err(|error| error.to_string())?;
        Ok(Self { archive })
    }

    /// The array of that name: `f32` for floating-point types, `u8` for bytes.
    pub(super) fn get(&mut self, name: &str) -> Result<Tensor, String> {
        let fail = |reason: String| format!("array `{name}`: {reason}");
        let mut bytes = Vec::new();
        let mut entry = self.archive.by_name(&format!("{name}.npy")).map_err(|e| fail(e.to_string()))?;
        entry.read_to_end(&mut bytes).map_err(|e| fail(e.to_string()))?;
        parse(&bytes).map_err(fail)
    }
}

fn parse(bytes: &[u8]) -> Result<Tensor, String> {
    let (version, rest) = match bytes.strip_prefix(b"\x93NUMPY") {
        Some([major, _, rest @ ..]) => (*major, rest),
        _ => return Err("it does not begin with NUMPY".to_owned()),
    };
    let (length, rest) = match (version, rest) {
        (1, &[a, b, ref rest @ ..]) => (u32::from(u16::from_le_bytes([a, b])), rest),
        (2 | 3, &[a, b, c, d, ref rest @ ..]) => (u32::from_le_bytes([a, b, c, d]), rest),
        _ => return Err("the header is cut off or of an unknown version".to_owned()),
    };
    let (header, data) = rest.split_at_checked(length as usize).ok_or("the header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
    if value(header, "fortran_order")? != "False" {
        return Err("column order is not supported".to_owned());
    }
    let shape = shape(header)?;
    tensor(value(header, "descr")?.trim_matches('\''), &shape, data)
}

fn tensor(kind: &str, shape: &[usize], data: &[u8]) -> Result<Tensor, String> {
    let tensor = match kind {
        "|u1" => Tensor::from_vec(data.to_vec(), shape, &Device::Cpu),
        "<f4" => {
            let values = data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            Tensor::from_vec(values.collect::<Vec<_>>(), shape, &Device::Cpu)
        }
        "<f8" => {
            let value = |c: &[u8]| f64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]);
            let values = data.chunks_exact(8).map(|c| value(c) as f32);
            Tensor::from_vec(values.collect::<Vec<_>>(), shape, &Device::Cpu)
        }
        other => return Err(format!("numbers of type {other} are not supported")),
    };
    tensor.map_err(|error| error.to_string())
}

/// What stands behind `'key': ` up to the next comma.
fn value<'h>(header: &'h str, key: &str) -> Result<&'h str, String> {
    let found = header.split_once(&format!("'{key}': ")).map(|(_, rest)| rest);
    let found = found.ok_or_else(|| format!("the header lacks `{key}`"))?;
    Ok(found.split([',', '}']).next().unwrap_or(found).trim())
}

fn shape(header: &str) -> Result<Vec<usize>, String> {
    let inside = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let (inside, _) = inside.ok_or("the header lacks `shape`")?;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.parse().map_err(|_| format!("size `{size}` is not a number"))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap();
        [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_and_scalars_are_read() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }  \n";
        let data = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        let tensor = parse(&npy(header, &data)).unwrap();
        assert_eq!(tensor.to_vec2::<f32>().unwrap(), [[1.5], [-2.0]]);
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n";
        let tensor = parse(&npy(header, &0.25f64.to_le_bytes())).unwrap();
        assert_eq!(tensor.to_scalar::<f32>().unwrap(), 0.25);
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n";
        assert_eq!(parse(&npy(header, &[1, 2, 3])).unwrap().to_vec1::<u8>().unwrap(), [1, 2, 3]);
        assert!(parse(&npy(header, &[1, 2])).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            file.extend(bytes);
            let _ = parse(&file);
        }
    }
}
