//! Objects in a folder of the lake that are numbered and made only once: whoever makes the next number has decided what comes next.

use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{Files, LakeError};

/// A folder of numbered objects.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) files: Files,
    folder: &'static str,
}

impl Numbered {
    pub(super) fn new(files: &Files, folder: &'static str) -> Self {
        Self { files: files.clone(), folder }
    }

    pub(super) fn object(&self, number: u64) -> Path {
        Path::from(format!("{}/{number:020}.json", self.folder))
    }

    /// The numbers there are, ascending.
    pub(super) async fn numbers(&self) -> Result<Vec<u64>, LakeError> {
        let found = self.files.list(self.folder).await?;
        let mut numbers: Vec<u64> = found.iter().filter_map(|meta| meta.location.filename()?.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Earlier ones are removed by and by, so a number may be free and yet long past.
    pub(super) async fn is_newest(&self, number: u64) -> Result<bool, LakeError> {
        Ok(self.numbers().await?.last().is_none_or(|newest| *newest <= number))
    }

    /// Makes a number; false, and nothing is written, where it is made already.
    pub(super) async fn create(&self, number: u64, value: &impl Serialize) -> Result<bool, LakeError> {
        let object = self.object(number);
        let json = serde_json::to_vec_pretty(value).map_err(|e| LakeError::Damaged { name: object.to_string(), reason: e.to_string() })?;
        match self.files.store.put_opts(&object, json.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(source) => Err(LakeError::Store { what: "write", name: object.to_string(), source }),
        }
    }

    /// Makes sure that the store refuses a number which is made already: all that keeps two writers apart rests on it.
    pub(super) async fn refuses_twice(&self, number: u64, value: &impl Serialize) -> Result<(), LakeError> {
        // Whoever was overtaken meanwhile may find its number free again: earlier ones are removed by and by.
        if self.create(number, value).await? && self.is_newest(number).await? { Err(LakeError::NoConditions) } else { Ok(()) }
    }

    /// What a number says; none when it is not there.
    pub(super) async fn read<T: DeserializeOwned>(&self, number: u64) -> Result<Option<T>, LakeError> {
        let object = self.object(number);
        let Some(bytes) = self.files.get(&object).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| LakeError::Damaged { name: object.to_string(), reason: e.to_string() })
    }

    /// The newest one; none before the first.
    pub(super) async fn newest<T: DeserializeOwned>(&self) -> Result<Option<(u64, T)>, LakeError> {
        loop {
            let Some(number) = self.numbers().await?.last().copied() else { return Ok(None) };
            // Another process may just have removed it, after one of its own.
            if let Some(value) = self.read(number).await? {
                return Ok(Some((number, value)));
            }
        }
    }

    pub(super) async fn remove(&self, number: u64) -> Result<(), LakeError> {
        self.files.remove(&self.object(number)).await
    }
}
