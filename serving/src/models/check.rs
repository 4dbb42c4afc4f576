//! Are these the files that the manifest means?

use std::io::Read as _;
use std::path::Path;

use features::manifest::FileSpec;
use sha2::{Digest as _, Sha256};

/// Whether all files are in `folder` with the right lengths: quick, without reading them.
pub(super) fn present(folder: &Path, files: &[FileSpec]) -> bool {
    files.iter().all(|file| std::fs::metadata(folder.join(&file.name)).is_ok_and(|found| found.len() == file.bytes))
}

/// Reads all files in `folder` and compares their sha256; the error says which one differs.
pub(super) fn verify(folder: &Path, files: &[FileSpec]) -> Result<(), String> {
    for file in files {
        let path = folder.join(&file.name);
        let found = sha256(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if found != file.sha256 {
            return Err(format!("{} has sha256 {found} instead of {}", file.name, file.sha256));
        }
    }
    Ok(())
}

pub(super) fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
