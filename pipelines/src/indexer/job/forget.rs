//! People who leave, with their bytes.

use std::sync::Arc;

use features::ids::UserId;
use index::vectors::Collection;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{Run, failed};
use crate::supervisor::JobError;

impl Run {
    /// Takes people out of every index, and out of its files.
    pub(super) async fn forget(&mut self, people: &[UserId]) -> Result<(), JobError> {
        for user in people {
            self.job.indexes.table.remove(*user);
            self.job.indexes.text.delete_user(*user).map_err(failed("take a person out of the text index"))?;
            self.written.remove(user);
        }
        self.write_vectors(Collection::Users, Vec::new(), people.iter().map(|user| user.0).collect()).await?;
        self.job.indexes.vectors.delete_of(people.to_vec()).await.map_err(failed("remove vectors"))?;
        self.purge().await
    }

    /// Makes files without what was taken out.
    pub(super) async fn purge(&mut self) -> Result<(), JobError> {
        self.flush().await?;
        let text = Arc::clone(&self.job.indexes.text);
        let purged = spawn_blocking(move || text.purge()).await.map_err(|e| JobError::failed("purge the text index", e))?;
        purged.map_err(failed("purge the text index"))?;
        self.job.indexes.vectors.purge().await.map_err(failed("purge the vectors"))?;
        self.saved().await?;
        self.saved_at = None;
        self.save().await?;
        self.saved().await?;
        // What was copied has no graphs yet.
        self.unoptimized = self.job.config.optimize_after;
        (self.left, self.purged) = (false, Instant::now());
        Ok(())
    }
}
