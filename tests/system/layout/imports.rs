//! Which modules of its own crate a source names, in whatever form: `use crate::{a, b::c}`, `crate::a::f()`, `super::super::a`.

use std::iter::Peekable;
use std::vec::IntoIter;

/// What a source is made of, as far as paths go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    /// `::`
    Colons,
    Other(char),
}

/// Names and signs without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut found, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - i),
            '/' if at(i + 1) == '*' => {
                let end = (i + 2..chars.len()).find(|j| at(*j) == '*' && at(j + 1) == '/');
                i = end.map_or(chars.len(), |j| j + 2);
            }
            '"' => i = after_text(&chars, i + 1),
            'r' if at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '#' | '"')) => i = after_raw(&chars, i + 1),
            // A character, unlike a lifetime, ends with a quote.
            '\'' if at(i + 1) == '\\' => i = (i + 3..chars.len()).find(|j| at(*j) == '\'').map_or(chars.len(), |j| j + 1),
            '\'' if at(i + 2) == '\'' => i += 3,
            ':' if at(i + 1) == ':' => {
                found.push(Token::Colons);
                i += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = (i..chars.len()).find(|j| !(at(*j).is_alphanumeric() || at(*j) == '_')).unwrap_or(chars.len());
                found.push(Token::Name(chars[i..end].iter().collect()));
                i = end;
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token::Other(c));
                }
                i += 1;
            }
        }
    }
    found
}

fn after_text(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw(chars: &[char], from: usize) -> usize {
    let marks = chars[from..].iter().take_while(|c| **c == '#').count();
    let end = |i: usize| chars[i] == '"' && chars.len() > i + marks && chars[i + 1..=i + marks].iter().all(|c| *c == '#');
    (from + marks + 1..chars.len()).find(|i| end(*i)).map_or(chars.len(), |i| i + marks + 1)
}

/// Reads the rest of a path, with its groups, and notes every whole one.
fn path(tokens: &mut Peekable<IntoIter<Token>>, mut so_far: Vec<String>, found: &mut Vec<Vec<String>>) {
    while tokens.next_if_eq(&Token::Colons).is_some() {
        match tokens.next() {
            Some(Token::Name(name)) => so_far.push(name),
            Some(Token::Other('*')) => so_far.push("*".to_owned()),
            Some(Token::Other('{')) => return group(tokens, &so_far, found),
            _ => break, // a type argument, as in `Vec::<u8>::new`
        }
    }
    found.push(so_far);
}

fn group(tokens: &mut Peekable<IntoIter<Token>>, so_far: &[String], found: &mut Vec<Vec<String>>) {
    loop {
        match tokens.next() {
            Some(Token::Name(name)) if name == "self" => found.push(so_far.to_vec()),
            Some(Token::Name(name)) if name == "as" => drop(tokens.next()),
            Some(Token::Name(name)) => path(tokens, [so_far, &[name]].concat(), found),
            Some(Token::Other('*')) => found.push([so_far, &["*".to_owned()]].concat()),
            Some(Token::Other('{')) => group(tokens, so_far, found),
            Some(Token::Other('}')) | None => return,
            Some(_) => {}
        }
    }
}

/// Every path into the own crate that a source of this module (`["recommend", "http"]`) names, from the crate's root on.
pub(super) fn own_paths(module: &[&str], text: &str) -> Vec<Vec<String>> {
    let mut tokens = tokens(text).into_iter().peekable();
    let mut found = Vec::new();
    let mut inside = false;
    while let Some(token) = tokens.next() {
        let begins = !std::mem::replace(&mut inside, token == Token::Colons);
        let Token::Name(name) = token else { continue };
        if !begins {
            continue;
        }
        let mut base: Vec<String> = module.iter().map(|m| (*m).to_owned()).collect();
        match name.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
            }
            _ => continue,
        }
        let mut paths = Vec::new();
        path(&mut tokens, Vec::new(), &mut paths);
        for path in paths {
            let ups = path.iter().take_while(|name| *name == "super").count();
            let kept = base.len().saturating_sub(ups);
            found.push(base[..kept].iter().cloned().chain(path.into_iter().skip(ups)).collect());
        }
    }
    found
}

#[test]
fn every_form_of_an_import_is_seen() {
    let of = |text: &str| {
        let mut found: Vec<String> = own_paths(&["recommend", "http"], text).iter().map(|p| p.join("::")).collect();
        found.retain(|p| !p.is_empty());
        found
    };
    assert_eq!(of("use crate::users::router;"), ["users::router"]);
    assert_eq!(
        of("use crate::{http::ApiError, users, search::{self, service as s}};"),
        ["http::ApiError", "users", "search", "search::service"]
    );
    assert_eq!(of("fn f() { crate::users::list(1) }"), ["users::list"]);
    assert_eq!(of("use super::super::users::X;"), ["users::X"]);
    assert_eq!(of("use super::{service, super::users};"), ["recommend::service", "users"]);
    assert_eq!(of("use self::inner::X; use crate::*;"), ["recommend::http::inner::X", "*"]);
    assert_eq!(
        of("// crate::users\nlet s = \"crate::users\"; let r = r#\"crate::users\"#; let c = '\"'; crate::moments::id()"),
        ["moments::id"]
    );
    assert_eq!(of("pub(crate) fn f<'a>(x: &'a str) -> Vec<u8> { other::crate_like::users() }"), Vec::<String>::new());
    assert_eq!(of("use index::users::X;"), Vec::<String>::new(), "another crate");
}
