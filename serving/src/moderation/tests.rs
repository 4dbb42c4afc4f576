mod service;

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use features::moderation::{Category, Finding};

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn built_in(config: &ModerationConfig) -> Moderator {
    Moderator::new(config, now).unwrap()
}

async fn judge(moderator: &Moderator, kind: SubjectKind, text: &str) -> Judgement {
    moderator.judge(&[Subject::new(kind, "text", text)]).await.remove(0)
}

#[tokio::test]
async fn what_follows_depends_on_the_kind() {
    let moderator = built_in(&ModerationConfig::default());
    for (kind, text, follows) in [
        (SubjectKind::Nickname, "加微信 abc123", Verdict::Refuse),
        (SubjectKind::Moment, "加微信 abc123", Verdict::Flag),
        (SubjectKind::Comment, "what a nice picture", Verdict::Accept),
        (SubjectKind::Moment, "有时候不想活了", Verdict::Flag), // whoever needs help is not silenced
        (SubjectKind::Image, "加微信 abc123", Verdict::Accept), // a name of an object is no text
    ] {
        assert_eq!(judge(&moderator, kind, text).await.verdict, follows, "{kind:?} {text}");
    }
    let subjects = [Subject::new(SubjectKind::Bio, "bio", "约 炮, and f.u.c.k"), Subject::new(SubjectKind::Bio, "city", "上海")];
    let Err(Refusal::Refused { only_images: false, fields }) = moderator.check(&subjects).await else { panic!("it is refused") };
    assert!(fields.len() == 2 && fields.iter().all(|error| error.field == "bio"), "{fields:?}");
    assert!(fields.iter().all(|error| !error.message.contains("约") && !error.message.contains("fuck")));
}

#[tokio::test]
async fn the_policy_can_be_changed() {
    let mut config = ModerationConfig::default();
    config.nickname.refuse = vec![Category::Hate];
    config.bio.check = false;
    let moderator = built_in(&config);
    assert_eq!(judge(&moderator, SubjectKind::Nickname, "傻逼").await.verdict, Verdict::Flag);
    assert_eq!(judge(&moderator, SubjectKind::Bio, "傻逼").await.verdict, Verdict::Accept);
    config.enabled = false;
    assert_eq!(judge(&built_in(&config), SubjectKind::Comment, "傻逼").await.findings, []);
}

#[tokio::test]
async fn lists_of_ones_own_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.txt");
    std::fs::write(&file, "[other]\n菠萝披萨\n").unwrap();
    let mut config = ModerationConfig { lists: vec![file.clone()], allow: vec!["傻逼".to_owned()], ..ModerationConfig::default() };
    let moderator = built_in(&config);
    assert_eq!(judge(&moderator, SubjectKind::Comment, "菠蘿 披薩").await.findings[0].1.category, Category::Other);
    assert_eq!(judge(&moderator, SubjectKind::Comment, "傻逼").await.verdict, Verdict::Accept);
    let fault = |config: &ModerationConfig| format!("{:#}", Moderator::new(config, now).err().unwrap());
    std::fs::write(&file, "[food]\n菠萝披萨\n").unwrap();
    assert!(fault(&config).contains("own.txt:1: [food] is no category"), "{}", fault(&config));
    config.lists = vec![folder.path().join("none.txt")];
    assert!(fault(&config).contains("none.txt cannot be read"));
}

/// What is said of a content.
type Saying = fn(&str) -> Result<Option<(Category, Option<Verdict>)>, Down>;

/// Says of each content what the test wants, and notes what it is asked.
struct Says {
    says: Saying,
    asked: &'static Mutex<Vec<String>>,
}

#[async_trait]
impl Checker for Says {
    fn takes(&self, kind: SubjectKind) -> bool {
        kind != SubjectKind::Nickname
    }

    async fn look(&self, kind: SubjectKind, subjects: &[&Subject<'_>]) -> Vec<Result<Vec<Found>, Down>> {
        self.asked.lock().unwrap().extend(subjects.iter().map(|subject| format!("{}: {}", kind.name(), subject.content)));
        let found = |(category, verdict)| Found { finding: Finding { category, check: "test", entry: String::new() }, verdict };
        subjects.iter().map(|subject| (self.says)(subject.content).map(|told| told.into_iter().map(found).collect())).collect()
    }
}

fn chain(config: &ModerationConfig, says: Saying) -> (Moderator, &'static Mutex<Vec<String>>) {
    let asked: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let screen = Screen::built_in(Vec::new()).unwrap();
    let checkers: Vec<Box<dyn Checker>> = vec![Box::new(BuiltIn(screen)), Box::new(Says { says, asked })];
    (Moderator::with(config, checkers), asked)
}

#[tokio::test]
async fn a_later_check_gets_what_was_not_refused_and_is_for_it() {
    let (moderator, asked) = chain(&ModerationConfig::default(), |_| Ok(None));
    let subjects = [
        Subject::new(SubjectKind::Nickname, "nickname", "小红"),
        Subject::new(SubjectKind::Bio, "bio", "约 炮"),
        Subject::new(SubjectKind::Bio, "city", "上海"),
        Subject::new(SubjectKind::Moment, "text", "加微信 abc123"),
        Subject::new(SubjectKind::Image, "album[0]", "u/1.jpg"),
    ];
    let judged = moderator.judge(&subjects).await;
    assert_eq!(
        judged.iter().map(|j| j.verdict).collect::<Vec<_>>(),
        [0, 2, 0, 1, 0].map(|n| [Verdict::Accept, Verdict::Flag, Verdict::Refuse][n])
    );
    assert_eq!(*asked.lock().unwrap(), ["bio: 上海", "moment: 加微信 abc123", "image: u/1.jpg"], "what is flagged is looked at, too");
}

#[tokio::test]
async fn a_check_may_say_what_follows_and_else_the_policy_does() {
    let (moderator, _) = chain(&ModerationConfig::default(), |content| {
        Ok(match content {
            "flag" => Some((Category::Sexual, Some(Verdict::Flag))),
            "refuse" => Some((Category::SelfHarm, Some(Verdict::Refuse))),
            "policy" => Some((Category::Sexual, None)),
            "mild" => Some((Category::SelfHarm, None)),
            _ => None,
        })
    });
    for (content, follows) in
        [("flag", Verdict::Flag), ("refuse", Verdict::Refuse), ("policy", Verdict::Refuse), ("mild", Verdict::Flag), ("", Verdict::Accept)]
    {
        assert_eq!(judge(&moderator, SubjectKind::Image, content).await.verdict, follows, "{content}");
    }
    let both = [Subject::new(SubjectKind::Image, "album[0]", "policy"), Subject::new(SubjectKind::Image, "album[1]", "x")];
    let Err(Refusal::Refused { only_images: true, fields }) = moderator.check(&both).await else { panic!("it is about photos") };
    assert!(fields.len() == 1 && fields[0].field == "album[0]" && fields[0].message.starts_with("shows sexually"), "{fields:?}");
    let mixed = [Subject::new(SubjectKind::Image, "album[0]", "policy"), Subject::new(SubjectKind::Bio, "bio", "约 炮")];
    assert_eq!(moderator.check(&mixed).await.unwrap_err().code(), "text_refused");
    let each = moderator.check_each(&[mixed.to_vec(), both.to_vec()].concat()).await;
    assert_eq!(each.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, false, true], "each for itself");
}

#[tokio::test]
async fn a_check_that_is_away_costs_nothing_unless_the_operator_wants_it() {
    let away: Saying = |content| if content == "seen" { Ok(None) } else { Err(Down::Timeout) };
    let mut config = ModerationConfig::default();
    let (moderator, _) = chain(&config, away);
    let subjects = ["seen", "周末爬山"].map(|text| Subject::new(SubjectKind::Comment, "text", text));
    assert_eq!(moderator.judge(&subjects).await.iter().map(|j| j.missed).collect::<Vec<_>>(), [None, Some(Down::Timeout)]);
    assert_eq!(moderator.check(&subjects).await, Ok(()));
    config.service.when_down = WhenDown::Refuse;
    let (moderator, _) = chain(&config, away);
    assert_eq!(moderator.check(&subjects).await, Err(Refusal::Unavailable));
    assert_eq!(moderator.check_each(&subjects).await, [Ok(()), Err(Refusal::Unavailable)]);
    let refused = [Subject::new(SubjectKind::Bio, "bio", "约 炮"), subjects[1].clone()];
    assert_eq!(moderator.check(&refused).await.unwrap_err().code(), "text_refused", "trying again would not help");
}

#[test]
fn whether_a_failure_is_about_what_was_asked() {
    let away = [Down::Timeout, Down::Unreachable, Down::Resting, Down::Status(503), Down::Status(429)];
    assert!(away.into_iter().all(Down::is_away));
    assert!(![Down::Answer, Down::Size, Down::Status(400), Down::Status(302)].into_iter().any(Down::is_away));
}
