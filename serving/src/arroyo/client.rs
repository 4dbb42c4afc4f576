//! The REST API, as far as it is needed: <https://doc.arroyo.dev/api>.

use std::time::Duration;

use pipelines::arroyo::{PipelineName, Rendered};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ArroyoError, Rejection};

/// Planning a query takes a second or two, and much longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pipelines of a page of the list.
const PAGE: usize = 50;

/// A job: a pipeline at work, or at rest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// `Created`, `Compiling`, `Scheduling`, `Running`, `Recovering`, `CheckpointStopping`, `Stopped`, `Failed` and the like.
    pub state: String,
    /// How often it was started.
    #[serde(default)]
    pub run_id: u64,
    /// When, in Unix microseconds.
    #[serde(default)]
    pub start_time: Option<u64>,
    /// Tasks at work.
    #[serde(default)]
    pub tasks: Option<u64>,
    #[serde(default)]
    failure_reason: Option<Failure>,
}

/// Why a job failed: an object since 0.16, a text before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Failure {
    Text(String),
    Told { error: String },
}

impl Job {
    /// Whether it is at work.
    pub fn runs(&self) -> bool {
        self.state == "Running"
    }

    /// Whether it stays as it is until somebody asks for something: a pipeline can be deleted then.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "Stopped" | "Finished" | "Failed")
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&str> {
        match self.failure_reason.as_ref()? {
            Failure::Text(text) | Failure::Told { error: text } => Some(text.as_str()),
        }
    }
}

/// A pipeline of ours on the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: PipelineName,
    /// Its id on the cluster.
    pub id: String,
    /// Tasks that share each of its operators.
    pub parallelism: u64,
    /// Microseconds between checkpoints.
    pub checkpoint_micros: u64,
    /// Its job.
    pub job: Option<Job>,
}

impl Known {
    /// The state of its job.
    pub fn state(&self) -> &str {
        self.job.as_ref().map_or("Created", |job| &job.state)
    }
}

#[derive(Deserialize)]
struct Pipeline {
    id: String,
    name: String,
    checkpoint_interval_micros: u64,
    graph: Graph,
    #[serde(default)]
    preview: bool,
}

#[derive(Deserialize)]
struct Graph {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    parallelism: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Validated {
    #[serde(default)]
    errors: Vec<Diagnostic>,
}

/// A text, or since 0.16 an object with the place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Diagnostic {
    Text(String),
    Told { message: String, span: Option<Span> },
}

#[derive(Deserialize)]
struct Span {
    start: At,
}

#[derive(Deserialize)]
struct At {
    line: u64,
    column: u64,
}

/// A checkpoint of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) epoch: u64,
    #[serde(default)]
    pub(super) finish_time: Option<u64>,
}

/// Speaks to one cluster.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    key: Option<String>,
    http: reqwest::Client,
}

impl Client {
    /// A client of the cluster whose API is at `url`; `key` is sent as a bearer token.
    ///
    /// # Errors
    /// When that is not an address.
    pub fn new(url: &str, key: Option<String>) -> Result<Self, ArroyoError> {
        let wrong = || ArroyoError::Address(url.to_owned());
        let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(wrong());
        }
        let url = url.trim_end_matches('/').trim_end_matches("/api/v1").trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().timeout(PATIENCE).connect_timeout(Duration::from_secs(10)).build().map_err(|_| wrong())?;
        Ok(Self { url, key, http })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.url));
        if let Some(key) = &self.key { request.bearer_auth(key) } else { request }
    }

    /// The body of a good answer.
    async fn text(&self, what: &str, request: RequestBuilder) -> Result<String, ArroyoError> {
        let (url, what) = (self.url.clone(), what.to_owned());
        let unreachable = |error: reqwest::Error| ArroyoError::Unreachable {
            url: self.url.clone(),
            what: what.clone(),
            reason: causes(&error.without_url()),
        };
        let reply = request.send().await.map_err(unreachable)?;
        let status = reply.status();
        let body = reply.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        #[derive(Deserialize)]
        struct Told {
            error: String,
        }
        let message = serde_json::from_str(&body).map_or_else(|_| body.chars().take(300).collect(), |told: Told| told.error);
        let status = status.as_u16();
        if status >= StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            return Err(ArroyoError::Failing { url, what, status, message });
        }
        Err(ArroyoError::Refused { url, what, status, message })
    }

    async fn json<T: DeserializeOwned>(&self, what: &str, request: RequestBuilder) -> Result<T, ArroyoError> {
        let body = self.text(what, request).await?;
        serde_json::from_str(&body).map_err(|e| ArroyoError::Unreadable {
            url: self.url.clone(),
            what: what.to_owned(),
            reason: e.to_string(),
        })
    }

    /// What the planner does not take of a pipeline; nothing when it takes all.
    pub(super) async fn validate(&self, rendered: &Rendered) -> Result<Vec<Rejection>, ArroyoError> {
        let request = self.request(Method::POST, "pipelines/validate_query").json(&json!({"query": rendered.sql, "udfs": []}));
        let validated: Validated = self.json(&format!("look at the SQL of {}", rendered.name.set), request).await?;
        let rejection = |diagnostic| {
            let (message, span) = match diagnostic {
                Diagnostic::Text(message) => (message, None),
                Diagnostic::Told { message, span } => (message, span),
            };
            let place = span.map(|span| rendered.place(span.start.line, span.start.column));
            let place = place.or_else(|| rendered.place_in_message(&message));
            Rejection { set: rendered.name.set.clone(), place, message }
        };
        Ok(validated.errors.into_iter().map(rejection).collect())
    }

    /// Makes a pipeline and starts it.
    pub(super) async fn create(&self, rendered: &Rendered, parallelism: u64, checkpoint_micros: u64) -> Result<Known, ArroyoError> {
        let body = json!({
            "name": rendered.name.to_string(), "query": rendered.sql, "udfs": [],
            "parallelism": parallelism, "checkpoint_interval_micros": checkpoint_micros,
        });
        let request = self.request(Method::POST, "pipelines").json(&body);
        let made: Pipeline = self.json(&format!("make the pipeline {}", rendered.name), request).await?;
        self.with_job(made, rendered.name.clone()).await
    }

    /// Every pipeline on the cluster whose name is one of ours, with its job.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn known(&self) -> Result<Vec<Known>, ArroyoError> {
        let mut known = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, "pipelines").query(&[("limit", PAGE)]);
            if let Some(after) = &after {
                request = request.query(&[("starting_after", after)]);
            }
            let page: Page<Pipeline> = self.json("list its pipelines", request).await?;
            after = page.data.last().map(|p| p.id.clone());
            for pipeline in page.data.into_iter().filter(|p| !p.preview) {
                if let Ok(name) = pipeline.name.parse() {
                    known.push(self.with_job(pipeline, name).await?);
                }
            }
            if !page.has_more || after.is_none() {
                break;
            }
        }
        known.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(known)
    }

    async fn with_job(&self, pipeline: Pipeline, name: PipelineName) -> Result<Known, ArroyoError> {
        let job = self.job(&pipeline.id).await?;
        let parallelism = pipeline.graph.nodes.iter().map(|node| node.parallelism).max().unwrap_or(1);
        Ok(Known { name, id: pipeline.id, parallelism, checkpoint_micros: pipeline.checkpoint_interval_micros, job })
    }

    /// The job of a pipeline.
    pub(super) async fn job(&self, pipeline: &str) -> Result<Option<Job>, ArroyoError> {
        let request = self.request(Method::GET, &format!("pipelines/{pipeline}/jobs"));
        let jobs: Page<Job> = self.json("tell how a pipeline is", request).await?;
        Ok(jobs.data.into_iter().next())
    }

    /// Checkpoints of a job.
    pub(super) async fn checkpoints(&self, pipeline: &str, job: &str) -> Result<Vec<Checkpoint>, ArroyoError> {
        let request = self.request(Method::GET, &format!("pipelines/{pipeline}/jobs/{job}/checkpoints"));
        let page: Page<Checkpoint> = self.json("list checkpoints", request).await?;
        Ok(page.data)
    }

    /// Asks a pipeline to stop (`checkpoint`, `immediate`) or to go on (`none`).
    pub(super) async fn stop(&self, pipeline: &Known, how: &str) -> Result<(), ArroyoError> {
        let what = format!("{} {}", if how == "none" { "start" } else { "stop" }, pipeline.name);
        self.patch(&what, pipeline, &json!({"stop": how})).await
    }

    /// Changes what can be changed of a pipeline that runs.
    pub(super) async fn adjust(&self, pipeline: &Known, parallelism: u64, checkpoint_micros: u64) -> Result<(), ArroyoError> {
        let mut changes = json!({});
        if pipeline.parallelism != parallelism {
            changes["parallelism"] = json!(parallelism);
        }
        if pipeline.checkpoint_micros != checkpoint_micros {
            changes["checkpoint_interval_micros"] = json!(checkpoint_micros);
        }
        self.patch(&format!("change {}", pipeline.name), pipeline, &changes).await
    }

    async fn patch(&self, what: &str, pipeline: &Known, changes: &Value) -> Result<(), ArroyoError> {
        self.text(what, self.request(Method::PATCH, &format!("pipelines/{}", pipeline.id)).json(changes)).await.map(drop)
    }

    /// Starts a failed pipeline again, from its last checkpoint.
    pub(super) async fn restart(&self, pipeline: &Known) -> Result<(), ArroyoError> {
        let request = self.request(Method::POST, &format!("pipelines/{}/restart", pipeline.id)).json(&json!({"force": true}));
        self.text(&format!("start {} again", pipeline.name), request).await.map(drop)
    }

    /// Deletes a pipeline whose job has ended, with its state.
    pub(super) async fn delete(&self, pipeline: &Known) -> Result<(), ArroyoError> {
        let request = self.request(Method::DELETE, &format!("pipelines/{}", pipeline.id));
        self.text(&format!("delete {}", pipeline.name), request).await.map(drop)
    }
}

/// An error with what is behind it: the first line of a client says only that it could not send.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
