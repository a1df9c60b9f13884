//! The engine's state, and its copy on the disk.
//!
//! The copy is whole and is written before a change is acknowledged, so what a
//! client was told survives any end. Changes that come at once share a write.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use winterbaume_cognitoidentityprovider::CognitoIdentityProviderService;
use winterbaume_cognitoidentityprovider::views::CognitoidpStateView;
use winterbaume_core::{
    MockRequest, MockResponse, MockService, StatefulService, default_account_id,
};

use super::list_users::{Pools, User};
use super::pool::{self, Ids, PoolUser};
use crate::lock::Lock;
use crate::{Error, REGION, Service, StackDir, files};

pub(crate) struct Store {
    engine: CognitoIdentityProviderService,
    dir: StackDir,
    /// The right to write in the folder, while the stack has it.
    lock: Weak<Lock>,
    /// How many requests have changed something.
    changes: AtomicU64,
    /// How many of them are on the disk. Held while the copy is written.
    saved: Arc<Mutex<u64>>,
    /// The users in the order they are listed, and the number of changes when
    /// they were put in it: a long list is read page after page.
    listed: Mutex<Option<(u64, Arc<Pools>)>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Loads the copy, and sees to it that the application's pool is there.
    pub(crate) async fn open(
        dir: &StackDir,
        lock: &Arc<Lock>,
        users: &[PoolUser],
    ) -> Result<(Store, Ids), Error> {
        let path = dir.data_path(Service::Cognito);
        let damaged = |reason: String| Error::Damaged {
            path: path.clone(),
            reason,
        };
        let mut view = match files::read_if_there(&path)? {
            Some(text) => {
                serde_json::from_str(&text).map_err(|cause| damaged(cause.to_string()))?
            }
            None => CognitoidpStateView {
                user_pools: HashMap::new(),
            },
        };
        let ids = match pool::find(&view) {
            Some(ids) => ids,
            None => {
                let pool = pool::create(users);
                view.user_pools.insert(pool.id.clone(), pool);
                save(&path, &view)?;
                pool::find(&view).ok_or_else(|| damaged("it has no pool".to_owned()))?
            }
        };
        let engine = CognitoIdentityProviderService::new();
        engine
            .restore(default_account_id(), REGION, view)
            .await
            .map_err(|cause| damaged(cause.to_string()))?;
        let store = Store {
            engine,
            dir: dir.clone(),
            lock: Arc::downgrade(lock),
            changes: AtomicU64::new(0),
            saved: Arc::default(),
            listed: Mutex::new(None),
        };
        Ok((store, ids))
    }

    /// Has the engine answer a request, and saves what it changed. When that
    /// fails the change is in memory all the same, as after any server error,
    /// and is saved as soon as it can be.
    pub(crate) async fn handle(
        &self,
        action: &str,
        request: MockRequest,
    ) -> Result<MockResponse, Error> {
        let response = self.engine.handle(request).await;
        if reads_only(action) || response.status >= 300 {
            return Ok(response);
        }
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.save_changes().await?;
        Ok(response)
    }

    /// Saves what could not be saved when it was changed: a disk may have had no room.
    pub(crate) async fn keep_saved(&self) -> Infallible {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Whoever made the change was told that it is not saved.
            let _ = self.save_changes().await;
        }
    }

    /// Saves every change so far, if there are any that are not.
    pub(crate) async fn save_changes(&self) -> Result<(), Error> {
        let mine = self.changes.load(Ordering::SeqCst);
        let mut saved = Arc::clone(&self.saved).lock_owned().await;
        if *saved < mine {
            // Counted before the snapshot, which therefore holds all of them.
            let all = self.changes.load(Ordering::SeqCst);
            let view = self.engine.snapshot(default_account_id(), REGION).await;
            let (dir, lock) = (self.dir.clone(), Weak::clone(&self.lock));
            // A disk may take its time; other requests go on meanwhile. One whose
            // client hangs up ends here, but not what it has begun to write: that
            // keeps its turn, or it would come after what the next one writes.
            let written = tokio::task::spawn_blocking(move || {
                let path = dir.data_path(Service::Cognito);
                // It may be another stack's by now.
                let lock = lock.upgrade().filter(|lock| lock.is_there(&dir));
                if lock.is_none() {
                    return Err(Error::file("write", &path)(ErrorKind::NotFound.into()));
                }
                save(&path, &view)?;
                *saved = all;
                Ok(())
            });
            written.await.unwrap_or_else(|cause| {
                let path = self.dir.data_path(Service::Cognito);
                Err(Error::file("write", &path)(io::Error::other(cause)))
            })?;
        }
        Ok(())
    }

    /// Every pool's users, in order.
    pub(super) async fn users(&self) -> Arc<Pools> {
        let mut listed = self.listed.lock().await;
        let now = self.changes.load(Ordering::SeqCst);
        if let Some((then, pools)) = &*listed
            && *then == now
        {
            return Arc::clone(pools);
        }
        let view = self.engine.snapshot(default_account_id(), REGION).await;
        let pools = Arc::new(sorted(view));
        *listed = Some((now, Arc::clone(&pools)));
        pools
    }
}

fn save(path: &Path, view: &CognitoidpStateView) -> Result<(), Error> {
    let text = serde_json::to_vec(view)
        .map_err(|cause| Error::file("write", path)(io::Error::other(cause)))?;
    files::write(path, &text)
}

fn reads_only(action: &str) -> bool {
    ["List", "Describe", "Get", "AdminGet", "AdminList"]
        .iter()
        .any(|start| action.starts_with(start))
}

fn sorted(view: CognitoidpStateView) -> Pools {
    let mut clients = HashMap::new();
    for (id, pool) in &view.user_pools {
        clients.extend(
            pool.clients
                .keys()
                .map(|client| (client.clone(), id.clone())),
        );
    }
    let pools = view.user_pools.into_values().map(|pool| {
        let mut users: Vec<User> = pool
            .users
            .into_values()
            .map(|user| User {
                // The engine wrote it, so it is a time; the earliest one if not.
                created: user
                    .created_date
                    .parse::<DateTime<Utc>>()
                    .unwrap_or_default(),
                username: user.username,
                status: user.status,
                enabled: user.enabled,
                attributes: user.attributes.into_iter().collect(),
            })
            .collect();
        users.sort_by(|a, b| a.key().cmp(&b.key()));
        (pool.id, (users, pool.custom_attributes))
    });
    Pools {
        pools: pools.collect(),
        clients,
    }
}
