//! What lies in `deploy/`: valid by the schemas of those who read it, with keys and values that hongniang takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tests::binary;
use tests::parts::of_python;

use crate::layout::root;

fn manifests() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("deploy/kubernetes")).unwrap();
    let mut found: Vec<PathBuf> = folder.map(|file| file.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 5 && found.iter().all(|path| path.extension().is_some_and(|e| e == "yaml")), "{found:?}");
    found
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn compose_is_what_compose_reads() {
    let Some(program) = of_python("check-jsonschema") else { return };
    let check = |path: &PathBuf| Command::new(&program).args(["--builtin-schema", "vendor.compose-spec"]).arg(path).output().unwrap();
    let path = root().join("deploy/compose.yaml");
    let good = check(&path);
    assert!(good.status.success(), "{}", said(&good));
    // A check that takes everything would take this, too.
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("compose.yaml");
    std::fs::write(&bad, std::fs::read_to_string(&path).unwrap().replace("healthcheck:", "healthchecks:")).unwrap();
    assert!(!check(&bad).status.success());
}

#[test]
fn kubernetes_takes_the_manifests() {
    let Some(program) = of_python("kubernetes-validate") else { return };
    let check = |paths: &[PathBuf]| Command::new(&program).args(["--strict", "--no-warn"]).args(paths).output().unwrap();
    let good = check(&manifests());
    assert!(good.status.success(), "{}", said(&good));
    let folder = tempfile::tempdir().unwrap();
    for (file, right, wrong) in [("hongniang.yaml", "readinessProbe:", "readyProbe:"), ("kafka.yaml", "replicas: 1", "replicas: one")] {
        let bad = folder.path().join(file);
        let text = std::fs::read_to_string(root().join("deploy/kubernetes").join(file)).unwrap();
        assert!(text.contains(right), "{file}");
        std::fs::write(&bad, text.replace(right, wrong)).unwrap();
        assert!(!check(&[bad]).status.success(), "{wrong} is taken");
    }
}

/// Every `HONGNIANG__…` that a text sets, with its value where that stands on the same line.
fn variables(text: &str) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((_, rest)) = line.split_once("HONGNIANG__") else { continue };
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        // `NAME: value`, `{name: NAME, value: value}`, `NAME=value \`
        let value = rest.trim_start_matches([':', '=', ',']).trim().trim_end_matches(['}', '\\']).trim();
        let value = value.strip_prefix("value:").unwrap_or(value).trim().trim_matches(['"', '\'']).to_owned();
        found.insert(format!("HONGNIANG__{name}"), Some(value).filter(|v| !v.is_empty()));
    }
    found
}

#[test]
fn variables_are_keys_of_the_configuration_and_values_are_taken() {
    let files = manifests().into_iter().chain(["deploy/compose.yaml", "deploy/Dockerfile"].map(|file| root().join(file)));
    let mut all: BTreeMap<String, Option<String>> = BTreeMap::new();
    for path in files {
        for (name, value) in variables(&std::fs::read_to_string(&path).unwrap()) {
            let known = all.entry(name).or_default();
            *known = value.or(known.take());
        }
    }
    assert!(all.len() >= 7, "{all:?}");
    let defaults = serde_json::to_value(serving::config::Config::default()).unwrap();
    for name in all.keys() {
        let path: Vec<String> = name.trim_start_matches("HONGNIANG__").split("__").map(str::to_lowercase).collect();
        let found = path.iter().try_fold(&defaults, |at, part| at.get(part));
        assert!(found.is_some_and(|value: &Value| !value.is_object()), "{name} is no key of the configuration");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HONGNIANG__")) {
        command.env_remove(name);
    }
    for (name, value) in &all {
        // The secret comes from elsewhere.
        let secret = name.ends_with("SERVICE_KEYS").then(|| r#"["a key of sixteen"]"#.to_owned());
        command.env(name, secret.or_else(|| value.clone()).unwrap_or_else(|| panic!("{name} has no value")));
    }
    let output = command.arg("config").current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let told: toml::Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    assert_eq!(told["features"]["runtime"].as_str(), Some("arroyo"), "what is deployed computes features on Arroyo");
    assert_eq!(told["http"]["listen"].as_str(), Some("0.0.0.0:7878"));
}

#[test]
fn variables_are_found_in_every_form() {
    let text = "  HONGNIANG__KAFKA__BROKERS: kafka:9092\n# HONGNIANG__NOT__THIS: 1\n - {name: HONGNIANG__HTTP__LISTEN, value: \"0.0.0.0:7878\"}\nENV HONGNIANG__DATA_DIR=/var/lib/hongniang \\\n - name: HONGNIANG__HTTP__SERVICE_KEYS\n";
    let found = variables(text);
    let value = |name: &str| found[name].as_deref();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(value("HONGNIANG__KAFKA__BROKERS"), Some("kafka:9092"));
    assert_eq!(value("HONGNIANG__HTTP__LISTEN"), Some("0.0.0.0:7878"));
    assert_eq!(value("HONGNIANG__DATA_DIR"), Some("/var/lib/hongniang"));
    assert_eq!(value("HONGNIANG__HTTP__SERVICE_KEYS"), None);
}
