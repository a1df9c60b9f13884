//! Cognito: the winterbaume engine, with its users kept in a file, a ListUsers that
//! pages, filters and selects as the real one does, and access tokens that are
//! someone's.

mod filter;
mod list_users;
mod pool;
mod store;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use winterbaume_core::MockRequest;

use crate::task::{Task, listener};
use crate::{Error, Service};
pub use pool::PoolUser;
pub(crate) use store::Store;
use tokens::Tokens;

/// Serves the pools of a store.
pub(crate) fn start(
    store: Arc<Store>,
    wanted: &[u16],
    requests: Option<UnboundedSender<CognitoRequest>>,
) -> Result<Task, Error> {
    let (listener, port) = listener(Service::Cognito, wanted)?;
    let router = Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(4 * 1024 * 1024))
        .with_state(Arc::new(Served {
            store: Arc::clone(&store),
            tokens: Tokens::default(),
            requests,
        }));
    let (shutdown, stopped) = oneshot::channel::<()>();
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        // Resolves when the sender is dropped, too: that is how `stop` asks.
        let _ = stopped.await;
    });
    let handle = tokio::spawn(async move {
        tokio::select! {
            end = served => end.map_err(|cause| cause.to_string()),
            never = store.keep_saved() => match never {},
        }
    });
    Ok(Task::new(port, shutdown, handle))
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CognitoRequest {
    /// `ListUsers`, `AdminCreateUser`, …
    pub action: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

struct Served {
    store: Arc<Store>,
    tokens: Tokens,
    requests: Option<UnboundedSender<CognitoRequest>>,
}

async fn answer(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let action = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split('.').next_back())
        .unwrap_or_default()
        .to_owned();
    let request = MockRequest {
        method: method.to_string(),
        uri: uri.to_string(),
        headers,
        body,
    };
    let response = answer_action(&served, &action, request).await;
    if let Some(requests) = &served.requests {
        let status = response.status().as_u16();
        // Nobody listening is no reason not to answer.
        let _ = requests.send(CognitoRequest { action, status });
    }
    response
}

async fn answer_action(served: &Served, action: &str, request: MockRequest) -> Response {
    let Served { store, tokens, .. } = served;
    let own = match action {
        "ListUsers" => Some(list_users::answer(&*store.users().await, &request.body)),
        "GetUser" => Some(tokens.user(&*store.users().await, &request.body)),
        _ => tokens::refusal(action, &request.body).map(Err),
    };
    match own {
        Some(Ok(answer)) => return respond(StatusCode::OK, None, answer.to_string().into()),
        Some(Err(refusal)) => return refuse(refusal.kind, &refusal.message),
        None => {}
    }
    let asked = request.body.clone();
    let handled = match store.handle(action, request).await {
        Ok(handled) => handled,
        // The client must not take for saved what is not, nor send it again, only to
        // be told that it is there.
        Err(cause) => return refuse("InternalErrorException", &cause.to_string()),
    };
    if [
        "InitiateAuth",
        "AdminInitiateAuth",
        "AdminUserGlobalSignOut",
    ]
    .contains(&action)
    {
        tokens.note(action, &*store.users().await, &asked, &handled.body);
    }
    let status = StatusCode::from_u16(handled.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // The error's name is in the body and, as the real one has it, in a header.
    let kind = (!status.is_success())
        .then(|| serde_json::from_slice::<serde_json::Value>(&handled.body).ok())
        .flatten()
        .and_then(|told| told["__type"].as_str().map(str::to_owned));
    respond(status, kind.as_deref(), handled.body)
}

fn refuse(kind: &str, message: &str) -> Response {
    let body = json!({ "__type": kind, "message": message }).to_string();
    respond(StatusCode::BAD_REQUEST, Some(kind), body.into())
}

fn respond(status: StatusCode, error: Option<&str>, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(CONTENT_TYPE, json);
    let id = uuid::Uuid::new_v4().to_string();
    for (name, value) in [
        ("x-amzn-requestid", Some(&*id)),
        ("x-amzn-errortype", error),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
