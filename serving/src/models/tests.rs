#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use features::manifest::{Converter, FileSpec, Manifest, ModelSpec};
use sha2::{Digest as _, Sha256};

use super::fetch::Source;
use super::{ModelStore, ModelsError, Step};

const NAME: &str = "use-multilingual";

/// Delivers whatever it is told to, and counts how often it was asked.
struct Fake {
    content: &'static str,
    asked: &'static AtomicUsize,
}

impl Source for Fake {
    fn name(&self, _: &ModelSpec) -> Option<String> {
        Some(format!("a source of {}", self.content))
    }

    fn fetch(&self, spec: &ModelSpec, to: &Path) -> Result<(), String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.content.is_empty() {
            return Err("the cable is cut".to_owned());
        }
        let write = |file: &FileSpec| std::fs::write(to.join(&file.name), self.content);
        spec.inputs.iter().try_for_each(write).map_err(|error| error.to_string())
    }
}

/// The built-in manifest, with a default model of one small file that needs no conversion.
fn manifest(content: &str) -> Manifest {
    let mut manifest = Manifest::built_in().unwrap();
    let digest = Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = FileSpec { name: "weights.bin".to_owned(), bytes: content.len() as u64, sha256: digest };
    let spec = manifest.models.iter_mut().find(|spec| spec.name == NAME).unwrap();
    (spec.converter, spec.inputs, spec.files) = (Converter::None, vec![file.clone()], vec![file]);
    manifest
}

fn store(folder: &Path, contents: &[&'static str]) -> (ModelStore, &'static AtomicUsize) {
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    let fake = |&content: &&'static str| Box::new(Fake { content, asked }) as Box<dyn Source>;
    (ModelStore::with_sources(folder.to_owned(), manifest("good"), contents.iter().map(fake).collect()), asked)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_first_source_with_the_right_bytes_wins() {
    let dir = tempfile::tempdir().unwrap();
    let (store, asked) = store(dir.path(), &["", "forged", "good", "never asked"]);
    assert!(!store.list()[0].installed);
    let steps = Mutex::new(Vec::new());
    let folder = store.ensure(NAME, &|step| steps.lock().unwrap().push(step.to_string())).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("weights.bin")).unwrap(), "good");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let steps = steps.into_inner().unwrap().join("\n");
    assert!(steps.contains("the cable is cut") && steps.contains("instead of"), "{steps}");
    assert!(store.list()[0].installed);
    assert_eq!(entries(dir.path()), [folder], "nothing else is left behind");
}

#[test]
fn what_is_installed_is_not_fetched_again_until_it_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (store, asked) = store(dir.path(), &["good"]);
    let folder = store.ensure(NAME, &|_| {}).unwrap();
    assert_eq!(store.ensure(NAME, &|_| {}).unwrap(), folder);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    std::fs::write(folder.join("weights.bin"), "bad!").unwrap();
    store.ensure(NAME, &|_| {}).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(std::fs::read_to_string(folder.join("weights.bin")).unwrap(), "good");
    assert_eq!(entries(dir.path()), [folder]);
}

#[test]
fn a_failure_names_every_source_and_the_remedy_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), &["", "forged"]);
    let message = store.ensure(NAME, &|_| {}).unwrap_err().to_string();
    for part in [NAME, "the cable is cut", "a source of forged", "copy a finished folder"] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    assert!(entries(dir.path()).is_empty());
    assert!(matches!(store.encoder(NAME), Err(ModelsError::NotInstalled { .. })));
    assert!(store.ensure("nobody", &|_| {}).unwrap_err().to_string().contains(NAME));
}

#[test]
fn many_at_once_end_with_one_model() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), &["good"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let folder = store.ensure(NAME, &|_: &Step| {}).unwrap();
                assert_eq!(std::fs::read_to_string(folder.join("weights.bin")).unwrap(), "good");
            });
        }
    });
    assert_eq!(entries(dir.path()).len(), 1);
}

#[test]
fn what_crashed_processes_left_is_swept_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), &["good"]);
    let (old, new) = (dir.path().join(".staging-old"), dir.path().join(".staging-new"));
    for folder in [&old, &new] {
        std::fs::create_dir(folder).unwrap();
    }
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 24 * 3600);
    std::fs::File::open(&old).unwrap().set_modified(past).unwrap();
    store.ensure(NAME, &|_| {}).unwrap();
    assert!(!old.exists() && new.exists());
}
