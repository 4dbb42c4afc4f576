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

/// What `deploy/` runs: the words and the text around them, of every process of hongniang.
fn deployed() -> Vec<(Vec<String>, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let compose = read(&std::path::Path::new(folder).join("compose.yaml"));
    // A service begins with its name, two blanks in.
    let is_name = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
    let mut parts: Vec<String> = vec![String::new()];
    for line in compose.lines() {
        if is_name(line) {
            parts.push(String::new());
        }
        let part = parts.last_mut().unwrap();
        part.push_str(line);
        part.push('\n');
    }
    parts.retain(|part| part.contains("<<: *hongniang\n"));
    for file in std::fs::read_dir(format!("{folder}/kubernetes")).unwrap() {
        let text = read(&file.unwrap().path());
        parts.extend(text.split("\n---\n").filter(|part| part.contains("image: hongniang:")).map(str::to_owned));
    }
    let words = |part: &str| {
        let line = part.lines().map(str::trim).find_map(|l| l.strip_prefix("command: ").or_else(|| l.strip_prefix("args: ")));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no command on one line: {part}"))).unwrap()
    };
    parts.into_iter().map(|part| (words(&part), part)).collect()
}

#[test]
fn what_is_deployed_are_commands_with_modules_that_there_are() {
    let deployed = deployed();
    assert!(deployed.len() >= 8, "{}", deployed.len());
    for (words, _) in &deployed {
        let parsed = Cli::try_parse_from(std::iter::once("hongniang").chain(words.iter().map(String::as_str)));
        assert!(parsed.is_ok(), "{words:?}: {}", parsed.err().unwrap());
        if let Some(at) = words.iter().position(|word| word == "--modules") {
            for module in words[at + 1].split(',') {
                assert!(module == "api" || crate::wiring::PIPELINES.contains(&module), "{words:?}: {module}");
                assert_ne!(module, "features", "that is Arroyo's there");
            }
        }
    }
    // Every job that Arroyo does not do has somebody.
    let modules: Vec<&str> = deployed.iter().flat_map(|(words, _)| words).flat_map(|word| word.split(',')).collect();
    let arroyos = pipelines::runner::NAME;
    assert!(crate::wiring::PIPELINES.iter().filter(|job| **job != arroyos).all(|job| modules.contains(job)), "{modules:?}");
}

#[test]
fn what_is_deployed_is_looked_at_where_it_listens() {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    for (words, part) in deployed() {
        let mut listens: Vec<String> =
            words.windows(2).filter(|w| w[0] == "--metrics").map(|w| w[1].rsplit(':').next().unwrap().to_owned()).collect();
        listens.extend(part.lines().filter(|l| l.contains("HONGNIANG__HTTP__LISTEN")).map(|l| number(l.rsplit(':').next().unwrap())));
        let looked_at = part.split("localhost:").skip(1).chain(part.split("containerPort: ").skip(1)).map(number);
        for port in looked_at {
            assert!(listens.contains(&port), "{port} is looked at, {listens:?} are listened on: {part}");
        }
        let serves = words.first().is_some_and(|word| word == "serve");
        assert_eq!(serves, part.contains("/readyz"), "what stays is looked at, what ends is not: {part}");
        assert_eq!(serves, !listens.is_empty(), "{part}");
    }
}
