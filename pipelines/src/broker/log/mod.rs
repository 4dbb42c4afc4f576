//! One partition on disk.

mod batch;
mod codec;
mod compact;
mod partition;
mod producers;
mod records;
mod scrub;
mod segment;

pub(super) use self::batch::Header;
pub(super) use self::compact::Policy;
pub(super) use self::partition::{Aborted, Partition};
pub(super) use self::records::well_formed;
