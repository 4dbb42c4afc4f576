//! The assembler: feature rows, profiles, embeddings and opinions in; portraits out.
//!
//! State lives in memory, and in a snapshot together with the offsets that led to it; after a crash the topics are read again from there. All
//! inputs are upserts, so repeats do no harm. `version` is the larger of the last one plus one and the clock in milliseconds: it also
//! grows over restarts from an older snapshot.
//!
//! Two queues: people about whom something came in are assembled at once; people whose `taste` may have moved because somebody they
//! like got a new vector wait until nothing fresh is there.
//!
//! Feature rows come from the embedded runner, or from Arroyo in envelopes. A row of a pipeline that still catches up waits until its generation
//! is announced ([`waiting`]).

mod job;
mod people;
mod rebuild;
mod waiting;

pub(crate) use people::{Change, People};
pub(crate) use rebuild::{Handed, rebuild};

pub use job::{Assembler, AssemblerConfig, NAME, saved_of};
