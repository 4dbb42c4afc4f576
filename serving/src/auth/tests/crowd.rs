//! Many who log in at the same time.

use std::collections::HashSet;

use features::ids::UserId;

use super::*;
use crate::audit::{self, Wanted};
use crate::state::Withheld;

fn number(n: usize) -> String {
    format!("+861390000{n:04}")
}

impl Room {
    async fn enter(&self, n: usize, code: &str, s: i64) -> Result<Tokens, AuthError> {
        let asker = Asker { address: Some("203.0.113.77".parse().unwrap()), device: None };
        self.auth.verify(&number(n), code, &Device::default(), &asker, at(s)).await
    }

    /// Codes for all, asked for at once.
    async fn codes(&self, people: usize, s: i64) -> Vec<String> {
        let asked = (0..people).map(|n| async move { self.auth.send_code(&number(n), &Asker::default(), at(s)).await.unwrap() });
        futures::future::join_all(asked).await;
        (0..people).map(|n| self.code(&number(n))).collect()
    }
}

/// Of those who come at once each third has a wrong code, each fifth is banned, and some come twice: each gets what is theirs, as if they had come alone.
#[tokio::test]
async fn those_who_come_together_are_let_in_each_by_their_own_right() {
    const PEOPLE: usize = 90;
    let room = Room::new(|c| c.codes.tries_per_address = 10_000).await;
    let withheld = Withheld::default();
    let room = Room { auth: Arc::new(Arc::into_inner(room.auth).unwrap().heed(withheld.clone())), ..room };
    let codes = room.codes(PEOPLE, 0).await;
    let first = futures::future::join_all((0..PEOPLE).map(|n| room.enter(n, &codes[n], 1))).await;
    let people: Vec<UserId> = first.iter().map(|tokens| tokens.as_ref().unwrap().user_id).collect();
    assert!(first.iter().all(|tokens| tokens.as_ref().unwrap().created) && people.iter().collect::<HashSet<_>>().len() == PEOPLE);

    people.iter().step_by(5).for_each(|user| withheld.ban(*user, None));
    let codes = room.codes(PEOPLE, 100).await;
    let given = |n: usize| if n % 3 == 1 { other(&codes[n]) } else { codes[n].clone() };
    let come: Vec<usize> = (0..PEOPLE).chain((0..PEOPLE).step_by(2)).collect();
    let done = futures::future::join_all(come.iter().map(|n| async { (*n, room.enter(*n, &given(*n), 101).await) })).await;
    for (n, user) in people.iter().enumerate() {
        let of: Vec<_> = done.iter().filter(|(who, _)| *who == n).map(|(_, done)| done).collect();
        let entered: Vec<_> = of.iter().filter_map(|done| done.as_ref().ok()).collect();
        match (n % 3 == 1, n % 5 == 0) {
            (true, _) => assert!(of.iter().all(|done| matches!(done, Err(AuthError::WrongCode))), "{n}"),
            (false, true) => assert!(of.iter().all(|done| matches!(done, Err(AuthError::Banned))), "{n}"),
            (false, false) => assert!(entered.len() == 1 && entered[0].user_id == *user && !entered[0].created, "{n}"),
        }
    }
    // The code of whoever was banned is still theirs; that of whoever was wrong has lost its attempts.
    people.iter().for_each(|user| withheld.lift(*user));
    assert!(room.enter(0, &codes[0], 102).await.is_ok());
    for _ in 0..5 {
        assert!(room.enter(1, &other(&codes[1]), 103).await.is_err());
    }
    assert!(room.enter(1, &codes[1], 104).await.is_err(), "five attempts in all");

    let acts = async |n: usize| {
        let of = Wanted { user: Some(people[n].to_string()), ..Wanted::default() };
        let acts = audit::list(&room.db, &of).await.unwrap().into_iter();
        acts.map(|act| (act.outcome, act.details, act.address)).collect::<Vec<_>>()
    };
    let done = ("done".to_owned(), String::new(), String::new());
    let refused = |why: &str| ("refused".to_owned(), format!("{{\"reason\":\"{why}\"}}"), "203.0.113.0/24".to_owned());
    assert_eq!(acts(0).await, [done.clone(), refused("banned"), refused("banned"), done.clone()]);
    assert_eq!(acts(1).await, [vec![refused("wrong_code"); 5], vec![done]].concat(), "as many as there are attempts");
}
