//! Changes of logins are told.

use std::time::Duration;

use super::*;

const OTHER: &str = "+8613900001111";

impl Room {
    /// What was told once there is as much.
    async fn told(&self, many: usize) -> Vec<(String, Change)> {
        while self.sent.changes.lock().unwrap().len() < many {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut told = std::mem::take(&mut *self.sent.changes.lock().unwrap());
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    }
}

#[tokio::test]
async fn the_numbers_of_an_account_are_told_of_changes() {
    let room = Room::new(|_| {}).await;
    let tokens = room.log_in(PHONE, "", 0).await;
    let caller = (tokens.user_id, tokens.session);
    room.auth.send_code(OTHER, &Asker::default(), at(2)).await.unwrap();
    let code = room.code(OTHER);
    let added = room.auth.link_phone(caller, (OTHER, &code), &Asker::default(), at(3)).await.unwrap();
    assert_eq!(room.told(1).await, [(PHONE.to_owned(), Change::Added("+86…11".to_owned()))], "not the new one, which is in their hands");

    // A number that cannot be reached at once is told later; the change does not wait for it.
    *room.sent.fails.lock().unwrap() = true;
    room.auth.unlink(caller, added, at(4)).await.unwrap();
    assert_eq!(room.auth.logins(tokens.user_id).await.unwrap().len(), 1);
    *room.sent.fails.lock().unwrap() = false;
    let removed = Change::Removed("+86…11".to_owned());
    assert_eq!(
        room.told(2).await,
        [(PHONE.to_owned(), removed.clone()), (OTHER.to_owned(), removed)],
        "both the one that stays and the one that goes"
    );

    // What was refused, and what was theirs already, is no change.
    room.auth.send_code(PHONE, &Asker::default(), at(100)).await.unwrap();
    let code = room.code(PHONE);
    assert!(room.auth.link_phone(caller, (PHONE, &other(&code)), &Asker::default(), at(101)).await.is_err());
    room.auth.link_phone(caller, (PHONE, &code), &Asker::default(), at(102)).await.unwrap();
    assert!(room.auth.unlink(caller, added, at(103)).await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(room.sent.changes.lock().unwrap().len(), 0);
}
