//! A conversation at a terminal: lines that can be edited, a history that stays, words that complete themselves.

use std::path::PathBuf;

use anyhow::Context as _;
use pipelines::query::{FUNCTIONS, columns, names};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::shell::{COMMANDS, Next, Shell, parts};
use super::split::{is_blank, split};

const PROMPT: &str = "hongniang> ";

const KEYWORDS: [&str; 46] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "LEFT JOIN",
    "FULL JOIN",
    "ON",
    "USING",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS NULL",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AS",
    "DISTINCT",
    "UNION ALL",
    "WITH",
    "OVER",
    "PARTITION BY",
    "FILTER",
    "INTERVAL",
    "TIMESTAMP",
    "DATE",
    "CAST",
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "CREATE VIEW",
    "SHOW FUNCTIONS",
];

/// Talks until the end.
pub(super) async fn converse(mut shell: Shell, place: &str) -> anyhow::Result<()> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).max_history_size(10_000)?.build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).context("the terminal cannot be used")?;
    editor.set_helper(Some(Words(words(&shell).await)));
    // From now on Ctrl-C never ends the program; whoever runs a query listens for it.
    let _interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let history = history();
    if let Some(history) = &history {
        drop(editor.load_history(history)); // there is none the first time
    }
    eprintln!("SQL over the lake at {place}; statements end with `;`, \\d shows tables, \\? helps, \\q ends");
    loop {
        match tokio::task::block_in_place(|| editor.readline(PROMPT)) {
            Ok(line) => {
                if let Some(history) = &history {
                    drop(editor.append_history(history)); // a history that cannot be kept stops nobody
                }
                if !all_of(&mut shell, &line).await {
                    return Ok(());
                }
                if line.to_lowercase().contains("view") {
                    editor.set_helper(Some(Words(words(&shell).await)));
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error).context("the terminal cannot be read"),
        }
    }
}

/// Runs what was typed; whether the conversation goes on. A mistake ends what was typed with it, not the conversation.
async fn all_of(shell: &mut Shell, line: &str) -> bool {
    for part in parts(line) {
        match shell.run(part).await {
            Ok(Next::Go) => {}
            Ok(Next::Quit) => return false,
            Err(error) => {
                eprintln!("{error:#}");
                break;
            }
        }
    }
    true
}

/// Where the history is kept: with the state of programs of this user.
fn history() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let folder = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?.join("hongniang");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("query_history"))
}

/// Every word that can be completed.
async fn words(shell: &Shell) -> Vec<String> {
    let mut all: Vec<String> = KEYWORDS.iter().map(|word| (*word).to_owned()).collect();
    all.extend(COMMANDS.iter().filter_map(|(command, _)| command.split(' ').next()).map(str::to_owned));
    all.extend(FUNCTIONS.iter().filter_map(|(call, _)| Some(format!("{}(", call.split('(').next()?))));
    for table in names(&shell.session) {
        all.extend(columns(&shell.session, &table).await.unwrap_or_default().into_iter().map(|column| column.column));
        all.push(table);
    }
    let functions = shell.session.state();
    all.extend(functions.scalar_functions().keys().chain(functions.aggregate_functions().keys()).map(|name| format!("{name}(")));
    all.sort();
    all.dedup();
    all
}

/// What helps while a line is typed.
struct Words(Vec<String>);

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completed(&self.0, &line[..at]))
    }
}

/// Where the word before the cursor begins, and what it may become: in the case in which it was begun.
fn completed(words: &[String], before: &str) -> (usize, Vec<String>) {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\\');
    let begin = before.char_indices().rev().take_while(|(_, c)| part_of_word(*c)).last().map_or(before.len(), |(at, _)| at);
    let word = before[begin..].to_lowercase();
    if word.is_empty() {
        return (begin, Vec::new());
    }
    let lower = before[begin..].chars().all(|c| !c.is_uppercase());
    let fitting = words.iter().filter(|known| known.to_lowercase().starts_with(&word));
    (begin, fitting.map(|known| if lower { known.to_lowercase() } else { known.clone() }).collect())
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Helper for Words {}

/// Whether a line can be run: a command, nothing, or statements that all have their `;`.
fn is_whole(text: &str) -> bool {
    text.trim_start().starts_with('\\') || is_blank(split(text).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_whole_with_its_semicolon() {
        for whole in ["", "  ", "\\d interactions", "SELECT 1;", "SELECT 1; -- done", "SELECT ';';"] {
            assert!(is_whole(whole), "{whole}");
        }
        for open in ["SELECT 1", "SELECT ';", "SELECT 1; SELECT", "SELECT 1 -- ;"] {
            assert!(!is_whole(open), "{open}");
        }
    }

    #[test]
    fn words_are_completed_as_they_were_begun() {
        let words = ["SELECT", "interactions", "features.popularity", "\\df", "decay("].map(str::to_owned);
        assert_eq!(completed(&words, "sel"), (0, vec!["select".to_owned()]));
        assert_eq!(completed(&words, "SE"), (0, vec!["SELECT".to_owned()]));
        let before = "SELECT * FROM 表 x, ";
        assert_eq!(completed(&words, &format!("{before}features.p")), (before.len(), vec!["features.popularity".to_owned()]));
        assert_eq!(completed(&words, "\\d"), (0, vec!["\\df".to_owned()]));
        assert_eq!(completed(&words, "SELECT de").1, ["decay("]);
        assert_eq!(completed(&words, "SELECT ").1, Vec::<String>::new());
    }
}
