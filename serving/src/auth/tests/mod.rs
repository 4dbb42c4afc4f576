//! Logins on a database of their own, with a clock, chance and SMS of the test.
#![allow(clippy::unwrap_used)]

mod crowd;
mod keys;
mod notices;
mod numbers;
mod sessions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::sms::{Change, Message, Sms, Text};
use super::*;
use crate::db::{self, DatabaseConfig, Db};

/// Keeps what it sends; fails when told.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) codes: Mutex<Vec<(String, String)>>,
    pub(super) changes: Mutex<Vec<(String, Change)>>,
    pub(super) fails: Mutex<bool>,
}

#[async_trait]
impl Sms for Sent {
    async fn send(&self, message: Message<'_>) -> Result<(), String> {
        if *self.fails.lock().unwrap() {
            return Err("the test says so".to_owned());
        }
        let to = message.phone.number().to_owned();
        match message.text {
            Text::Code { code, .. } => self.codes.lock().unwrap().push((to, code.to_owned())),
            Text::Changed(change) => self.changes.lock().unwrap().push((to, change.clone())),
        }
        Ok(())
    }
}

/// A room of logins.
pub(super) struct Room {
    pub(super) auth: Arc<Auth>,
    pub(super) sent: Arc<Sent>,
    pub(super) db: Db,
    pub(super) folder: tempfile::TempDir,
}

/// Other bytes at every call, and the same in every run.
pub(super) fn chance() -> Chance {
    let calls = AtomicU64::new(1);
    Arc::new(move |bytes| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let digest = ring::digest::digest(&ring::digest::SHA256, &call.to_be_bytes());
        bytes.iter_mut().zip(digest.as_ref().iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    })
}

pub(super) fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::seconds(s)
}

pub(super) const PHONE: &str = "+8613812345678";

impl Room {
    pub(super) async fn new(change: impl FnOnce(&mut AuthConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&DatabaseConfig::default(), folder.path()).await.unwrap();
        db::up(&db, at(0)).await.unwrap();
        let mut config = AuthConfig::default();
        change(&mut config);
        let sent = Arc::new(Sent::default());
        let auth = Auth::open(db.clone(), &config, folder.path(), chance(), at(0)).unwrap().with_sms(Arc::clone(&sent) as Arc<dyn Sms>);
        Self { auth: Arc::new(auth), sent, db, folder }
    }

    /// The code that was last sent to a number.
    pub(super) fn code(&self, phone: &str) -> String {
        self.sent.codes.lock().unwrap().iter().rev().find(|(to, _)| to == phone).unwrap().1.clone()
    }

    pub(super) async fn log_in(&self, phone: &str, device: &str, s: i64) -> Tokens {
        self.auth.send_code(phone, &Asker::default(), at(s)).await.unwrap();
        let device = Device { name: device.to_owned() };
        self.auth.verify(phone, &self.code(phone), &device, &Asker::default(), at(s + 1)).await.unwrap()
    }

    pub(super) async fn try_code(&self, code: &str, s: i64) -> Result<Tokens, AuthError> {
        self.auth.verify(PHONE, code, &Device::default(), &Asker::default(), at(s)).await
    }
}

/// Another code than this one.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a_code_works_once_for_five_minutes_and_a_few_attempts() {
    let room = Room::new(|_| {}).await;
    assert!(matches!(room.try_code("123456", 0).await, Err(AuthError::WrongCode)), "without a code there is nothing to guess");
    assert_eq!(room.auth.send_code("138 1234 5678", &Asker::default(), at(0)).await.unwrap(), 300);
    let code = room.code(PHONE);
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
    assert!(matches!(room.try_code(&other(&code), 1).await, Err(AuthError::WrongCode)));
    let first = room.try_code(&code, 2).await.unwrap();
    assert!(first.created);
    assert!(matches!(room.try_code(&code, 3).await, Err(AuthError::WrongCode)), "it works once");

    // The next login of the same number is of the same account.
    room.auth.send_code(PHONE, &Asker::default(), at(100)).await.unwrap();
    let late = room.code(PHONE);
    assert!(matches!(room.try_code(&late, 400).await, Err(AuthError::WrongCode)), "five minutes are over");
    room.auth.send_code(PHONE, &Asker::default(), at(500)).await.unwrap();
    let again = room.try_code(&room.code(PHONE), 501).await.unwrap();
    assert!(!again.created && again.user_id == first.user_id && again.session != first.session);

    // Five wrong attempts use a code up.
    room.auth.send_code(PHONE, &Asker::default(), at(600)).await.unwrap();
    let code = room.code(PHONE);
    for _ in 0..5 {
        assert!(matches!(room.try_code(&other(&code), 601).await, Err(AuthError::WrongCode)));
    }
    assert!(matches!(room.try_code(&code, 602).await, Err(AuthError::WrongCode)), "also the right one");
    for bad in ["", "12345", "1234567", "12345a", "１２３４５６"] {
        assert!(matches!(room.try_code(bad, 603).await, Err(AuthError::Field("code", _))), "{bad}");
    }
}

#[tokio::test]
async fn guesses_at_the_same_time_share_the_attempts() {
    let room = Room::new(|_| {}).await;
    room.auth.send_code(PHONE, &Asker::default(), at(0)).await.unwrap();
    let code = room.code(PHONE);
    // Twenty right ones at once: one logs in.
    let right = futures::future::join_all((0..20).map(|_| room.try_code(&code, 1))).await;
    assert_eq!(right.iter().filter(|r| r.is_ok()).count(), 1);
    room.auth.send_code(PHONE, &Asker::default(), at(100)).await.unwrap();
    let code = room.code(PHONE);
    let wrong = other(&code);
    let guesses = futures::future::join_all((0..20).map(|_| room.try_code(&wrong, 101))).await;
    assert!(guesses.iter().all(Result::is_err));
    assert!(room.try_code(&code, 102).await.is_err(), "twenty guesses at once have used it up");
}

#[tokio::test]
async fn limits_hold_for_numbers_devices_and_addresses() {
    let room = Room::new(|c| c.codes.per_address = 8).await;
    let from = |address: &str, device: &str| Asker { address: Some(address.parse().unwrap()), device: Some(device.to_owned()) };
    let ask = async |phone: &str, asker: &Asker, s: i64| match room.auth.send_code(phone, asker, at(s)).await {
        Ok(_) => 0,
        Err(AuthError::TooOften(wait)) => wait,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(ask(PHONE, &Asker::default(), 0).await, 0);
    assert_eq!(ask(PHONE, &Asker::default(), 15).await, 46, "a minute between two codes");
    for n in 1..5 {
        assert_eq!(ask(PHONE, &Asker::default(), 61 * n).await, 0);
    }
    assert!(ask(PHONE, &Asker::default(), 61 * 5).await > 300, "five an hour to a number");
    // Addresses of one IPv6 network, and of one machine however it is written, are one.
    for n in 0..8 {
        assert_eq!(ask(&format!("+861381111000{n}"), &from(&format!("2001:db8::{n}"), &format!("d{n}")), 0).await, 0);
        assert_eq!(ask(&format!("+861381111001{n}"), &from("192.0.2.7", &format!("e{n}")), 0).await, 0);
    }
    assert!(ask("+8613811110020", &from("2001:db8:0:0:ffff::1", "d9"), 0).await > 0);
    assert!(ask("+8613811110021", &from("::ffff:192.0.2.7", "e9"), 0).await > 0);
    assert_eq!(ask("+8613811110022", &from("2001:db8:0:1::1", "d10"), 0).await, 0, "the neighbour's");
    for n in 0..10 {
        assert_eq!(ask(&format!("+861382222000{n}"), &from(&format!("198.51.100.{n}"), "one"), 0).await, 0);
    }
    assert!(ask("+8613822220010", &from("198.51.100.99", "one"), 0).await > 0, "ten an hour for a device");
}

#[tokio::test]
async fn what_could_not_be_sent_may_be_asked_for_again_at_once() {
    let room = Room::new(|c| c.countries = vec!["86".to_owned()]).await;
    *room.sent.fails.lock().unwrap() = true;
    assert!(matches!(room.auth.send_code(PHONE, &Asker::default(), at(0)).await, Err(AuthError::NotSent(_))));
    *room.sent.fails.lock().unwrap() = false;
    room.auth.send_code(PHONE, &Asker::default(), at(1)).await.unwrap();
    room.try_code(&room.code(PHONE), 2).await.unwrap();
    let abroad = room.auth.send_code("+14155550100", &Asker::default(), at(3)).await;
    assert!(matches!(abroad, Err(AuthError::Phone(PhoneError::Country))));
}

/// Neither codes nor tokens lie in the database as they are, and of an unknown number nothing that names it.
#[tokio::test]
async fn the_database_holds_hashes() {
    let room = Room::new(|_| {}).await;
    let tokens = room.log_in(PHONE, "小米 14", 0).await;
    let stranger = "+8613999998888";
    room.auth.send_code(stranger, &Asker::default(), at(0)).await.unwrap();
    let code = room.code(stranger);
    room.db.close().await;
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(room.folder.path()).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        bytes.extend(std::fs::read(entry.path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("小米 14") && holds(PHONE), "the search finds what is there");
    for secret in [stranger, &stranger[1..], &tokens.refresh, &tokens.refresh[11..60], &tokens.access, &code] {
        assert!(!holds(secret), "{secret} lies in the database");
    }
}
