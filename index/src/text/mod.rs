//! Text: profiles and Moments in tantivy, Chinese cut into words by jieba, English stemmed.
//!
//! Every text is indexed twice: field `zh` through jieba (search mode, which also offers the parts of compounds) and lower-casing, field
//! `en` through word boundaries, lower-casing and the Porter stemmer. A query goes to both, so mixed sentences work. User queries
//! are cut into terms and never parsed as a query language: nothing a person types can be an error.

mod analysis;
mod schema;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use features::event::{MomentEvent, Subject};
use features::ids::{MomentId, UserId};
use features::profile::Profile;
use features::text::escape_html;
use tantivy::collector::{Count, TopDocs};
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::snippet::SnippetGenerator;
use tantivy::{DocAddress, Index, IndexReader, IndexWriter, Searcher, TantivyDocument, Term};

use self::schema::Fields;
use crate::IndexError;

/// A purge that finds its segments taken so often fails.
const PURGE_TRIES: usize = 50;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Moments only.
    Moments,
    /// People only.
    People,
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct TextQuery {
    /// What the person typed, in any language.
    pub text: String,
    /// What to look for; none means both.
    pub kind: Option<Kind>,
    /// How many at most.
    pub limit: usize,
}

/// A found text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextHit {
    /// The Moment or profile.
    pub subject: Subject,
    /// Whose it is.
    pub user_id: UserId,
    /// BM25 score.
    pub score: f32,
    /// HTML-escaped excerpt with `<b>` around what matched.
    pub snippet: String,
}

/// The text index. Writes become visible, and durable, with [`TextIndex::commit`].
pub struct TextIndex {
    fields: Fields,
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
}

impl TextIndex {
    /// Opens the index in `folder`, or makes it; one of another version is emptied, because all of it can be read from the stream again.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process has the index open.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
        let (schema, fields) = schema::build();
        let open = || {
            let directory = tantivy::directory::MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
            Index::open_or_create(directory, schema.clone())
        };
        let index = match open() {
            Err(tantivy::TantivyError::SchemaError(_)) => {
                tracing::warn!(folder = %folder.display(), "the text index is of another version; it is made anew from the stream");
                std::fs::remove_dir_all(folder).and_then(|()| std::fs::create_dir_all(folder)).map_err(IndexError::io(folder))?;
                open()?
            }
            opened => opened?,
        };
        Self::over(index, fields)
    }

    /// An index in memory.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn in_memory() -> Result<Self, IndexError> {
        let (schema, fields) = schema::build();
        Self::over(Index::create_in_ram(schema), fields)
    }

    fn over(index: Index, fields: Fields) -> Result<Self, IndexError> {
        analysis::register(&index);
        let writer = index.writer_with_num_threads(1, 50_000_000)?;
        let reader = index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into()?;
        Ok(Self { fields, writer: Mutex::new(writer), reader })
    }

    fn replace(&self, subject: Subject, document: Option<TantivyDocument>) -> Result<(), IndexError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.delete_term(Term::from_field_text(self.fields.key, &subject.key()));
        if let Some(document) = document {
            writer.add_document(document)?;
        }
        Ok(())
    }

    /// Adds or replaces a profile; hidden and banned ones are taken out.
    ///
    /// # Errors
    /// When the index cannot take it.
    pub fn put_profile(&self, user: UserId, profile: &Profile) -> Result<(), IndexError> {
        let document = profile.visible().then(|| self.fields.profile(user, profile));
        self.replace(Subject::Profile(user), document)
    }

    /// Adds or replaces a Moment.
    ///
    /// # Errors
    /// When the index cannot take it.
    pub fn put_moment(&self, moment: &MomentEvent) -> Result<(), IndexError> {
        self.replace(Subject::Moment(moment.moment_id), Some(self.fields.moment(moment)))
    }

    /// Removes a Moment.
    ///
    /// # Errors
    /// When the index cannot take it.
    pub fn delete_moment(&self, moment: MomentId) -> Result<(), IndexError> {
        self.replace(Subject::Moment(moment), None)
    }

    /// Removes a person's profile and Moments.
    ///
    /// # Errors
    /// Never at present; the signature leaves room.
    pub fn delete_user(&self, user: UserId) -> Result<(), IndexError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.delete_term(Term::from_field_u64(self.fields.user, user.0));
        Ok(())
    }

    /// Makes everything written before durable and visible.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit(&self) -> Result<(), IndexError> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).commit()?;
        self.reader.reload()?;
        Ok(())
    }

    /// Takes what was deleted out of the files, too, so that nobody reads it there: commits, and merges every segment that has deleted documents.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn purge(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.commit()?;
        for tried in 1.. {
            self.reader.reload()?;
            let metas = self.reader.searcher().index().searchable_segment_metas()?;
            let with: Vec<SegmentId> = metas.iter().filter(|meta| meta.has_deletes()).map(SegmentMeta::id).collect();
            if with.is_empty() {
                break;
            }
            // A merge that goes on by itself may have one of them just now.
            match writer.merge(&with).wait() {
                Ok(_) => {}
                Err(error) if tried == PURGE_TRIES => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
        writer.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Number of documents of a person: the profile and Moments, as of the last commit.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn of(&self, user: UserId) -> Result<usize, IndexError> {
        let term = Term::from_field_u64(self.fields.user, user.0);
        Ok(self.reader.searcher().search(&TermQuery::new(term, IndexRecordOption::Basic), &Count)?)
    }

    /// Number of documents.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Whether nothing is indexed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Searches both languages; an empty query finds nothing.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, query: &TextQuery) -> Result<Vec<TextHit>, IndexError> {
        let searcher = self.reader.searcher();
        let Some(wanted) = self.query(&searcher, query) else { return Ok(Vec::new()) };
        let limit = query.limit.clamp(1, 1000);
        let found = searcher.search(&*wanted, &TopDocs::with_limit(limit).order_by_score())?;
        let mut snippets = Vec::new();
        for field in [self.fields.zh, self.fields.en] {
            snippets.push(SnippetGenerator::create(&searcher, &*wanted, field)?);
        }
        found.into_iter().map(|(score, at)| self.hit(&searcher, &snippets, score, at)).filter_map(Result::transpose).collect()
    }

    fn query(&self, searcher: &Searcher, query: &TextQuery) -> Option<Box<dyn Query>> {
        let mut terms: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (field, boost) in [(self.fields.zh, 1.0), (self.fields.en, 0.8)] {
            for term in analysis::terms(searcher.index(), field, &query.text) {
                let term: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                terms.push((Occur::Should, Box::new(BoostQuery::new(term, boost))));
            }
        }
        if terms.is_empty() {
            return None;
        }
        let mut all: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(BooleanQuery::new(terms)))];
        if let Some(kind) = query.kind {
            let name = if kind == Kind::Moments { "moment" } else { "profile" };
            let term = Term::from_field_text(self.fields.kind, name);
            let only: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
            all.push((Occur::Must, Box::new(BoostQuery::new(only, 0.0))));
        }
        Some(Box::new(BooleanQuery::new(all)))
    }

    fn hit(&self, searcher: &Searcher, snippets: &[SnippetGenerator], score: f32, at: DocAddress) -> Result<Option<TextHit>, IndexError> {
        let document: TantivyDocument = searcher.doc(at)?;
        let Some((subject, user_id)) = self.fields.subject(&document) else { return Ok(None) };
        let body = document.get_first(self.fields.body).and_then(|v| v.as_str()).unwrap_or_default();
        let marked = snippets.iter().map(|s| s.snippet(body)).find(|s| !s.is_empty());
        let snippet = marked.map_or_else(|| escape_html(&body.chars().take(120).collect::<String>()), |s| s.to_html());
        Ok(Some(TextHit { subject, user_id, score, snippet }))
    }

    /// A Moment by id as it was published, as of the last commit.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn moment(&self, moment: MomentId) -> Result<Option<MomentEvent>, IndexError> {
        let searcher = self.reader.searcher();
        let term = Term::from_field_text(self.fields.key, &Subject::Moment(moment).key());
        let found = searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &TopDocs::with_limit(1).order_by_score())?;
        let Some((_, at)) = found.first() else { return Ok(None) };
        Ok(self.fields.stored_moment(&searcher.doc(*at)?))
    }
}

#[cfg(test)]
mod tests;
