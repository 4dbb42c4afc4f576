//! What a deck was made of, in little room: about ten bytes for everybody who was scored.
//!
//! A record is the number of its format, then postcard under zstd, all of it as base64. Columns lie one after the other, so that what
//! repeats packs well: sources as bits, flags as bits, versions as how far they lie before the newest.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::Position;
use index::ledger::Standing;
use ranker::config::Effective;
use ranker::deck::PortraitVersion;
use ranker::warm::Rates;
use ranker::{DeckRequest, Seen, SourceName, Trace};
use serde::{Deserialize, Serialize};

/// Raised when the layout changes.
const FORMAT: u8 = 1;
/// No record is larger when it is unpacked.
const MOST_BYTES: usize = 8 << 20;

const OVERLAID: u8 = 1;
const CONTENT: u8 = 2;
const TASTE: u8 = 4;
const RETURNED: u8 = 8;

/// A record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by another version of the program.
    #[error("the record is of format {0}, and this program reads format {FORMAT}: use the version of the program that wrote it")]
    Format(u8),
    /// Cut or changed.
    #[error("the record is damaged: {0}")]
    Damaged(String),
    /// The configuration in it is not one of this program.
    #[error("the configuration in the record is not one of this program: {0}; use the version of the program that wrote it")]
    Config(#[from] ranker::ConfigError),
}

#[derive(Serialize, Deserialize)]
struct Packed {
    seed: u64,
    limit: u64,
    now: (i64, u32),
    position: Option<(f64, f64)>,
    region: Option<String>,
    config: String,
    /// Names of the sources, in the order of their bits.
    sources: Vec<String>,
    /// The newest version; the others are told by how far they lie before it.
    newest: u64,
    /// The viewer first, then everybody who was scored.
    users: Vec<u64>,
    generations: Vec<u32>,
    behind: Vec<u64>,
    flags: Vec<u8>,
    found_by: Vec<u16>,
    /// Profiles as JSON.
    overlays: Vec<(u64, String)>,
    /// How often those who were scored had been shown that day; empty where that did not count.
    received: Vec<u32>,
    rates: Option<Rates>,
}

/// What is in the deck's event beside the record.
pub struct Beside<'a> {
    /// The deck.
    pub deck_id: &'a str,
    /// Experiment arms that held.
    pub experiments: &'a [String],
    /// What was done without when the deck was made.
    pub degraded: &'a [String],
}

impl Packed {
    fn of(trace: &Trace) -> Self {
        let people = || trace.people();
        let newest = people().map(|seen| seen.portrait.version).max().unwrap_or(0);
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = |seen: &Seen| bit(seen.overlaid, OVERLAID) | bit(seen.content, CONTENT) | bit(seen.taste, TASTE);
        // The viewer stands first.
        let returned = std::iter::once(false).chain(trace.standings.iter().map(|s| s.returned)).chain(std::iter::repeat(false));
        let bits = |sources: &[SourceName]| sources.iter().fold(0u16, |bits, source| bits | 1 << *source as u16);
        let json = |profile| serde_json::to_string(profile).expect("a profile is JSON");
        Self {
            seed: trace.request.seed,
            limit: trace.request.limit as u64,
            now: (trace.request.now.timestamp(), trace.request.now.timestamp_subsec_nanos()),
            position: trace.request.position.map(|at| (at.lat, at.lon)),
            region: trace.region.clone(),
            config: trace.effective.to_json(),
            sources: SourceName::ALL.iter().map(|source| source.name().to_owned()).collect(),
            newest,
            users: people().map(|seen| seen.user.0).collect(),
            generations: people().map(|seen| seen.portrait.generation).collect(),
            behind: people().map(|seen| newest - seen.portrait.version).collect(),
            flags: people().map(flags).zip(returned).map(|(flags, returned)| flags | bit(returned, RETURNED)).collect(),
            found_by: trace.entrants.iter().map(|(_, sources)| bits(sources)).collect(),
            overlays: trace.overlays.iter().map(|(user, profile)| (user.0, json(&**profile))).collect(),
            received: trace.standings.iter().map(|standing| standing.received).collect(),
            rates: trace.rates.clone(),
        }
    }

    fn trace(self, beside: &Beside<'_>) -> Result<Trace, RecordError> {
        let damaged = |what: &str| RecordError::Damaged(what.to_owned());
        let many = self.users.len();
        if [self.generations.len(), self.behind.len(), self.flags.len(), self.found_by.len() + 1] != [many; 4] {
            return Err(damaged("its columns differ in length"));
        }
        if ![0, many - 1].contains(&self.received.len()) {
            return Err(damaged("its columns differ in length"));
        }
        let standing = |(at, received): (usize, &u32)| Standing { received: *received, returned: self.flags[at + 1] & RETURNED != 0 };
        let seen = |at: usize| -> Result<Seen, RecordError> {
            let version = self.newest.checked_sub(self.behind[at]).ok_or_else(|| damaged("a version lies before 0"))?;
            let flag = |bit: u8| self.flags[at] & bit != 0;
            let portrait = PortraitVersion { generation: self.generations[at], version };
            Ok(Seen { user: UserId(self.users[at]), portrait, overlaid: flag(OVERLAID), content: flag(CONTENT), taste: flag(TASTE) })
        };
        let named = |name: &String| SourceName::ALL.iter().copied().find(|source| source.name() == name);
        let names: Vec<Option<SourceName>> = self.sources.iter().map(named).collect();
        let found_by = |bits: u16| -> Result<Vec<SourceName>, RecordError> {
            let set = (0..16usize).filter(|bit| bits & (1 << bit) != 0);
            set.map(|bit| names.get(bit).copied().flatten().ok_or_else(|| damaged("it names a source that this program has not"))).collect()
        };
        let entrants = self.found_by.iter().enumerate().map(|(at, bits)| Ok((seen(at + 1)?, found_by(*bits)?)));
        let profile = |(user, json): &(u64, String)| {
            let profile = serde_json::from_str(json).map_err(|e| RecordError::Damaged(e.to_string()))?;
            Ok((UserId(*user), Arc::new(profile)))
        };
        let viewer = seen(0)?;
        let now: DateTime<Utc> = DateTime::from_timestamp(self.now.0, self.now.1).ok_or_else(|| damaged("its time is none"))?;
        Ok(Trace {
            request: DeckRequest {
                viewer: viewer.user,
                deck_id: beside.deck_id.to_owned(),
                seed: self.seed,
                now,
                position: self.position.map(|(lat, lon)| Position { lat, lon }),
                limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            },
            region: self.region.clone(),
            effective: Arc::new(Effective::from_json(&self.config, beside.experiments.to_vec())?),
            viewer,
            entrants: entrants.collect::<Result<_, RecordError>>()?,
            overlays: self.overlays.iter().map(profile).collect::<Result<_, RecordError>>()?,
            degraded: beside.degraded.to_vec(),
            standings: self.received.iter().enumerate().map(standing).collect(),
            rates: self.rates,
        })
    }
}

thread_local! {
    /// Making one costs more than packing a record.
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = RefCell::new(zstd::bulk::Compressor::new(1).ok());
}

/// Packs a trace; none when there is no memory for it.
pub(super) fn pack(trace: &Trace) -> Option<String> {
    let bytes = postcard::to_stdvec(&Packed::of(trace)).expect("a plain struct into memory");
    let packed = PACKER.with_borrow_mut(|packer| packer.as_mut().and_then(|packer| packer.compress(&bytes).ok()))?;
    let mut record = Vec::with_capacity(packed.len() + 1);
    record.push(FORMAT);
    record.extend(packed);
    Some(BASE64.encode(record))
}

fn packed(record: &str) -> Result<Packed, RecordError> {
    let damaged = |e: &dyn std::fmt::Display| RecordError::Damaged(e.to_string());
    let bytes = BASE64.decode(record).map_err(|e| damaged(&e))?;
    let (format, packed) = bytes.split_first().ok_or_else(|| damaged(&"it is empty"))?;
    if *format != FORMAT {
        return Err(RecordError::Format(*format));
    }
    let bytes = zstd::bulk::decompress(packed, MOST_BYTES).map_err(|e| damaged(&e))?;
    postcard::from_bytes(&bytes).map_err(|e| damaged(&e))
}

/// Whether a record names one of some people. What cannot be read may name anybody.
pub fn names(record: &str, people: &HashSet<u64>) -> bool {
    packed(record)
        .map_or(true, |packed| packed.users.iter().chain(packed.overlays.iter().map(|(user, _)| user)).any(|user| people.contains(user)))
}

/// Reads what was packed.
///
/// # Errors
/// When the record is of another format, damaged, or of a configuration that this program does not know.
pub fn unpack(record: &str, beside: &Beside<'_>) -> Result<Trace, RecordError> {
    packed(record)?.trace(beside)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::profile::{Gender, Profile};
    use proptest::prelude::*;
    use ranker::RankerConfig;

    use super::*;

    fn seen() -> impl Strategy<Value = Seen> {
        (1..=u64::MAX, 0u32..5, 0..=u64::MAX / 2, any::<[bool; 3]>()).prop_map(|(user, generation, version, [overlaid, content, taste])| {
            Seen { user: UserId(user), portrait: PortraitVersion { generation, version }, overlaid, content, taste }
        })
    }

    fn trace() -> impl Strategy<Value = Trace> {
        let sources = prop::collection::btree_set(prop::sample::select(SourceName::ALL), 0..5);
        let entrants = prop::collection::vec((seen(), sources.prop_map(|some| some.into_iter().collect())), 0..60);
        (seen(), entrants, any::<(u64, usize, u32)>(), prop::option::of((-90f64..90.0, -180f64..180.0))).prop_map(
            |(viewer, entrants, (seed, limit, nanos), position)| {
                let now = DateTime::from_timestamp(1_790_000_000, nanos % 1_000_000_000).unwrap();
                let birth = chrono::NaiveDate::from_ymd_opt(1996, 3, 1).unwrap();
                let config = RankerConfig { strategy: "random".to_owned(), ..RankerConfig::default() };
                let json = serde_json::to_string(&config).unwrap();
                let stood = |n: usize| Standing { received: n as u32 * 3, returned: n % 3 == 1 };
                let standings = if seed % 3 == 0 { Vec::new() } else { (0..entrants.len()).map(stood).collect() };
                Trace {
                    request: DeckRequest {
                        viewer: viewer.user,
                        deck_id: "d1".to_owned(),
                        seed,
                        now,
                        position: position.map(|(lat, lon)| Position { lat, lon }),
                        limit,
                    },
                    region: Some("上海".to_owned()),
                    effective: Arc::new(Effective::from_json(&json, vec!["a:b".to_owned()]).unwrap()),
                    viewer,
                    entrants,
                    overlays: vec![(UserId(7), Arc::new(Profile::new("小红", Gender::Female, birth, now)))],
                    degraded: vec!["source hot: panicked".to_owned()],
                    standings,
                    rates: (seed % 2 == 0).then(Rates::default),
                }
            },
        )
    }

    fn read(record: &str) -> Result<Trace, RecordError> {
        let (experiments, degraded) = (["a:b".to_owned()], ["source hot: panicked".to_owned()]);
        unpack(record, &Beside { deck_id: "d1", experiments: &experiments, degraded: &degraded })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_packed_comes_back_to_the_last_bit(trace in trace()) {
            let packed = pack(&trace).unwrap();
            let people: HashSet<u64> = trace.people().map(|seen| seen.user.0).collect();
            prop_assert!(people.iter().all(|user| names(&packed, &HashSet::from([*user]))));
            prop_assert!((1..100).filter(|user| *user != 7 && !people.contains(user)).all(|user| !names(&packed, &HashSet::from([user]))));
            prop_assert_eq!(read(&packed).unwrap(), trace);
        }

        #[test]
        fn nothing_makes_it_panic(trace in trace(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = BASE64.decode(pack(&trace).unwrap()).unwrap();
            let i = at.index(bytes.len());
            bytes[i] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let _ = read(&BASE64.encode(bytes));
        }
    }

    #[test]
    fn another_format_is_told_apart_from_damage() {
        assert!(matches!(read(&BASE64.encode([9, 1, 2])), Err(RecordError::Format(9))));
        for damaged in ["", "*", "AQ==", "AAAA"] {
            assert!(read(damaged).is_err(), "{damaged}");
        }
    }
}
