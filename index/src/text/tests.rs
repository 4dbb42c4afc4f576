#![allow(clippy::unwrap_used)]

use super::*;
use features::event::MomentKind;
use features::ids::derived_event_id;
use proptest::prelude::*;

fn moment(id: u64, author: u64, text: &str, tags: &[&str]) -> MomentEvent {
    let at = chrono::DateTime::from_timestamp(1_790_000_000, 123_000).unwrap();
    MomentEvent {
        event_id: derived_event_id(&["m"]),
        event_time: at,
        kind: MomentKind::Published,
        request_id: None,
        moment_id: MomentId(id),
        author_id: UserId(author),
        published_at: at,
        title: String::new(),
        text: text.to_owned(),
        answers: vec![],
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        media: vec![],
        text_chars: 0,
        answer_chars: 0,
        media_count: 0,
    }
}

fn found(index: &TextIndex, text: &str) -> Vec<u64> {
    let query = TextQuery { text: text.to_owned(), kind: Some(Kind::Moments), limit: 10 };
    let id = |hit: &TextHit| match hit.subject {
        Subject::Moment(id) => id.0,
        Subject::Profile(_) => panic!("asked for Moments"),
    };
    index.search(&query).unwrap().iter().map(id).collect()
}

fn filled() -> TextIndex {
    let index = TextIndex::in_memory().unwrap();
    index.put_moment(&moment(1, 11, "周末我们一起去爬山，山顶的风很舒服", &["户外"])).unwrap();
    index.put_moment(&moment(2, 12, "She hikes in the mountains every autumn", &["outdoor"])).unwrap();
    index.put_moment(&moment(3, 13, "在北京大学旁边喝 coffee <script>", &["咖啡"])).unwrap();
    index.commit().unwrap();
    index
}

#[test]
fn chinese_is_cut_and_english_is_stemmed() {
    let index = filled();
    assert_eq!(found(&index, "爬山"), [1]);
    assert_eq!(found(&index, "hiking"), [2]);
    assert_eq!(found(&index, "Mountain"), [2]);
    assert_eq!(found(&index, "北京"), [3], "parts of compounds are found");
    assert_eq!(found(&index, "咖啡"), [3], "tags are searched");
    assert_eq!(found(&index, "爬山 coffee").len(), 2);
    assert!(found(&index, "").is_empty() && found(&index, "!?。").is_empty());
}

#[test]
fn words_that_say_little_count_only_alone() {
    let index = filled();
    assert_eq!(found(&index, "the coffee"), [3], "`the` of Moment 2 is not what was looked for");
    assert_eq!(found(&index, "the"), [2]);
    assert_eq!(found(&index, "我们的 coffee"), [3]);
    assert_eq!(found(&index, "我们"), [1]);
}

#[test]
fn snippets_are_marked_and_escaped() {
    let query = TextQuery { text: "coffee".into(), kind: None, limit: 3 };
    let hit = &filled().search(&query).unwrap()[0];
    assert!(hit.snippet.contains("<b>coffee</b>") && hit.snippet.contains("&lt;script&gt;"), "{}", hit.snippet);
}

#[test]
fn replacing_and_deleting() {
    let index = filled();
    index.put_moment(&moment(1, 11, "今天做饭", &[])).unwrap();
    index.delete_user(UserId(12)).unwrap();
    index.delete_moment(MomentId(3)).unwrap();
    index.commit().unwrap();
    assert_eq!(index.len(), 1);
    assert!(found(&index, "爬山").is_empty() && found(&index, "hikes").is_empty() && found(&index, "coffee").is_empty());
    assert_eq!(index.moment(MomentId(1)).unwrap().unwrap().text, "今天做饭");
    assert_eq!(index.moment(MomentId(3)).unwrap(), None);
}

#[test]
fn moments_come_back_as_they_were_published() {
    let index = TextIndex::in_memory().unwrap();
    let mut published = moment(7, 17, "去爬山", &["户外"]);
    published.answers.push(features::event::QuestionAnswer { question: "和谁?".into(), answer: "with friends".into() });
    let published = published.with_counts();
    index.put_moment(&published).unwrap();
    index.commit().unwrap();
    assert_eq!(index.moment(MomentId(7)).unwrap(), Some(published));
}

#[test]
fn an_index_of_another_version_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = tantivy::schema::Schema::builder();
    other.add_text_field("other", tantivy::schema::STRING);
    drop(Index::create_in_dir(folder.path(), other.build()).unwrap());
    let index = TextIndex::open(folder.path()).unwrap();
    index.put_moment(&moment(1, 1, "爬山", &[])).unwrap();
    index.commit().unwrap();
    assert_eq!(found(&index, "爬山"), [1]);
}

#[test]
fn what_was_committed_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let index = TextIndex::open(folder.path()).unwrap();
    index.put_moment(&moment(1, 11, "爬山", &[])).unwrap();
    index.commit().unwrap();
    drop(index);
    assert_eq!(found(&TextIndex::open(folder.path()).unwrap(), "爬山"), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_typed_is_an_error(text in "\\PC{0,60}") {
        thread_local!(static INDEX: TextIndex = filled());
        let query = TextQuery { text, kind: None, limit: 5 };
        prop_assert!(INDEX.with(|index| index.search(&query).is_ok()));
    }
}

#[test]
fn after_a_purge_no_file_has_what_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let index = TextIndex::open(folder.path()).unwrap();
    for round in 0..3u64 {
        index.put_moment(&moment(10 + round, 77, &format!("zebracrossing number {round}"), &[])).unwrap();
        index.put_moment(&moment(20 + round, 78, "sunflowers stay", &[])).unwrap();
        index.commit().unwrap();
    }
    let bytes = || -> Vec<u8> {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
        files.flat_map(|path| std::fs::read(path).unwrap()).collect()
    };
    let has = |text: &str| bytes().windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has("zebracross") && index.of(UserId(77)).unwrap() == 3);
    index.delete_user(UserId(77)).unwrap();
    index.purge().unwrap();
    assert!(!has("zebracross") && has("sunflow"));
    assert_eq!((index.of(UserId(77)).unwrap(), found(&index, "sunflowers").len(), index.len()), (0, 3, 3));
    index.purge().unwrap();
    index.delete_user(UserId(78)).unwrap();
    index.purge().unwrap();
    assert!(!has("sunflow") && index.is_empty());
}
