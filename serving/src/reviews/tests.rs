use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId};

use super::service::{count, raised};
use super::store::Raised;
use super::*;
use crate::audit;
use crate::db::{self, Db};
use crate::moderation::{ModerationConfig, Moderator};
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

fn report(by: u64, of: u64, minute: i64) -> Raised {
    let at = now() + TimeDelta::minutes(minute);
    let event = InteractionEvent::new(EventId::now_v7(), at, InteractionKind::Report, UserId(by), UserId(of));
    let event = Event::Interaction(InteractionEvent { text: Some("骂人 swears".to_owned()), ..event });
    raised(&Moderator::new(&ModerationConfig::default()).unwrap(), &event).unwrap()
}

#[test]
fn reports_and_flagged_texts_raise_and_nothing_else_does() {
    let moderator = Moderator::new(&ModerationConfig::default()).unwrap();
    let comment = |text: &str| {
        let event = InteractionEvent::new(EventId::now_v7(), now(), InteractionKind::Comment, UserId(1), UserId(2));
        raised(&moderator, &Event::Interaction(InteractionEvent { text: Some(text.to_owned()), ..event }))
    };
    assert_eq!(comment("照片真好看 what a nice picture"), None);
    let flagged = comment("加微信 abc123").unwrap();
    assert_eq!((flagged.user_id, flagged.reporter, flagged.source()), (UserId(1), None, "text"), "about who wrote it");
    assert!(flagged.about.starts_with("a comment: ") && !flagged.about.contains("abc123"), "{}", flagged.about);
    let like = InteractionEvent::new(EventId::now_v7(), now(), InteractionKind::Like, UserId(1), UserId(2));
    assert_eq!(raised(&moderator, &Event::Interaction(like)), None);
    let reported = report(3, 4, 0);
    assert_eq!((reported.user_id, reported.reporter, reported.source()), (UserId(4), Some(UserId(3)), "report"));
}

#[tokio::test]
async fn reports_are_counted_once_each_and_a_decision_closes_the_entry() {
    let (_folder, db) = tables().await;
    let (first, second, third) = (report(1, 9, 5), report(2, 9, 3), report(1, 9, 8));
    for batch in [vec![first.clone(), second.clone()], vec![second, third, report(1, 8, 0)], vec![first]] {
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
    count(&db, &[report(5, 8, 20)], now()).await.unwrap();
    let open = reviews(&db, Some("open"), 0, 50).await.unwrap();
    assert_eq!(open.iter().map(|r| (r.user_id.0, r.reports)).collect::<Vec<_>>(), [(8, 1)]);
    let acts = audit::list(&db, &audit::Wanted::default()).await.unwrap();
    let acts: Vec<(&str, &str, &str)> = acts.iter().map(|e| (e.act.as_str(), e.actor.as_str(), e.subject.as_str())).collect();
    assert_eq!(acts, [("review_dismissed", "service", "8"), ("ban", "operator", "9")]);
}

#[tokio::test]
async fn a_ban_survives_a_restart_ends_by_itself_and_can_be_lifted() {
    let (folder, db) = tables().await;
    count(&db, &[report(1, 9, 0), report(1, 8, 0)], now()).await.unwrap();
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
