//! Disks that are full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own; unmounted in the end.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `mib` MiB; none where that is not allowed.
    pub fn mount(at: PathBuf, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={mib}m,mode=0777");
        privileged(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs"], &at).then_some(Self(at))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it to the last page.
    pub fn fill(&self) {
        assert!(std::fs::write(self.0.join("filler"), vec![1; 64 << 20]).unwrap_err().to_string().contains("No space left"));
    }

    /// Makes room again.
    pub fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        privileged(&["umount", "--lazy"], &self.0); // it may be gone already
    }
}

/// Runs a command of root, by itself or through sudo.
fn privileged(command: &[&str], at: &Path) -> bool {
    let run = |words: &[&str]| Command::new(words[0]).args(&words[1..]).arg(at).output().is_ok_and(|out| out.status.success());
    run(command) || run(&[&["sudo", "-n"], command].concat())
}
