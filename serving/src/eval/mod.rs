//! Judging the ranking by what people did: what is read, which protocol is applied, rows that come out. The measures are `ranker::eval`'s.

pub mod lake;
