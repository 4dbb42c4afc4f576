//! Jobs on the stream and in batch.
