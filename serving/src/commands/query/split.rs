//! Where statements end: at a `;` that is in no quotes and no comment.

/// The statements of a text that are ended by `;`, without it, and what follows the last one.
pub(super) fn split(text: &str) -> (Vec<&str>, &str) {
    let (mut done, mut begin) = (Vec::new(), 0);
    let mut open: Option<Open> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        match open {
            None => match (c, next) {
                (';', _) => {
                    done.push(text[begin..at].trim());
                    begin = at + 1;
                }
                ('\'' | '"', _) => open = Some(Open::Quote(c)),
                ('-', Some('-')) => open = Some(Open::Line),
                ('/', Some('*')) => {
                    chars.next();
                    open = Some(Open::Comment);
                }
                _ => {}
            },
            // A doubled quote closes and opens again.
            Some(Open::Quote(quote)) if c == quote => open = None,
            Some(Open::Line) if c == '\n' => open = None,
            Some(Open::Comment) if c == '*' && next == Some('/') => {
                chars.next();
                open = None;
            }
            Some(_) => {}
        }
    }
    done.retain(|statement| !is_blank(statement));
    (done, &text[begin..])
}

#[derive(Clone, Copy)]
enum Open {
    Quote(char),
    Line,
    Comment,
}

/// Whether there is nothing but space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    let text = text.trim_start();
    match text.strip_prefix("--") {
        Some(comment) => comment.split_once('\n').is_none_or(|(_, rest)| is_blank(rest)),
        None => match text.strip_prefix("/*") {
            Some(comment) => comment.split_once("*/").is_none_or(|(_, rest)| is_blank(rest)),
            None => text.is_empty(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let text = "SELECT ';' AS \"a;b\" -- c;d\n; /* e;f */ SELECT 'it''s;' ;; -- g\n SELECT 3";
        let (done, rest) = split(text);
        assert_eq!(done, ["SELECT ';' AS \"a;b\" -- c;d", "/* e;f */ SELECT 'it''s;'"]);
        assert_eq!(rest, " -- g\n SELECT 3");
        assert!(is_blank(" -- only\n /* this */ ") && !is_blank("-- x\n1") && is_blank(""));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(parts in prop::collection::vec("[a-z '\"\\-\n/*中]{0,12}", 0..6)) {
            let text = parts.join(";");
            let (done, rest) = split(&text);
            for statement in &done {
                prop_assert!(text.contains(statement));
            }
            prop_assert!(text.ends_with(rest) && done.len() <= parts.len());
        }
    }
}
