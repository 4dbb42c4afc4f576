#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::*;

/// Every command with the words that call it.
fn every(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let words = format!("{words} {}", inner.get_name());
        found.push((words.clone(), inner.clone()));
        every(inner, &words, found);
    }
}

/// What a command lacks that its help must have.
fn lacks(words: &str, command: &clap::Command) -> Option<String> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if about.is_empty() || about.contains('\n') {
        return Some(format!("{words}: has no description of one line: {about:?}"));
    }
    let own = command.get_arguments().any(|a| !a.is_global_set() && a.get_id() != "help");
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let shown = examples.contains("Example") && examples.contains(&format!("hongniang {}", words.trim()));
    (own && !shown).then(|| format!("{words}: takes arguments and shows no example of `hongniang {}`", words.trim()))
}

#[test]
fn every_command_says_what_it_does_and_shows_how() {
    let mut found = Vec::new();
    every(&Cli::command(), "", &mut found);
    assert!(found.len() > 15, "{}", found.len());
    let lacking: Vec<String> = found.iter().filter_map(|(words, command)| lacks(words, command)).collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
    Cli::command().debug_assert();
}

#[test]
fn a_command_without_help_is_noticed() {
    let bare = clap::Command::new("bare").arg(clap::Arg::new("file"));
    assert!(lacks(" bare", &bare).is_some(), "no description");
    let described = bare.about("Does something.");
    assert!(lacks(" bare", &described).is_some(), "no example");
    assert!(lacks(" bare", &described.clone().after_help("Example:\n  hongniang other FILE")).is_some(), "of another command");
    assert!(lacks(" bare", &described.after_help("Example:\n  hongniang bare FILE")).is_none());
}
