//! A service that runs inside the stack's own process.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{Error, Service, ports};

/// A service that runs as a task of this process. Dropped, it ends at once.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) port: u16,
    pub(crate) handle: JoinHandle<Result<(), String>>,
    shutdown: Option<oneshot::Sender<()>>,
}

impl Task {
    pub(crate) fn new(
        port: u16,
        shutdown: oneshot::Sender<()>,
        handle: JoinHandle<Result<(), String>>,
    ) -> Task {
        Task {
            port,
            handle,
            shutdown: Some(shutdown),
        }
    }

    /// Lets requests that are under way finish, but not for long: a client that
    /// sends half a request and waits must not keep the stack up.
    pub(crate) async fn stop(&mut self) {
        drop(self.shutdown.take());
        // Whoever waited for its end has its result already.
        if self.handle.is_finished() {
            return;
        }
        let patience = Duration::from_millis(300);
        let _ = timeout(patience, &mut self.handle).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// A listener for a service of this process.
pub(crate) fn listener(service: Service, wanted: &[u16]) -> Result<(TcpListener, u16), Error> {
    let listen = || {
        let listener = ports::listen(wanted)?;
        let port = listener.local_addr()?.port();
        Ok::<_, std::io::Error>((TcpListener::from_std(listener)?, port))
    };
    listen().map_err(|cause| Error::Service {
        service,
        reason: format!("no port is free: {cause}"),
        log: Vec::new(),
    })
}
