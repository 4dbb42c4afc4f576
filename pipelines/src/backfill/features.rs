//! Feature sets out of the lake: days, totals, and their handing over to the runner.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use features::sets::FeatureSet;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::days::Step;
use super::error::BackfillError;
use super::job::Backfill;
use super::partials::{self, Unit, hex};
use super::readers::Held;
use super::record::Phase;
use super::totals::Totals;
use crate::bus::Offsets;
use crate::runner::{Answer, Chunk, NAME, Staged, StateStore, Swap, sql_hash};

/// Rows of a staged chunk.
const CHUNK: usize = 50_000;

/// A backfill that would take back more than this part of the keys is not believed: the lake lacks something.
const GONE_AT_MOST: f64 = 0.01;
/// So few keys may go in any case.
const GONE_ANYWAY: u64 = 10;

/// What a backfill has made of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetReport {
    /// The set.
    pub set: String,
    /// Days of the lake.
    pub days: usize,
    /// Of these, days whose sums were known.
    pub known: usize,
    /// Keys of the new state.
    pub keys: u64,
    /// Keys that readers hold and that are taken back.
    pub gone: u64,
    /// The generation of its rows.
    pub generation: u32,
}

impl Backfill {
    /// Adds the days of a set and stages what comes out, with the keys that readers hold and that are no more.
    async fn stage(&self, set: &FeatureSet, units: &[Unit], offsets: &Offsets) -> Result<Staged, BackfillError> {
        let mut digest = Sha256::new();
        units.iter().for_each(|unit| digest.update(&unit.path));
        digest.update(format!("{:?}", offsets.0));
        let place = format!("{}/{}", set.name, hex(&digest.finalize()));
        if let Some(staged) = self.swaps.sealed(&place).await? {
            return Ok(staged);
        }
        let mut staged = Staged {
            sql: sql_hash(set),
            columns: set.value_columns.len(),
            generation: 0,
            offsets: offsets.to_named(),
            place,
            chunks: 0,
            gone: 0,
            keys: 0,
            gone_keys: 0,
        };
        let (mut totals, mut held) =
            (Totals::over(&self.core.workshop, set, units).await?, Held::of(&self.core.workshop, &self.core.bus, set).await?);
        let (mut chunk, mut gone) = (Chunk::default(), Vec::new());
        let mut other = held.next().await?;
        loop {
            let row = if totals.fill().await? { Some(totals.row()) } else { None };
            let order = match (&row, &other) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, ..)), Some((held, _))) => (*key).cmp(held.as_str()),
            };
            if let Some((key, version, values)) = row.filter(|_| order != Ordering::Greater) {
                chunk.keys.push(key.to_owned());
                chunk.versions.push(version);
                chunk.values.extend_from_slice(values);
                totals.step();
            }
            if order != Ordering::Less {
                // A key that was taken back before stays so.
                gone.extend(other.take().filter(|(_, version)| order == Ordering::Greater && *version > 0).map(|(key, _)| key));
                other = held.next().await?;
            }
            self.flush(&mut staged, &mut chunk, &mut gone, CHUNK).await?;
        }
        self.flush(&mut staged, &mut chunk, &mut gone, 1).await?;
        staged.generation = held.newest_generation() + 1;
        self.swaps.seal(&staged).await?;
        Ok(staged)
    }

    /// Writes what has gathered, once it is as much as `at`.
    async fn flush(&self, staged: &mut Staged, chunk: &mut Chunk, gone: &mut Vec<String>, at: usize) -> Result<(), BackfillError> {
        if chunk.keys.len() >= at {
            let full = std::mem::take(chunk);
            staged.keys += full.keys.len() as u64;
            self.swaps.stage_rows(&staged.place, staged.chunks, &full).await?;
            staged.chunks += 1;
            self.still_mine().await?;
        }
        if gone.len() >= at {
            let full = std::mem::take(gone);
            staged.gone_keys += full.len() as u64;
            self.swaps.stage_gone(&staged.place, staged.gone, &full).await?;
            staged.gone += 1;
        }
        Ok(())
    }

    /// Computes the feature sets of the request out of the lake and hands them over to the runner, all at once. Returns what was made, and
    /// how fast: events that were read, and how long that took.
    ///
    /// # Errors
    /// When the lake, the log or the state fails, or what was computed cannot be right.
    pub async fn features(&mut self) -> Result<FeaturesReport, BackfillError> {
        let sets = self.core.sets.clone();
        if let Some(report) = self.handed_over().await? {
            return Ok(report);
        }
        self.clear(&sets).await?;
        let step = async |at: Step| {
            at.fresh.then(|| self.read_events(at.rows));
            self.tell(Phase::Days, "sums of days", at.done, at.total, at.events);
            self.still_mine().await
        };
        let days = self.core.days(step).await?;
        let (mut swap, mut reports) = (Swap { number: self.claim.number(), sets: BTreeMap::new() }, Vec::new());
        let began = Instant::now();
        for (n, set) in sets.iter().enumerate() {
            self.tell(Phase::Totals, &set.name, n as u64, sets.len() as u64, days.events);
            let units = days.units.get(&set.name).map_or(&[][..], Vec::as_slice);
            let offsets = days.stock.positions.of_topic(set.source.name());
            let mut staged = self.stage(set, units, &offsets).await?;
            staged.generation = staged.generation.max(self.generation(set).await? + 1);
            self.believe(set, &staged)?;
            reports.push(SetReport {
                set: set.name.clone(),
                days: units.len(),
                known: days.known.get(&set.name).copied().unwrap_or(0),
                keys: staged.keys,
                gone: staged.gone_keys,
                generation: staged.generation,
            });
            swap.sets.insert(set.name.clone(), staged);
        }
        self.core.judge(&days.stock).await?;
        self.still_mine_now().await?;
        self.keeper.write(|run| (run.swap, run.phase) = (Some(swap.number), Phase::Waiting)).await?;
        self.swaps.commit(&swap).await?;
        for set in &sets {
            partials::prune(&self.core.workshop, set, days.units.get(&set.name).map_or(&[][..], Vec::as_slice)).await?;
        }
        let took = days.took + began.elapsed();
        Ok(FeaturesReport { sets: reports, events: days.events, took, spilled: self.core.workshop.spilled() })
    }

    /// What a start before this one has handed over already.
    async fn handed_over(&self) -> Result<Option<FeaturesReport>, BackfillError> {
        let Some(number) = self.keeper.record().swap else { return Ok(None) };
        let open = self.swaps.open().await?.into_iter().find(|swap| swap.number == number);
        let taken = self.swaps.answer(number).await? == Some(Answer::TakenOver);
        if open.is_none() && !taken {
            return Ok(None);
        }
        let report = |(set, staged): (String, Staged)| SetReport {
            set,
            days: 0,
            known: 0,
            keys: staged.keys,
            gone: staged.gone_keys,
            generation: staged.generation,
        };
        let sets = open.map_or_else(Vec::new, |swap| swap.sets.into_iter().map(report).collect());
        Ok(Some(FeaturesReport { sets, events: 0, took: Duration::ZERO, spilled: 0 }))
    }

    /// Drops the sums of the days that are to be read again, once in the life of a backfill.
    async fn clear(&self, sets: &[FeatureSet]) -> Result<(), BackfillError> {
        let run = self.keeper.record();
        if run.cleared || (run.request.from.is_none() && run.request.to.is_none()) {
            return Ok(());
        }
        for set in sets {
            let asked = |day| run.request.from.is_none_or(|from| from <= day) && run.request.to.is_none_or(|to| day < to);
            partials::forget(&self.core.workshop, set, asked).await?;
        }
        self.keeper.write(|run| run.cleared = true).await
    }

    /// The highest generation that the state of a set has, saved or handed over.
    async fn generation(&self, set: &FeatureSet) -> Result<u32, BackfillError> {
        let saved = StateStore::new(&self.core.state.below(NAME), set, 0).generation().await?.unwrap_or(0);
        let open = self.swaps.open().await?;
        let waiting = open.iter().filter_map(|swap| swap.sets.get(&set.name)).map(|staged| staged.generation).max().unwrap_or(0);
        Ok(saved.max(waiting))
    }

    /// A lake that lacks a part of the past would take back what people did.
    fn believe(&self, set: &FeatureSet, staged: &Staged) -> Result<(), BackfillError> {
        let all = staged.keys + staged.gone_keys;
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let most = (all as f64 * GONE_AT_MOST) as u64;
        if self.accept_gone || staged.gone_keys <= most.max(GONE_ANYWAY) {
            return Ok(());
        }
        Err(BackfillError::Refused(format!(
            "`{}`: {} of {all} keys that readers hold are not in the lake, and would be set to zero; does the lake lack a part of the past, or stand far behind the stream? `--dry-run` tells, `--accept-gone` does it all the same",
            set.name, staged.gone_keys
        )))
    }

    /// Waits until the runner has taken over what was handed over, at most `patience`; false when it has not by then.
    ///
    /// # Errors
    /// When the runner refuses it, or the state cannot be read.
    pub async fn taken_over(&mut self, patience: Duration) -> Result<bool, BackfillError> {
        let Some(number) = self.keeper.record().swap else { return Ok(true) };
        let until = Instant::now() + patience;
        loop {
            match self.swaps.answer(number).await? {
                Some(Answer::TakenOver) => {
                    self.swaps.clean(&self.waiting().await?, number).await?;
                    return Ok(true);
                }
                Some(Answer::Refused(reason)) => {
                    let told = format!("the feature runner refused it: {reason}");
                    self.keeper.write(|run| (run.phase, run.message) = (Phase::Failed, told.clone())).await?;
                    return Err(BackfillError::Refused(told));
                }
                None if Instant::now() >= until => return Ok(false),
                None => {
                    self.tell(Phase::Waiting, "the feature runner takes over", 0, 0, 0);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// The places of states that were handed over and wait.
    pub(super) async fn waiting(&self) -> Result<Vec<String>, BackfillError> {
        let open = self.swaps.open().await?;
        Ok(open.into_iter().flat_map(|swap| swap.sets.into_values()).map(|staged| staged.place).collect())
    }
}

/// What became of the feature sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeaturesReport {
    /// By set.
    pub sets: Vec<SetReport>,
    /// Events that were read, each counted once, whatever number of sets has it.
    pub events: u64,
    /// How long reading and adding took.
    pub took: Duration,
    /// Bytes that did not fit into memory and went through the disk.
    pub spilled: u64,
}
