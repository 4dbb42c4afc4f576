use std::sync::atomic::{AtomicU16, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind, ProfileEvent, ProfileKind};
use features::ids::{EventId, UserId};
use features::moderation::{Category, Finding, Screen};
use features::profile::{Gender, Profile};

use super::sift::{Sifted, again, sift};
use super::store::{Raised, Source};
use super::*;
use crate::audit;
use crate::db::{self, Db};
use crate::moderation::{BuiltIn, Checker, Down, Found, ModerationConfig, Moderator, Subject, SubjectKind};
use crate::state::Withheld;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

async fn tables() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&db::DatabaseConfig::default(), folder.path()).await.unwrap();
    db::up(&db, now()).await.unwrap();
    (folder, db)
}

fn moderator() -> Moderator {
    Moderator::new(&ModerationConfig::default(), now).unwrap()
}

/// What one event raises.
async fn raised(event: Event) -> Option<Raised> {
    let mut sifted = sift(&moderator(), &[event], now()).await;
    assert_eq!(sifted.pending, []);
    sifted.raised.pop()
}

async fn report(by: u64, of: u64, minute: i64) -> Raised {
    let at = now() + TimeDelta::minutes(minute);
    let event = InteractionEvent::new(EventId::now_v7(), at, InteractionKind::Report, UserId(by), UserId(of));
    raised(Event::Interaction(InteractionEvent { text: Some("骂人 swears".to_owned()), ..event })).await.unwrap()
}

async fn count(db: &Db, raised: &[Raised], at: DateTime<Utc>) -> Result<(), ReviewError> {
    service::count(db, &Sifted { raised: raised.to_vec(), pending: Vec::new() }, at).await
}

fn comment(text: &str) -> Event {
    let event = InteractionEvent::new(EventId::now_v7(), now(), InteractionKind::Comment, UserId(1), UserId(2));
    Event::Interaction(InteractionEvent { text: Some(text.to_owned()), ..event })
}

#[tokio::test]
async fn reports_and_flagged_texts_raise_and_nothing_else_does() {
    assert_eq!(raised(comment("照片真好看 what a nice picture")).await, None);
    let flagged = raised(comment("加微信 abc123")).await.unwrap();
    assert_eq!((flagged.user_id, flagged.reporter, flagged.source), (UserId(1), None, Source::Text), "about who wrote it");
    assert!(flagged.about.starts_with("a comment: ") && !flagged.about.contains("abc123"), "{}", flagged.about);
    let like = InteractionEvent::new(EventId::now_v7(), now(), InteractionKind::Like, UserId(1), UserId(2));
    assert_eq!(raised(Event::Interaction(like)).await, None);
    let reported = report(3, 4, 0).await;
    assert_eq!((reported.user_id, reported.reporter, reported.source), (UserId(4), Some(UserId(3)), Source::Report));
}

/// A service that finds `nude` in photos and `rude` in texts, while the status it answers with is 200.
struct Outside(&'static AtomicU16);

#[async_trait]
impl Checker for Outside {
    fn takes(&self, _: SubjectKind) -> bool {
        true
    }

    async fn look(&self, _: SubjectKind, subjects: &[&Subject<'_>]) -> Vec<Result<Vec<Found>, Down>> {
        let status = self.0.load(Ordering::SeqCst);
        let finding = |category| Found { finding: Finding { category, check: "service", entry: String::new() }, verdict: None };
        let told = |content: &str| match content {
            _ if status != 200 => Err(Down::Status(status)),
            nude if nude.contains("nude") => Ok(vec![finding(Category::Sexual)]),
            rude if rude.contains("rude") => Ok(vec![finding(Category::Insult)]),
            _ => Ok(Vec::new()),
        };
        subjects.iter().map(|subject| told(subject.content)).collect()
    }
}

fn with_service() -> (Moderator, &'static AtomicU16) {
    let status: &'static AtomicU16 = Box::leak(Box::new(AtomicU16::new(200)));
    let screen = Screen::built_in(Vec::new()).unwrap();
    (Moderator::with(&ModerationConfig::default(), vec![Box::new(BuiltIn(screen)), Box::new(Outside(status))]), status)
}

fn profile(user: u64, bio: &str, album: &[&str]) -> Event {
    let profile = Profile::new("小红", Gender::Female, "1996-05-04".parse().unwrap(), now());
    let profile = Profile { bio: Some(bio.to_owned()), album: album.iter().map(ToString::to_string).collect(), ..profile };
    let (event_id, kind, user_id) = (EventId::now_v7(), ProfileKind::Updated, UserId(user));
    Event::Profile(ProfileEvent { event_id, event_time: now(), kind, request_id: None, user_id, profile: Some(profile) })
}

#[tokio::test]
async fn photos_are_named_in_the_queue() {
    let (moderator, _) = with_service();
    let events =
        [profile(1, "周末爬山", &["u/1.jpg", "u/nude.jpg"]), profile(2, "rude", &["u/nude.jpg"]), profile(3, "hiking", &["u/3.jpg"])];
    let raised = sift(&moderator, &events, now()).await.raised;
    let told: Vec<_> = raised.iter().map(|one| (one.user_id.0, one.source, one.about.as_str())).collect();
    let (image, both) = ("image u/nude.jpg of the profile: sexual", "the profile: insult; image u/nude.jpg of the profile: sexual");
    assert_eq!(told, [(1, Source::Image, image), (2, Source::Text, both)]);
}

#[tokio::test]
async fn what_the_service_could_not_look_at_waits_and_counts_once() {
    let (_folder, db) = tables().await;
    let (moderator, status) = with_service();
    status.store(503, Ordering::SeqCst);
    let events = [comment("加微信 abc123, rude"), profile(2, "hiking", &["u/nude.jpg"]), profile(3, "爬山", &[])];
    let sifted = sift(&moderator, &events, now()).await;
    assert_eq!((sifted.raised.len(), sifted.pending.len()), (1, 3), "what the built-in check finds does not wait");
    for _ in 0..2 {
        service::count(&db, &sifted, now()).await.unwrap(); // the job was killed before it committed
    }
    let queue = async || {
        let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
        open.into_iter().map(|r| (r.user_id.0, r.source, r.reports, r.about.join(" | "))).collect::<Vec<_>>()
    };
    assert_eq!(queue().await, [(1, "text".to_owned(), 1, "a comment: contact".to_owned())]);
    assert!(!again(&db, &moderator, now()).await.unwrap());
    assert_eq!(queue().await.len(), 1, "still away");
    // What was put off is not tried before its time.
    status.store(200, Ordering::SeqCst);
    again(&db, &moderator, now()).await.unwrap();
    again(&db, &moderator, now() + TimeDelta::minutes(11)).await.unwrap();
    let image = (2, "image".to_owned(), 1, "image u/nude.jpg of the profile: sexual".to_owned());
    assert_eq!(queue().await, [(1, "text".to_owned(), 1, "a comment: contact, insult".to_owned()), image]);
    assert_eq!(store::pending::due(&db, now() + TimeDelta::days(9), 50).await.unwrap(), [], "nothing waits any more");
    // The stream is read again while the service is away: what is known in full stays.
    service::count(&db, &sifted, now()).await.unwrap();
    assert!(queue().await[0].3.ends_with("contact, insult"));
}

#[tokio::test]
async fn what_is_found_after_a_decision_opens_another_entry() {
    let (_folder, db) = tables().await;
    let (moderator, status) = with_service();
    status.store(500, Ordering::SeqCst);
    let sifted = sift(&moderator, &[comment("加微信 abc123, rude")], now()).await;
    service::count(&db, &sifted, now()).await.unwrap();
    let first = reviews(&db, Some("open"), 0, 50).await.unwrap().remove(0);
    let dismissed = Decision { decision: Verdict::Dismiss, note: String::new(), until: None };
    decide(&db, first.id, &dismissed, By::Service, now()).await.unwrap();
    status.store(200, Ordering::SeqCst);
    again(&db, &moderator, now()).await.unwrap();
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    assert_eq!(open.iter().map(|r| (r.reports, r.about.clone())).collect::<Vec<_>>(), [(1, vec!["a comment: contact, insult".to_owned()])]);
    assert_ne!(open[0].id, first.id);
}

#[tokio::test]
async fn what_nobody_could_judge_is_for_a_person_and_holds_up_nothing() {
    let (_folder, db) = tables().await;
    let (moderator, status) = with_service();
    status.store(400, Ordering::SeqCst);
    let events: Vec<Event> = (1..=30).map(|n| profile(n, "爬山", &[])).collect();
    service::count(&db, &sift(&moderator, &events, now()).await, now()).await.unwrap();
    // An answer that is not as agreed is about what was asked: the others have their turn.
    while again(&db, &moderator, now()).await.unwrap() {}
    assert_eq!(store::pending::due(&db, now() + TimeDelta::seconds(4), 50).await.unwrap(), [], "all are put off");
    let last = now() + TimeDelta::days(3);
    while again(&db, &moderator, last).await.unwrap() {}
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    assert_eq!((open.len(), open[0].about[0].as_str()), (30, "the profile: not judged, the service does not answer (status 400)"));
    assert_eq!(store::pending::due(&db, last + TimeDelta::days(9), 50).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_is_erased_takes_along_what_waits() {
    let (_folder, db) = tables().await;
    let (moderator, status) = with_service();
    status.store(503, Ordering::SeqCst);
    let sifted = sift(&moderator, &[profile(7, "rude", &[])], now()).await;
    service::count(&db, &sifted, now()).await.unwrap();
    assert_eq!(db::people::count(&db, UserId(7)).await.unwrap(), [("review_pending", 1)].into());
    assert!(!db::people::rows(&db, UserId(7)).await.unwrap().contains_key("review_pending"));
    let mut tx = db.begin().await.unwrap();
    db::people::erase_some(&mut tx, UserId(7), 1_000).await.unwrap();
    tx.commit().await.unwrap();
    status.store(200, Ordering::SeqCst);
    again(&db, &moderator, now()).await.unwrap();
    assert_eq!(reviews(&db, None, 0, 50).await.unwrap(), []);
}

#[tokio::test]
async fn reports_are_counted_once_each_and_a_decision_closes_the_entry() {
    let (_folder, db) = tables().await;
    let (first, second, third) = (report(1, 9, 5).await, report(2, 9, 3).await, report(1, 9, 8).await);
    for batch in [vec![first.clone(), second.clone()], vec![second, third, report(1, 8, 0).await], vec![first]] {
        count(&db, &batch, now()).await.unwrap();
    }
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    let about: Vec<(u64, u64, u64)> = open.iter().map(|r| (r.user_id.0, r.reports, r.reporters)).collect();
    assert_eq!(about, [(9, 3, 2), (8, 1, 1)]);
    assert_eq!((open[0].first_at, open[0].last_at), (now() + TimeDelta::minutes(3), now() + TimeDelta::minutes(8)));
    assert_eq!(open[0].about, ["骂人 swears"; 3]);
    assert_eq!(reviews(&db, None, open[0].id, 1).await.unwrap()[0].id, open[1].id, "a page goes on behind an id");

    let decision = |decision, until| Decision { decision, note: " 核实过 ".to_owned(), until };
    let wrong = decide(&db, open[0].id, &decision(Verdict::Warn, Some(now() + TimeDelta::days(1))), By::Service, now()).await.unwrap_err();
    assert!(wrong.to_string().starts_with("until:"), "{wrong}");
    let past = decide(&db, open[0].id, &decision(Verdict::Ban, Some(now())), By::Service, now()).await.unwrap_err();
    assert!(past.to_string().contains("must lie ahead"), "{past}");
    let ends = now() + TimeDelta::days(7);
    let (decided, ban) = decide(&db, open[0].id, &decision(Verdict::Ban, Some(ends)), By::Operator, now()).await.unwrap();
    assert_eq!((decided.state.as_str(), decided.decided_by.as_str(), decided.note.as_str()), ("banned", "operator", "核实过"));
    assert_eq!(ban.map(|b| (b.user_id, b.until)), Some((UserId(9), Some(ends))));
    let again = decide(&db, open[0].id, &decision(Verdict::Dismiss, None), By::Service, now()).await.unwrap_err();
    assert!(matches!(again, ReviewError::Decided(_, ref state) if state == "banned"), "{again}");
    assert!(matches!(decide(&db, 4, &decision(Verdict::Warn, None), By::Service, now()).await, Err(ReviewError::Unknown(_))));
    let (dismissed, none) = decide(&db, open[1].id, &decision(Verdict::Dismiss, None), By::Service, now()).await.unwrap();
    assert_eq!((dismissed.state.as_str(), none), ("dismissed", None));
    // What comes after a decision opens another entry.
    count(&db, &[report(5, 8, 20).await], now()).await.unwrap();
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    assert_eq!(open.iter().map(|r| (r.user_id.0, r.reports)).collect::<Vec<_>>(), [(8, 1)]);
    let acts = audit::list(&db, &audit::Wanted::default()).await.unwrap();
    let acts: Vec<(&str, &str, &str)> = acts.iter().map(|e| (e.act.as_str(), e.actor.as_str(), e.subject.as_str())).collect();
    assert_eq!(acts, [("review_dismissed", "service", "8"), ("ban", "operator", "9")]);
}

#[tokio::test]
async fn a_ban_survives_a_restart_ends_by_itself_and_can_be_lifted() {
    let (folder, db) = tables().await;
    count(&db, &[report(1, 9, 0).await, report(1, 8, 0).await], now()).await.unwrap();
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    let ban = |until| Decision { decision: Verdict::Ban, note: String::new(), until };
    decide(&db, open[0].id, &ban(Some(now() + TimeDelta::hours(1))), By::Service, now()).await.unwrap();
    decide(&db, open[1].id, &ban(None), By::Service, now()).await.unwrap();
    db.close().await;
    let db = Db::open(&db::DatabaseConfig::default(), folder.path()).await.unwrap();
    let withheld = Withheld::default();
    look(&db, &withheld, now()).await.unwrap();
    let later = now() + TimeDelta::hours(2);
    assert!(withheld.contains(UserId(9), now()) && withheld.contains(UserId(8), now()) && !withheld.contains(UserId(7), now()));
    assert!(!withheld.contains(UserId(9), later) && withheld.contains(UserId(8), later), "an hour is over by itself");
    assert_eq!(bans(&db, later).await.unwrap().iter().map(|b| b.user_id.0).collect::<Vec<_>>(), [8]);
    lift(&db, UserId(8), By::Operator, later).await.unwrap();
    assert!(matches!(lift(&db, UserId(8), By::Operator, later).await, Err(ReviewError::NotBanned(UserId(8)))));
    look(&db, &withheld, later).await.unwrap();
    assert!(!withheld.contains(UserId(8), later));
    // Whoever is erased takes their rows along, as subject and as reporter.
    assert_eq!(db::people::count(&db, UserId(1)).await.unwrap(), [("review_reports", 2)].into());
    let of_nine = db::people::rows(&db, UserId(9)).await.unwrap();
    assert!(of_nine["bans"].len() == 1 && !of_nine.contains_key("reviews"), "what was reported is for operators: {of_nine:?}");
}
