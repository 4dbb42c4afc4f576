//! Claims on durable state: whoever claims last may save, everybody before is told so.
//!
//! Claims are objects `owner/<number>`, made only where there is none of that number, so two cannot make the same. Ownership in the group
//! ([`crate::ownership`]) sees to it that one process works; claims see to it that a process which was cut off, and has not noticed, spoils nothing:
//! it finds a newer claim before it saves, and objects that carry the number of their claim cannot be mixed up.

use crate::snapshots::{SnapshotError, SnapshotStore};

/// A claim on what lies in a folder of snapshots.
pub struct Claim {
    claims: SnapshotStore,
    place: String,
    number: u64,
}

/// So many earlier claims are left, for those who are just making one.
const KEPT: u64 = 8;

fn name(number: u64) -> String {
    format!("{number:020}")
}

async fn numbers(claims: &SnapshotStore) -> Result<Vec<u64>, SnapshotError> {
    Ok(claims.list().await?.iter().filter_map(|name| name.parse().ok()).collect())
}

impl Claim {
    /// Claims what lies in `store`, over all claims before.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn take(store: &SnapshotStore) -> Result<Self, SnapshotError> {
        let claims = store.below("owner");
        loop {
            let number = numbers(&claims).await?.into_iter().max().map_or(1, |newest| newest + 1);
            if !claims.create(&name(number), b"").await? {
                continue;
            }
            let twice = claims.create(&name(number), b"").await?;
            // Earlier ones are removed by and by, so a number may be free and yet long past.
            let all = numbers(&claims).await?;
            if all.iter().any(|other| *other > number) {
                continue;
            }
            if twice {
                return Err(SnapshotError::NoConditions { place: store.to_string() });
            }
            for old in all.into_iter().filter(|old| old + KEPT < number) {
                claims.delete(&name(old)).await?;
            }
            return Ok(Self { place: store.to_string(), claims, number });
        }
    }

    /// Its number: larger than those of all claims before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes sure that nobody has claimed since.
    ///
    /// # Errors
    /// [`SnapshotError::Superseded`] when somebody has; or the store refuses.
    pub async fn check(&self) -> Result<(), SnapshotError> {
        match numbers(&self.claims).await?.into_iter().max() {
            Some(newest) if newest > self.number => Err(SnapshotError::Superseded { place: self.place.clone() }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_claim_holds_and_earlier_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(dir.path().to_str().unwrap()).unwrap().below("features");
        let first = Claim::take(&store).await.unwrap();
        first.check().await.unwrap();
        let second = Claim::take(&store).await.unwrap();
        assert!(second.number() > first.number());
        second.check().await.unwrap();
        let told = first.check().await.unwrap_err();
        assert!(matches!(told, SnapshotError::Superseded { .. }), "{told}");
        assert!(told.to_string().contains("`features`"), "{told}");
    }

    #[tokio::test]
    async fn claims_made_at_once_have_different_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(dir.path().to_str().unwrap()).unwrap();
        let taken = futures::future::join_all((0..24).map(|_| Claim::take(&store))).await;
        let mut numbers: Vec<u64> = taken.into_iter().map(|claim| claim.unwrap().number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 24);
    }
}
