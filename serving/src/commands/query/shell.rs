//! What is typed, piped or read from a file, line by line: statements and commands that begin with a backslash.

use std::path::PathBuf;

use clap::ValueEnum;
use datafusion::prelude::SessionContext;
use pipelines::query::Allowed;

use super::describe;
use super::running::answer;
use super::sink::Form;
use super::split::{is_blank, split};
use crate::commands::report::say;

/// What results look like and where they go.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The form; none: what the output announces, or a table.
    pub(super) form: Option<Form>,
    /// The file for the next result.
    pub(super) output: Option<PathBuf>,
    /// Whether every row and whole cells are shown.
    pub(super) all: bool,
    /// Whether a column is a line.
    pub(super) expanded: bool,
    /// Whether the time is told.
    pub(super) timing: bool,
    /// Whether nothing is told but results and errors.
    pub(super) quiet: bool,
    /// Seconds after which events are in the lake, where that is known.
    pub(super) flush_s: Option<f64>,
}

/// A session and how it answers.
pub(super) struct Shell {
    pub(super) session: SessionContext,
    pub(super) settings: Settings,
    allowed: Allowed,
}

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

/// What backslash commands there are.
pub(super) const COMMANDS: [(&str, &str); 9] = [
    ("\\d", "tables: what they hold, how many rows, bytes and days"),
    ("\\d TABLE", "its columns: types and what they mean"),
    ("\\df", "functions of ours; SHOW FUNCTIONS lists all"),
    ("\\format FORM", "table, csv, json, jsonl or parquet"),
    ("\\o FILE", "the next result goes to a file: its ending tells the form"),
    ("\\x", "a line for each column, or one for each row again"),
    ("\\timing", "whether the time of a query is told"),
    ("\\?", "this"),
    ("\\q", "the end, as Ctrl-D"),
];

impl Shell {
    pub(super) fn new(session: SessionContext, settings: Settings, allowed: Allowed) -> Self {
        Self { session, settings, allowed }
    }

    /// Runs everything in a text; stops at the first mistake.
    pub(super) async fn script(&mut self, text: &str) -> anyhow::Result<()> {
        let parts = parts(text);
        let statements = parts.iter().filter(|part| !part.starts_with('\\')).count();
        anyhow::ensure!(!parts.is_empty(), "no statement; give one, such as `hongniang query 'SELECT COUNT(*) FROM interactions'`");
        anyhow::ensure!(
            self.settings.output.is_none() || statements == 1,
            "--output takes the result of one statement; there are {statements}"
        );
        for part in parts {
            if self.run(part).await? == Next::Quit {
                break;
            }
        }
        Ok(())
    }

    /// Runs one statement without its `;`, or one command.
    pub(super) async fn run(&mut self, part: &str) -> anyhow::Result<Next> {
        if let Some(command) = part.trim().strip_prefix('\\') {
            return self.command(command.trim_end_matches(';')).await;
        }
        answer(&self.session, part, self.allowed, &mut self.settings).await?;
        Ok(Next::Go)
    }

    async fn command(&mut self, command: &str) -> anyhow::Result<Next> {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match name {
            "q" => return Ok(Next::Quit),
            "?" | "h" | "help" => say(COMMANDS.map(|(command, does)| format!("  {command:<14} {does}")).join("\n"))?,
            "d" | "dt" if rest.is_empty() => say(describe::tables(&self.session).await?)?,
            "d" => say(describe::table(&self.session, rest).await?)?,
            "df" => say(describe::functions())?,
            "timing" => self.settings.timing = toggled("timing", self.settings.timing, rest)?,
            "x" => self.settings.expanded = toggled("expanded display", self.settings.expanded, rest)?,
            "format" => {
                let form = Form::from_str(rest, true).map_err(|_| anyhow::anyhow!("\\format takes table, csv, json, jsonl or parquet"))?;
                self.settings.form = Some(form);
            }
            "o" => self.settings.output = (!rest.is_empty()).then(|| PathBuf::from(rest)),
            _ => anyhow::bail!("there is no command \\{name}; \\? tells which there are"),
        }
        Ok(Next::Go)
    }
}

fn toggled(what: &str, now: bool, wanted: &str) -> anyhow::Result<bool> {
    let on = match wanted {
        "" => !now,
        "on" => true,
        "off" => false,
        other => anyhow::bail!("{what} is on or off, not {other}"),
    };
    eprintln!("{what} is {}", if on { "on" } else { "off" });
    Ok(on)
}

/// Statements without their `;` and commands of a text, in order. A command is a line of its own; the last statement needs no `;`.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return found;
        }
        if rest.starts_with('\\') {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            found.push(line.trim());
            rest = after;
            continue;
        }
        let (done, after) = split(rest);
        let Some(first) = done.first() else {
            if !is_blank(after) {
                found.push(after.trim());
            }
            return found;
        };
        found.push(first);
        // Where the first one ended: the others are looked at anew, because a command may stand between them.
        let end = first.as_ptr() as usize - rest.as_ptr() as usize + first.len();
        rest = rest[end..].trim_start().trim_start_matches(';');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines_and_statements_end_with_semicolons() {
        let text = "\\d\nSELECT 1;\n  \\x on\n-- a word\nSELECT ';'\n  , 2;; SELECT 3 ;\\q\n";
        assert_eq!(parts(text), ["\\d", "SELECT 1", "\\x on", "-- a word\nSELECT ';'\n  , 2", "SELECT 3", "\\q"]);
        assert_eq!(parts("SELECT 1"), ["SELECT 1"]);
        assert_eq!(parts(" ; -- nothing\n"), Vec::<&str>::new());
    }
}
