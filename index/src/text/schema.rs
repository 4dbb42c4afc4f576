//! Fields of a document, and documents from profiles and Moments.

use features::event::{Event, MomentEvent, Subject};
use features::ids::{MomentId, UserId};
use features::profile::Profile;
use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value};

use super::analysis::{CHINESE, ENGLISH};

/// The fields of every document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) key: Field,
    pub(super) kind: Field,
    pub(super) user: Field,
    pub(super) zh: Field,
    pub(super) en: Field,
    pub(super) body: Field,
    pub(super) event: Field,
}

/// The schema and its fields.
pub(super) fn build() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |tokenizer: &str| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(IndexRecordOption::WithFreqsAndPositions);
        TextOptions::default().set_indexing_options(indexing)
    };
    let fields = Fields {
        key: schema.add_text_field("key", STRING | STORED),
        kind: schema.add_text_field("kind", STRING),
        user: schema.add_u64_field("user", INDEXED | STORED | FAST),
        zh: schema.add_text_field("zh", text(CHINESE)),
        en: schema.add_text_field("en", text(ENGLISH)),
        body: schema.add_text_field("body", STORED),
        event: schema.add_bytes_field("event", STORED),
    };
    (schema.build(), fields)
}

impl Fields {
    fn document(&self, subject: Subject, user: UserId, kind: &str, searched: &str, body: &str) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, subject.key());
        document.add_text(self.kind, kind);
        document.add_u64(self.user, user.0);
        document.add_text(self.zh, searched);
        document.add_text(self.en, searched);
        document.add_text(self.body, body);
        document
    }

    pub(super) fn profile(&self, user: UserId, profile: &Profile) -> TantivyDocument {
        let body = profile.text();
        let searched = format!("{}\n{}\n{body}", profile.nickname, profile.city.as_deref().unwrap_or_default());
        self.document(Subject::Profile(user), user, "profile", &searched, &body)
    }

    pub(super) fn moment(&self, moment: &MomentEvent) -> TantivyDocument {
        let body = moment.full_text();
        let searched = format!("{body}\n{}", moment.tags.join(" "));
        let mut document = self.document(Subject::Moment(moment.moment_id), moment.author_id, "moment", &searched, &body);
        document.add_bytes(self.event, &Event::Moment(moment.clone()).encode());
        document
    }

    /// What a document is about, and whose it is.
    pub(super) fn subject(&self, document: &TantivyDocument) -> Option<(Subject, UserId)> {
        let key = document.get_first(self.key)?.as_str()?.to_owned();
        let user = UserId(document.get_first(self.user)?.as_u64()?);
        let subject = match key.split_once(':')? {
            ("m", id) => Subject::Moment(MomentId(id.parse().ok()?)),
            _ => Subject::Profile(user),
        };
        Some((subject, user))
    }

    /// The Moment of a document, as it was published.
    pub(super) fn stored_moment(&self, document: &TantivyDocument) -> Option<MomentEvent> {
        match Event::decode(document.get_first(self.event)?.as_bytes()?) {
            Ok(Event::Moment(moment)) => Some(moment),
            _ => None,
        }
    }
}
