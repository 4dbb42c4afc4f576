//! What a feature file may say, so that three runtimes compute the same.
//!
//! The embedded runner adds partial results of micro-batches, so only what adds up is right there; Arroyo refuses some SQL, and computes or keeps
//! other SQL wrongly. Both are held on the syntax tree. Functions are named one by one: a new one is tried on a cluster first, and then added to
//! [`TRIED`].

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectName, Query,
    Select, SelectItem, SetExpr, Spanned, Statement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Span;
use features::sets::FeatureSet;

/// Aggregates whose partial results add up, and that Arroyo keeps exactly over restarts.
const AGGREGATES: [&str; 2] = ["count", "sum"];

/// Scalar functions that give the same in DataFusion and on an Arroyo cluster.
pub const TRIED: [&str; 5] = ["date_part", "exp", "ln", "power", "unnest"];

/// What is known of others.
const KNOWN: [(&str, &str); 17] = [
    ("min", "does not add up, and Arroyo keeps every value of it in memory"),
    ("max", "does not add up, and Arroyo keeps every value of it in memory"),
    ("avg", "does not add up over micro-batches; name a SUM and a COUNT, and divide where the row is read"),
    ("array_agg", "sees only distinct values on Arroyo"),
    ("first_value", "depends on the order of events, which no runtime promises"),
    ("last_value", "depends on the order of events, which no runtime promises"),
    ("string_agg", "depends on the order of events, which no runtime promises"),
    ("exp2", "is missing on Arroyo; write power(2.0, x)"),
    ("pow", "is missing on Arroyo; write power(x, y)"),
    ("mod", "is missing on Arroyo; write x % y"),
    ("tumble", "drops late events on Arroyo, and is missing in batch; group by the hour or day instead"),
    ("hop", "drops late events on Arroyo, and is missing in batch"),
    ("session", "drops late events on Arroyo, and is missing in batch"),
    ("now", "gives another value each time the same events are counted"),
    ("current_timestamp", "gives another value each time the same events are counted"),
    ("random", "gives another value each time the same events are counted"),
    ("uuid", "gives another value each time the same events are counted"),
];

/// Something in a feature file that does not give the same in every runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The feature set.
    pub set: String,
    /// Line of its file, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "features/sql/{}.sql:{}:{}: {}", self.set, self.line, self.column, self.message)
    }
}

/// Parses the SQL of a feature set.
///
/// # Errors
/// Where it is not one query.
pub(super) fn parse(set: &FeatureSet) -> Result<Query, Finding> {
    let fault = |message: String| finding(set, Span::empty(), message);
    let mut statements = Parser::parse_sql(&GenericDialect {}, &set.sql).map_err(|e| {
        let text = e.to_string();
        // Without a place it is the end that came too early.
        let (line, column) = super::render::position(&text).unwrap_or_else(|| (set.sql.lines().count().max(1) as u64, 1));
        Finding { set: set.name.clone(), line: line + set.line as u64 - 1, column, message: text }
    })?;
    match (statements.pop(), statements.len()) {
        (Some(Statement::Query(query)), 0) => Ok(*query),
        (Some(other), 0) => Err(fault(format!("must be a SELECT, not `{other}`"))),
        _ => Err(fault("must be exactly one SELECT".to_owned())),
    }
}

/// What in a feature set is outside the shared dialect, in the order of the file; nothing when every runtime computes it alike.
pub fn check(set: &FeatureSet) -> Vec<Finding> {
    let query = match parse(set) {
        Ok(query) => query,
        Err(finding) => return vec![finding],
    };
    let mut rules = Rules { set, depth: 0, found: Vec::new() };
    let _ = query.visit(&mut rules); // it never breaks off
    if let SetExpr::Select(select) = &*query.body {
        rules.outer(select);
    }
    let mut found = rules.found;
    found.sort_by_key(|f| (f.line, f.column));
    found.dedup();
    found
}

fn finding(set: &FeatureSet, span: Span, message: String) -> Finding {
    let at = span.start;
    let (line, column) = if at.line == 0 { (1, 1) } else { (at.line, at.column) };
    Finding { set: set.name.clone(), line: line + set.line as u64 - 1, column, message }
}

struct Rules<'a> {
    set: &'a FeatureSet,
    /// Queries around the one that is looked at.
    depth: usize,
    found: Vec<Finding>,
}

impl Rules<'_> {
    fn say(&mut self, at: Span, message: impl Into<String>) {
        self.found.push(finding(self.set, at, message.into()));
    }

    fn query(&mut self, query: &Query) {
        let at = query.span();
        if let Some(with) = &query.with {
            self.say(with.with_token.0.span, "WITH: write a subquery in FROM, which Arroyo was tried with");
        }
        if !matches!(&*query.body, SetExpr::Select(_)) {
            self.say(at, "UNION, EXCEPT, INTERSECT and VALUES are not in the shared dialect: one SELECT over one topic");
        }
        if let Some(order) = &query.order_by {
            self.say(order.span(), "ORDER BY: a stream has no last row to sort up to");
        }
        if let Some(limit) = &query.limit_clause {
            self.say(limit.span(), "LIMIT and OFFSET: a stream has no first rows");
        }
        if query.fetch.is_some() {
            self.say(at, "FETCH: a stream has no first rows");
        }
    }

    /// Rules of every SELECT.
    fn select(&mut self, select: &Select) {
        let at = select.select_token.0.span;
        if let Some(Distinct::Distinct | Distinct::On(_)) = &select.distinct {
            self.say(at, "SELECT DISTINCT: Arroyo keeps 1.3 KB of every row for ever; the gate has dropped duplicates already");
        }
        if let Some(having) = &select.having {
            self.say(having.span(), "HAVING: a micro-batch has only a part of the sum; judge it where the row is read");
        }
        if let Some(qualify) = &select.qualify {
            self.say(qualify.span(), "QUALIFY: window functions are not in the shared dialect");
        }
        match select.from.as_slice() {
            [one] if one.joins.is_empty() => match &one.relation {
                TableFactor::Table { args: None, .. } | TableFactor::Derived { lateral: false, .. } => {}
                other => self.say(other.span(), "FROM: only a topic, or a subquery over a topic"),
            },
            [] => self.say(at, "FROM is missing: a feature set reads one topic"),
            _ => self.say(select.from[0].span(), "joins: Arroyo keeps both sides for ever; put what is needed into the event"),
        }
    }

    /// Rules of the SELECT that makes the rows.
    fn outer(&mut self, select: &Select) {
        let at = select.select_token.0.span;
        let keys = self.set.key_columns.len();
        match &select.group_by {
            GroupByExpr::Expressions(by, modifiers) if !modifiers.is_empty() || by.iter().any(is_grouping) => {
                self.say(at, "ROLLUP, CUBE and GROUPING SETS are not in the shared dialect");
            }
            GroupByExpr::Expressions(by, _) if by.is_empty() => {
                self.say(
                    at,
                    "GROUP BY is missing: Arroyo restores an ungrouped aggregate wrongly; group by a key, if need be a constant one",
                );
            }
            GroupByExpr::Expressions(by, _) if by.len() != keys => {
                self.say(by[0].span(), format!("GROUP BY names {} expressions, but {keys} columns stand before `version`", by.len()));
            }
            GroupByExpr::Expressions(..) => {}
            GroupByExpr::All(_) => self.say(at, "GROUP BY ALL: name the key"),
        }
        for (n, item) in select.projection.iter().enumerate() {
            match (item, n.cmp(&keys)) {
                (SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. }, _) => {
                    self.say(item.span(), "name every column");
                }
                (item, std::cmp::Ordering::Equal) if !is_version(item) => {
                    self.say(item.span(), "must be COUNT(*) AS version: it tells the newer of two rows of a key");
                }
                (SelectItem::UnnamedExpr(expr), std::cmp::Ordering::Greater) => self.say(expr.span(), "needs a name: … AS name"),
                (SelectItem::ExprWithAlias { expr, .. }, std::cmp::Ordering::Greater) if !is_aggregate(expr) => {
                    self.say(expr.span(), "must be one COUNT or SUM: what is done to sums does not add up over micro-batches");
                }
                _ => {}
            }
        }
    }

    fn function(&mut self, function: &Function) {
        let (name, at) = (function.name.to_string().to_lowercase(), function.name.span());
        let aggregate = AGGREGATES.contains(&name.as_str());
        if function.over.is_some() {
            self.say(at, format!("{name} OVER: window functions are not in the shared dialect"));
        }
        if let Some((_, why)) = KNOWN.iter().find(|(known, _)| *known == name) {
            self.say(at, format!("{name} {why}"));
        } else if !aggregate && !TRIED.contains(&name.as_str()) {
            let tried = [&AGGREGATES[..], &TRIED[..]].concat().join(", ");
            self.say(at, format!("{name} was not tried on Arroyo; there are {tried}, CASE and the usual operators"));
        }
        if aggregate && self.depth > 1 {
            self.say(at, format!("{name} in a subquery: Arroyo has no aggregates of aggregates"));
        }
        if let Some(filter) = &function.filter {
            let instead = format!("write SUM(CASE WHEN {filter} THEN 1 ELSE 0 END)");
            self.say(at, format!("{name} FILTER: Arroyo takes it, leaves it out without a word and adds up every row; {instead}"));
        }
        if let FunctionArguments::List(list) = &function.args {
            if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
                self.say(at, format!("{name}(DISTINCT …) does not add up over micro-batches, and SUM of it ends an Arroyo job"));
            }
            if !list.clauses.is_empty() {
                self.say(at, format!("{name}: ORDER BY, LIMIT and the like within a call are not in the shared dialect"));
            }
        }
    }
}

fn is_grouping(expr: &Expr) -> bool {
    matches!(expr, Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_))
}

fn is_call<'a>(expr: &'a Expr, names: &[&str]) -> Option<&'a Function> {
    match expr {
        Expr::Function(function) if names.contains(&function.name.to_string().to_lowercase().as_str()) => Some(function),
        _ => None,
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    is_call(expr, &AGGREGATES).is_some()
        // Said by its own rule, with its own words.
        || matches!(expr, Expr::Function(f) if KNOWN.iter().any(|(known, _)| f.name.to_string().eq_ignore_ascii_case(known)))
}

fn is_version(item: &SelectItem) -> bool {
    let SelectItem::ExprWithAlias { expr, alias } = item else { return false };
    let Some(Function { args: FunctionArguments::List(list), filter: None, .. }) = is_call(expr, &["count"]) else { return false };
    alias.value == "version" && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}

impl Visitor for Rules<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        self.query(query);
        if let SetExpr::Select(select) = &*query.body {
            self.select(select);
            let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
            if self.depth > 1 && grouped {
                self.say(select.select_token.0.span, "GROUP BY in a subquery: Arroyo has no aggregates of aggregates");
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if relation.to_string() != self.set.source.name() {
            self.say(relation.span(), format!("reads `{relation}` beside `{}`: a feature set reads one topic", self.set.source.name()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::InSubquery { expr, .. } => self.say(expr.span(), "IN (SELECT …): a stream of one topic asks no other"),
            Expr::Exists { subquery, .. } => self.say(subquery.span(), "EXISTS: a stream of one topic asks no other"),
            Expr::Subquery(query) => self.say(query.span(), "a subquery as a value: a stream of one topic asks no other"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The names that the SQL of a feature set mentions anywhere: those of them that are columns of its topic are what it reads.
pub(super) fn mentioned(set: &FeatureSet) -> Result<Vec<String>, Finding> {
    struct Names(Vec<String>);
    impl Names {
        fn note(&mut self, ident: &Ident) {
            self.0.push(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() });
        }
    }
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.note(ident),
                Expr::CompoundIdentifier(parts) => parts.iter().for_each(|part| self.note(part)),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let query = parse(set)?;
    let mut names = Names(Vec::new());
    let _ = query.visit(&mut names); // it never breaks off
    Ok(names.0)
}
