//! The methods of Flight SQL. What is not here is refused by the protocol's own answer: writing, transactions, Substrait.

use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandStatementIngest, CommandStatementQuery, CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc, Ticket,
};
use bytes::Bytes;
use datafusion::logical_expr::LogicalPlan;
use futures::{Stream, StreamExt, TryStreamExt};
use pipelines::query::CATALOG;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::auth::key;
use super::catalog;
use super::statements::{Statements, schema_of};

type Answer<T> = Result<Response<T>, Status>;
type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
type Greetings = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

/// Flight SQL over the lake.
pub(super) struct Service {
    statements: Statements,
}

/// Where the rows of an answer are: behind a ticket, at whoever was asked.
fn info(descriptor: FlightDescriptor, schema: &Schema, ticket: Bytes) -> Answer<FlightInfo> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket));
    let info = FlightInfo::new().try_with_schema(schema).map_err(FlightError::from)?.with_descriptor(descriptor).with_endpoint(endpoint);
    Ok(Response::new(info))
}

/// The command itself is the ticket.
fn info_by_command(request: Request<FlightDescriptor>, schema: &Schema) -> Answer<FlightInfo> {
    let descriptor = request.into_inner();
    let ticket = descriptor.cmd.clone();
    info(descriptor, schema, ticket)
}

fn rows_of(schema: SchemaRef, batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static) -> Answer<Rows> {
    let encoded = FlightDataEncoderBuilder::new().with_schema(schema).build(batches).map_err(Status::from);
    Ok(Response::new(Box::pin(encoded)))
}

fn one(batch: RecordBatch) -> Answer<Rows> {
    rows_of(batch.schema(), futures::stream::iter([Ok(batch)]))
}

fn none(schema: SchemaRef) -> Answer<Rows> {
    one(RecordBatch::new_empty(schema))
}

fn text(bytes: &Bytes) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|_| Status::invalid_argument("this is no handle of ours"))
}

fn as_ipc(schema: &Schema) -> Result<Bytes, Status> {
    let IpcMessage(bytes) = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default())).map_err(FlightError::from)?;
    Ok(bytes)
}

const READS_ONLY: &str = "the lake is only read here; events come in through the API, Kafka or `hongniang import`";

impl Service {
    pub(super) fn new(statements: Statements) -> Self {
        Self { statements }
    }

    async fn run(&self, plan: LogicalPlan) -> Answer<Rows> {
        let schema = schema_of(&plan);
        rows_of(schema, self.statements.run(plan).await?)
    }
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Self;

    /// A password for a token: both are service keys, and this one was looked at before ([`super::auth`]).
    async fn do_handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Answer<Greetings> {
        let key = key(request.metadata()).ok_or_else(|| Status::unauthenticated("give a service key as password"))?;
        let token = format!("Bearer {key}").parse().map_err(|_| Status::invalid_argument("a key that fits no header"))?;
        let greeting = HandshakeResponse { protocol_version: 0, payload: key.into() };
        let greetings: Greetings = futures::stream::iter([Ok(greeting)]).boxed();
        let mut response = Response::new(greetings);
        response.metadata_mut().insert("authorization", token);
        Ok(response)
    }

    async fn get_flight_info_statement(&self, query: CommandStatementQuery, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        let plan = self.statements.plan(&query.query).await?;
        let ticket = TicketStatementQuery { statement_handle: query.query.into() };
        info(request.into_inner(), &schema_of(&plan), ticket.as_any().encode_to_vec().into())
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, _: Request<Ticket>) -> Answer<Rows> {
        let plan = self.statements.plan(text(&ticket.statement_handle)?).await?;
        self.run(plan).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let (handle, answer, parameters) = self.statements.prepare(&query.query).await?;
        let (dataset_schema, parameter_schema) = (as_ipc(&answer)?, as_ipc(&parameters)?);
        Ok(ActionCreatePreparedStatementResult { prepared_statement_handle: handle.into(), dataset_schema, parameter_schema })
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let sent = request.into_inner().map_err(FlightError::from);
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(sent).try_collect().await?;
        let row = batches.into_iter().find(|batch| batch.num_rows() > 0);
        self.statements.bind(text(&query.prepared_statement_handle)?, row)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(query.prepared_statement_handle) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Answer<FlightInfo> {
        let plan = self.statements.prepared(text(&query.prepared_statement_handle)?)?;
        info_by_command(request, &schema_of(&plan))
    }

    async fn do_get_prepared_statement(&self, query: CommandPreparedStatementQuery, _: Request<Ticket>) -> Answer<Rows> {
        let plan = self.statements.prepared(text(&query.prepared_statement_handle)?)?;
        self.run(plan).await
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        self.statements.close(text(&query.prepared_statement_handle)?);
        Ok(())
    }

    async fn do_put_statement_update(&self, _: CommandStatementUpdate, _: Request<PeekableFlightDataStream>) -> Result<i64, Status> {
        Err(Status::permission_denied(READS_ONLY))
    }

    async fn do_put_statement_ingest(&self, _: CommandStatementIngest, _: Request<PeekableFlightDataStream>) -> Result<i64, Status> {
        Err(Status::permission_denied(READS_ONLY))
    }

    async fn get_flight_info_catalogs(&self, command: CommandGetCatalogs, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder().schema())
    }

    async fn do_get_catalogs(&self, command: CommandGetCatalogs, _: Request<Ticket>) -> Answer<Rows> {
        let mut builder = command.into_builder();
        builder.append(CATALOG);
        one(builder.build()?)
    }

    async fn get_flight_info_schemas(&self, command: CommandGetDbSchemas, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder().schema())
    }

    async fn do_get_schemas(&self, command: CommandGetDbSchemas, _: Request<Ticket>) -> Answer<Rows> {
        let mut builder = command.into_builder();
        catalog::SCHEMAS.iter().for_each(|schema| builder.append(CATALOG, schema));
        one(builder.build()?)
    }

    async fn get_flight_info_tables(&self, command: CommandGetTables, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder().schema())
    }

    async fn do_get_tables(&self, command: CommandGetTables, _: Request<Ticket>) -> Answer<Rows> {
        one(catalog::tables(&self.statements.session, command).await?)
    }

    async fn get_flight_info_table_types(&self, command: CommandGetTableTypes, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder().schema())
    }

    async fn do_get_table_types(&self, command: CommandGetTableTypes, _: Request<Ticket>) -> Answer<Rows> {
        let mut builder = command.into_builder();
        catalog::TABLE_TYPES.iter().for_each(|kind| builder.append(kind));
        one(builder.build()?)
    }

    async fn get_flight_info_sql_info(&self, command: CommandGetSqlInfo, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder(catalog::sql_info()?).schema())
    }

    async fn do_get_sql_info(&self, command: CommandGetSqlInfo, _: Request<Ticket>) -> Answer<Rows> {
        one(command.into_builder(catalog::sql_info()?).build()?)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        command: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Answer<FlightInfo> {
        info_by_command(request, &command.into_builder(catalog::types()?).schema())
    }

    async fn do_get_xdbc_type_info(&self, command: CommandGetXdbcTypeInfo, _: Request<Ticket>) -> Answer<Rows> {
        one(command.into_builder(catalog::types()?).build()?)
    }

    async fn get_flight_info_primary_keys(&self, _: CommandGetPrimaryKeys, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &catalog::primary_keys())
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> Answer<Rows> {
        none(catalog::primary_keys())
    }

    async fn get_flight_info_exported_keys(&self, _: CommandGetExportedKeys, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &catalog::foreign_keys())
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> Answer<Rows> {
        none(catalog::foreign_keys())
    }

    async fn get_flight_info_imported_keys(&self, _: CommandGetImportedKeys, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &catalog::foreign_keys())
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> Answer<Rows> {
        none(catalog::foreign_keys())
    }

    async fn get_flight_info_cross_reference(&self, _: CommandGetCrossReference, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info_by_command(request, &catalog::foreign_keys())
    }

    async fn do_get_cross_reference(&self, _: CommandGetCrossReference, _: Request<Ticket>) -> Answer<Rows> {
        none(catalog::foreign_keys())
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
