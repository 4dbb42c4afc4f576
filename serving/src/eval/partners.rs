//! With whom somebody will begin to exchange likes, both ways.

use chrono::DateTime;
use ranker::eval::protocols::contacts::DAY;
use ranker::eval::protocols::partners::{Gift, Question, Strategy, report, truth};
use ranker::eval::{Bootstrap, TimeSplit};

use super::Findings;

/// Places of a list that count.
const PLACES: usize = 10;

/// Asks at each moment (seconds since 1970) for the partners of the `days` after it.
pub fn partners(likes: &[Gift], moments: &[i64], days: i64, bootstrap: Bootstrap) -> Findings {
    let mut findings = Findings::new(bootstrap);
    for until in moments {
        let question = Question { split: TimeSplit { until: *until }, horizon: days * DAY, k: PLACES };
        let date = DateTime::from_timestamp(*until, 0).unwrap_or_default().date_naive();
        let slice = format!("{date} and {days} days");
        findings.count(&slice, truth(likes, &question).len());
        for strategy in Strategy::ALL {
            findings.push(report(likes, &question, strategy, &slice, &bootstrap));
        }
    }
    findings
}
