//! Statements that run within limits, and prepared ones with their parameters.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::{Stream, StreamExt};
use moka::sync::Cache;
use pipelines::query::{Allowed, QueryError, plan};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use uuid::Uuid;

use crate::config::FlightConfig;

/// Prepared statements that are kept, and for how long after they were last used.
const PREPARED: u64 = 10_000;
const KEPT: Duration = Duration::from_secs(3_600);

/// A statement that was prepared, and what its parameters are bound to.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    plan: LogicalPlan,
    bound: Option<Vec<ScalarValue>>,
}

/// Plans and runs statements.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) session: SessionContext,
    prepared: Cache<String, Prepared>,
    places: Arc<Semaphore>,
    patience: Duration,
}

/// What a mistake in a query is in gRPC.
pub(super) fn status(error: &QueryError) -> Status {
    let text = error.to_string();
    match error {
        QueryError::NoTable { .. } => Status::not_found(text),
        QueryError::ReadOnly { .. } => Status::permission_denied(text),
        QueryError::Resources(_) => Status::resource_exhausted(text),
        QueryError::Replaced(_) => Status::aborted(text),
        QueryError::Failed(_) => Status::invalid_argument(text),
    }
}

/// The columns of a plan's answer.
pub(super) fn schema_of(plan: &LogicalPlan) -> SchemaRef {
    Arc::clone(plan.schema().inner())
}

impl Statements {
    pub(super) fn new(session: SessionContext, config: &FlightConfig) -> Self {
        Self {
            session,
            prepared: Cache::builder().max_capacity(PREPARED).time_to_idle(KEPT).build(),
            places: Arc::new(Semaphore::new(config.queries)),
            patience: Duration::from_secs(config.timeout_s),
        }
    }

    /// Plans a statement that must only read. Parameters are `?`, or `$1`, `$2`, …
    pub(super) async fn plan(&self, sql: &str) -> Result<LogicalPlan, Status> {
        let sql = numbered(sql);
        plan(&self.session, sql.trim().trim_end_matches(';'), Allowed::Reading).await.map_err(|e| status(&e))
    }

    /// Runs a plan as soon as there is a place; the rows of its answer.
    pub(super) async fn run(&self, plan: LogicalPlan) -> Result<impl Stream<Item = Result<RecordBatch, FlightError>> + use<>, Status> {
        let until = Instant::now() + self.patience;
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            metrics::counter!("flight_queries_total", "outcome" => "no_place").increment(1);
            return Err(Status::resource_exhausted("too many queries at the same time; ask again later, or raise flight.queries"));
        };
        metrics::counter!("flight_queries_total", "outcome" => "run").increment(1);
        let failed = |error| status(&QueryError::of(error, &self.session));
        let frame = self.session.execute_logical_plan(plan).await.map_err(failed)?;
        let rows = frame.execute_stream().await.map_err(failed)?;
        let late = format!("the query took more than flight.timeout_s ({} s); narrow it", self.patience.as_secs());
        Ok(until_late(Running { rows, session: self.session.clone(), until, late, _place: place }))
    }

    /// Keeps a statement; its handle, the columns of its answer, and its parameters.
    pub(super) async fn prepare(&self, sql: &str) -> Result<(String, SchemaRef, Schema), Status> {
        let plan = self.plan(sql).await?;
        let (answer, parameters) = (schema_of(&plan), parameters(&plan)?);
        let handle = Uuid::now_v7().to_string();
        self.prepared.insert(handle.clone(), Prepared { plan, bound: None });
        Ok((handle, answer, parameters))
    }

    /// Binds the parameters of a prepared statement to the only row of a batch.
    pub(super) fn bind(&self, handle: &str, row: Option<RecordBatch>) -> Result<(), Status> {
        let mut statement = self.get(handle)?;
        let row = row.filter(|row| row.num_rows() > 0).ok_or_else(|| Status::invalid_argument("no row of parameters"))?;
        if row.num_rows() > 1 {
            return Err(Status::invalid_argument("one row of parameters at a time; run the statement for each"));
        }
        let wanted = parameters(&statement.plan)?;
        if wanted.fields().len() != row.num_columns() {
            let (wanted, given) = (wanted.fields().len(), row.num_columns());
            return Err(Status::invalid_argument(format!("the statement has {wanted} parameters; {given} are given")));
        }
        let wrong = |e: datafusion::error::DataFusionError| Status::invalid_argument(e.strip_backtrace());
        let values = row.columns().iter().zip(wanted.fields()).map(|(column, field)| {
            let value = ScalarValue::try_from_array(column, 0)?;
            if field.data_type().is_null() { Ok(value) } else { value.cast_to(field.data_type()) }
        });
        statement.bound = Some(values.collect::<Result<_, _>>().map_err(wrong)?);
        self.prepared.insert(handle.to_owned(), statement);
        Ok(())
    }

    /// The plan of a prepared statement, with its parameters where they are bound.
    pub(super) fn prepared(&self, handle: &str) -> Result<LogicalPlan, Status> {
        let Prepared { plan, bound } = self.get(handle)?;
        match bound {
            None => Ok(plan),
            Some(values) => plan.with_param_values(values).map_err(|e| Status::invalid_argument(e.strip_backtrace())),
        }
    }

    fn get(&self, handle: &str) -> Result<Prepared, Status> {
        self.prepared
            .get(handle)
            .ok_or_else(|| Status::not_found("this node knows no such prepared statement (any more); prepare it again"))
    }

    /// Forgets a prepared statement.
    pub(super) fn close(&self, handle: &str) {
        self.prepared.invalidate(handle);
    }
}

struct Running {
    rows: SendableRecordBatchStream,
    session: SessionContext,
    until: Instant,
    late: String,
    /// Held until the last row is taken, or nobody wants it any more.
    _place: OwnedSemaphorePermit,
}

fn until_late(running: Running) -> impl Stream<Item = Result<RecordBatch, FlightError>> {
    futures::stream::unfold(Some(running), |running: Option<Running>| async move {
        let mut running = running?;
        match timeout_at(running.until, running.rows.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(batch))) => Some((Ok(batch), Some(running))),
            Ok(Some(Err(error))) => Some((Err(status(&QueryError::of(error, &running.session)).into()), None)),
            Err(_) => Some((Err(Status::deadline_exceeded(running.late).into()), None)),
        }
    })
}

/// The parameters of a plan in order, with their types where they follow from the statement.
fn parameters(plan: &LogicalPlan) -> Result<Schema, Status> {
    let found = plan.get_parameter_fields().map_err(|e| Status::invalid_argument(e.strip_backtrace()))?;
    let mut fields = Vec::new();
    for (name, field) in found {
        let position: usize = name
            .trim_start_matches('$')
            .parse()
            .map_err(|_| Status::invalid_argument(format!("the parameter {name} has a name; use ? or $1, $2, …")))?;
        let kind = field.map_or(DataType::Null, |field| field.data_type().clone());
        fields.push((position, Field::new(name, kind, true)));
    }
    fields.sort_by_key(|(position, _)| *position);
    Ok(Schema::new(fields.into_iter().map(|(_, field)| field).collect::<Vec<_>>()))
}

/// `?`, as most drivers write parameters, as `$1`, `$2`, …; those in quotes and comments stay.
fn numbered(sql: &str) -> String {
    let (mut out, mut count) = (String::with_capacity(sql.len()), 0);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let whole = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => first.len_utf8(),
        };
        if first == '?' {
            count += 1;
            out.push_str(&format!("${count}"));
        } else {
            out.push_str(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn question_marks_are_numbered_outside_of_quotes_and_comments() {
        assert_eq!(numbered("a = ? AND b = '?' -- ?\n AND \"c?\" = ? /* ? */"), "a = $1 AND b = '?' -- ?\n AND \"c?\" = $2 /* ? */");
        assert_eq!(numbered("'it''s ?' ? '"), "'it''s ?' $1 '");
    }

    proptest! {
        #[test]
        fn what_has_no_question_mark_stays(sql in "[ -> @-~中\n]{0,60}") {
            prop_assert_eq!(numbered(&sql), sql);
        }
    }
}
