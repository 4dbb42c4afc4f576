//! Whether a first message will be answered within seven days.

use ranker::eval::protocols::Outcome;
use ranker::eval::protocols::contacts::{Contact, FEATURES, Message, STRATEGIES, contacts as first_contacts, judge, judged};
use ranker::eval::{Bootstrap, TimeSplit};

use super::Findings;

/// Judges first contacts after the first `share` of those whose answer is settled; for each share a slice, and two more by how long the receiver
/// had been there. Nothing when there are too few messages to fit anything.
pub fn contacts(messages: &[Message], shares: &[f64], bootstrap: Bootstrap) -> Findings {
    let found = first_contacts(messages);
    let mut findings = Findings::new(bootstrap);
    for share in shares {
        let settled = found.iter().filter(|c| c.answered.is_some()).map(|c| c.message.at);
        let Some(split) = TimeSplit::at_share(settled, *share) else { continue };
        let results = judge(&found, split);
        if results[0].is_empty() {
            continue;
        }
        let of: Vec<&Contact> = judged(&found, split).collect();
        let slice = format!("history {share}");
        tell(&mut findings, &slice, &results, &of, |_| true);
        tell(&mut findings, &format!("{slice}, receiver there for less than a week"), &results, &of, |c| !settled_in(c));
        tell(&mut findings, &format!("{slice}, receiver there for a week or more"), &results, &of, settled_in);
    }
    findings
}

/// Whether the receiver was first seen a week ago or earlier.
fn settled_in(contact: &Contact) -> bool {
    let of = |name: &str| FEATURES.iter().position(|n| *n == name).and_then(|at| contact.features.get(at)).copied().unwrap_or_default();
    let seen = of("to_sent") > 0.0 || of("to_received") > 0.0;
    // Counts and hours are ln(1 + x).
    seen && of("to_age_days") >= (7.0f64 * 24.0).ln_1p()
}

fn tell(findings: &mut Findings, slice: &str, results: &[Vec<Outcome>; 6], of: &[&Contact], keep: impl Fn(&Contact) -> bool) {
    let kept = |outcomes: &[Outcome]| -> Vec<Outcome> {
        outcomes.iter().zip(of).filter(|(_, contact)| keep(contact)).map(|(outcome, _)| *outcome).collect()
    };
    findings.baseline(slice, &kept(&results[0]));
    for (strategy, outcomes) in STRATEGIES.iter().zip(results) {
        if matches!(*strategy, "reply_rate" | "logistic" | "trees") {
            findings.probabilities(strategy, slice, &kept(outcomes));
        } else {
            findings.order(strategy, slice, &kept(outcomes));
        }
    }
    // Recency is the best of what needs no fitting.
    let (recency, fitted) = (3, [4, 5]);
    for model in fitted {
        let [ours, theirs] = [model, recency].map(|at: usize| kept(&results[at]));
        findings.gain([STRATEGIES[model], STRATEGIES[recency]], slice, [&ours, &theirs]);
    }
}
