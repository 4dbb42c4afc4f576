//! A query reads; whatever else a statement would do is refused before anything happens.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement};
use datafusion::prelude::SessionContext;

use super::error::QueryError;

/// What statements may do beside reading the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Nothing.
    Reading,
    /// Views of this session, and settings that change nothing but how its queries run.
    Views,
}

/// Settings of a session that a query may change: prefixes.
const SETTINGS: [&str; 6] = [
    "datafusion.execution.time_zone",
    "datafusion.execution.batch_size",
    "datafusion.execution.target_partitions",
    "datafusion.execution.parquet.",
    "datafusion.optimizer.",
    "datafusion.explain.",
];

/// Plans a statement, with table and column names resolved, and refuses what is not allowed. Nothing is done yet.
///
/// # Errors
/// When the statement is no SQL, names what is not there, or would do more than is allowed.
pub async fn plan(session: &SessionContext, sql: &str, allowed: Allowed) -> Result<LogicalPlan, QueryError> {
    let plan = session.state().create_logical_plan(sql).await.map_err(|e| QueryError::of(e, session))?;
    let mut refused = None;
    let looked = plan.apply_with_subqueries(|node| {
        refused = refusal(node, allowed);
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    looked.map_err(|e: DataFusionError| QueryError::of(e, session))?;
    refused.map_or(Ok(plan), Err)
}

fn refusal(node: &LogicalPlan, allowed: Allowed) -> Option<QueryError> {
    let no = |what: &str, instead| Some(QueryError::ReadOnly { what: in_sql(what), instead });
    let (files, views) = ("`hongniang query --output FILE` writes results to files", "CREATE VIEW works in an interactive session");
    match node {
        LogicalPlan::Dml(write) => no(&write.op.to_string(), "events come in through the API, Kafka or `hongniang import`"),
        LogicalPlan::Copy(_) => no("COPY", files),
        LogicalPlan::Ddl(DdlStatement::CreateView(_) | DdlStatement::DropView(_)) if allowed == Allowed::Views => None,
        LogicalPlan::Ddl(DdlStatement::CreateExternalTable(_)) => no("CREATE EXTERNAL TABLE", "--place reads another lake"),
        LogicalPlan::Ddl(other) => no(other.name(), if allowed == Allowed::Views { "CREATE VIEW works here" } else { views }),
        LogicalPlan::Statement(Statement::SetVariable(set)) if allowed == Allowed::Views && may_set(&set.variable) => None,
        LogicalPlan::Statement(Statement::SetVariable(set)) => {
            let what = format!("SET {}", set.variable);
            Some(QueryError::ReadOnly { what, instead: "limits are set in the configuration" })
        }
        LogicalPlan::Statement(other) => no(other.name(), "one statement stands for itself"),
        _ => None,
    }
}

/// `CreateMemoryTable` in the words of a statement: `CREATE TABLE`.
fn in_sql(name: &str) -> String {
    let mut words = String::new();
    let mut small = false;
    for c in name.replace("Memory", "").chars() {
        if c.is_uppercase() && small {
            words.push(' ');
        }
        small = c.is_lowercase();
        words.push(c);
    }
    words.to_uppercase()
}

fn may_set(variable: &str) -> bool {
    // `SET TIME ZONE` comes as `timezone`.
    variable == "timezone" || SETTINGS.iter().any(|prefix| variable.starts_with(prefix))
}
